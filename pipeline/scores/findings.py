"""What a person must know before reading a layer's scores, in plain sentences; nothing where all is as it should be.

One place for all that print it: evaluate, compare, and the description of a run in MLflow. A rule is a generator of
sentences from the scores, and a line in `_RULES`; it says nothing where its scores are not there.
"""

from collections.abc import Callable, Iterator, Mapping

from pipeline.basis.layout import RESIDUAL
from pipeline.scores.statistics.score import (
    AGREEMENT,
    GAUSSIAN_GAIN,
    NEVER_DECIDED,
    PROBE_GAP,
    PROBE_OWN,
    SWAP_FOLLOW,
    Score,
    probe_cell,
)

__all__ = ["findings"]

Measured = Mapping[str, Score]


def findings(scores: Measured) -> list[str]:
    """One sentence for each thing that a person must know, the worst first.

    Args:
        scores: of a layer, by name.

    Example:
        >>> findings({"probe/own/tint": Score(0.01, 0.0, 0.03, chance=0.002)})
        ["the factor of 'tint' holds nothing of it that can be told from chance: probe/own/tint 0.01 [0.00, 0.03]"]
    """
    return [sentence for rule in _RULES for sentence in rule(scores)]


def _density(scores: Measured) -> Iterator[str]:
    """T is no better than what needs no training."""
    gain = scores.get(GAUSSIAN_GAIN)
    if gain is not None and gain.high is not None and gain.high < 0:
        yield (
            f"T has learned its training rows by heart, or too little of them: {-gain.value:.3g} nats worse than a "
            f"Gaussian on a held-out latent ({_brief(GAUSSIAN_GAIN, gain)}); where the held-out curve lies above that "
            "of training, more images, fewer steps or fewer blocks help"
        )


def _factors(scores: Measured) -> Iterator[str]:
    """A factor that does not hold its concept, or no more of it than another."""
    for concept, own in _parts(scores, PROBE_OWN):
        gap_name = f"{PROBE_GAP}/{concept}"
        gap, others = scores.get(gap_name), _others(scores, concept)
        if own.low is not None and own.low <= max(own.chance or 0.0, 0.0):
            yield (
                f"the factor of '{concept}' holds nothing of it that can be told from chance: "
                f"{_brief(f'{PROBE_OWN}/{concept}', own)}"
            )
        elif others and gap is not None and gap.low is not None and gap.high is not None and gap.low <= 0:
            best = max(others, key=lambda factor: others[factor])
            how = "better than" if gap.high < 0 else "as well as"
            yield (
                f"'{concept}' is read from {'the residual' if best == RESIDUAL else f'the factor of {best!r}'} "
                f"{how} from its own factor: {others[best]:.2f} against {own.value:.2f} ({_brief(gap_name, gap)})"
            )


def _swaps(scores: Measured) -> Iterator[str]:
    """A swap that the judge does not see."""
    for concept, follow in _parts(scores, SWAP_FOLLOW):
        if follow.low is not None and follow.chance is not None and follow.low <= follow.chance:
            yield (
                f"after a swap of the factor of '{concept}' the judge sees the donor's no more often than by chance: "
                f"{_brief(f'{SWAP_FOLLOW}/{concept}', follow)}, chance {follow.chance:.2f}"
            )


def _decisions(scores: Measured) -> Iterator[str]:
    """Classes about which the decisions of a network say nothing."""
    agreement = scores.get(AGREEMENT)
    if agreement is not None and NEVER_DECIDED in agreement.details:
        yield (
            f"the network decides for no test image that it is {agreement.details[NEVER_DECIDED]}: how decisions "
            "answer to a factor says nothing of that"
        )


_RULES: tuple[Callable[[Measured], Iterator[str]], ...] = (_density, _factors, _swaps, _decisions)


def _parts(scores: Measured, name: str) -> Iterator[tuple[str, Score]]:
    """Concepts, and the part `name`/concept of each."""
    for part, score in scores.items():
        if part.startswith(f"{name}/"):
            yield part.removeprefix(f"{name}/"), score


def _others(scores: Measured, concept: str) -> dict[str, float]:
    """How well each factor but its own tells a concept."""
    cells = (name.split("/") for name in scores if name.startswith("probe/matrix/"))
    factors = [factor for _, _, factor, read in cells if read == concept and factor != concept]
    return {factor: scores[probe_cell(factor, concept)].value for factor in factors}


def _brief(name: str, score: Score) -> str:
    return f"{name} {score.value:.2f} [{score.low:.2f}, {score.high:.2f}]"
