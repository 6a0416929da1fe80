"""What a person must know before reading a layer's scores, in plain sentences; nothing where all is as it should be.

One place for all that print it: evaluate, compare, and the description of a run in MLflow. A rule is a generator of
sentences from the scores, and a line in `_RULES`; it says nothing where its scores are not there.
"""

from collections.abc import Callable, Iterator, Mapping

from pipeline.basis.layout import RESIDUAL
from pipeline.scores.statistics.score import (
    AGREEMENT,
    BASELINES,
    CLOSED_FORM_GAP,
    FRECHET,
    FRECHET_GAIN,
    GAP_OVER_CLOSED_FORM,
    GAUSSIAN_GAIN,
    NEVER_DECIDED,
    OUTSIDE,
    PROBE_CLOSED_FORM,
    PROBE_GAP,
    PROBE_LATENT,
    PROBE_OWN,
    RECOGNISED,
    RECONSTRUCTION,
    ROUND_TRIP,
    SET,
    SWAP_FOLLOW,
    Score,
    own_over_closed_form,
    probe_cell,
)

__all__ = ["BAR", "MEASURES", "bar_of", "below_bar", "findings", "share"]

Measured = Mapping[str, Score]

_LOST_ON_THE_WAY = 1e-3  # standard deviations of z; float32 leaves some 1e-5
_HARDLY = 0.5  # of what a perfect code would tell, or of the variance of the images
_WORTH_SAYING = 0.02  # by which a concept is read less well
_FAR = 0.05  # share of edits; of the training latents it is .001
BAR = 0.8  # of the way from chance to perfect, which a factor that works reaches in each measure
MEASURES = (PROBE_OWN, PROBE_GAP, SWAP_FOLLOW)  # of a concept's own factor, as far as they were measured
_REMEDY = "more images, fewer steps or fewer blocks help"


def share(score: Score) -> float:
    """How far a score is on the way from chance, 0, to perfect, 1; the value itself where these are not known."""
    chance, perfect = score.chance or 0.0, 1.0 if score.perfect is None else score.perfect
    return (score.value - chance) / (perfect - chance) if perfect > chance else score.value


def bar_of(score: Score) -> float:
    """The value at which a score reaches the bar, where what chance and a perfect code reach is known.

    Example:
        >>> bar_of(Score(0.897, chance=0.5, perfect=1.0))
        0.9
    """
    chance, perfect = score.chance or 0.0, 1.0 if score.perfect is None else score.perfect
    return chance + BAR * (perfect - chance) if perfect > chance else BAR


def below_bar(concept: str, scores: Mapping[str, Score]) -> list[str]:
    """Names, of `MEASURES`, of what a concept's factor does not reach the bar in; of what was not measured none.

    Example:
        >>> below_bar("tint", {"probe/own/tint": Score(0.9), "probe/gap/tint": Score(0.4)})
        ['probe/gap']
    """
    return [name for name in MEASURES if (found := scores.get(f"{name}/{concept}")) is not None and share(found) < BAR]


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
            f"of training, {_REMEDY}"
        )


def _round_trip(scores: Measured) -> Iterator[str]:
    """A T that has exploded, which is invertible on paper alone."""
    error = scores.get(ROUND_TRIP)
    if error is not None and error.value > _LOST_ON_THE_WAY:
        yield (
            f"T does not find its way back: T⁻¹(T(z)) is off by up to {error.value:.2g} standard deviations of z "
            f"({ROUND_TRIP}; {_LOST_ON_THE_WAY:g} is a lot), so that an edit changes more than it says; {_REMEDY}"
        )


def _training(scores: Measured) -> Iterator[str]:
    """A T that is worse than the best linear map, which needs no training; or a factor of it."""
    gain, gap, closed_form = (scores.get(name) for name in (GAP_OVER_CLOSED_FORM, PROBE_GAP, CLOSED_FORM_GAP))
    if gain is not None and gain.high is not None and gain.high < 0 and gap is not None and closed_form is not None:
        yield (
            f"T sorts worse than the best linear map, which needs no training: {PROBE_GAP} {gap.value:.2f} against "
            f"{closed_form.value:.2f} ({_brief(GAP_OVER_CLOSED_FORM, gain)}); where its curves still fall, more steps "
            f"help, else {_REMEDY}"
        )
    for concept, own in _parts(scores, PROBE_OWN):
        name = own_over_closed_form(concept)
        more, other = scores.get(name), scores.get(f"{PROBE_CLOSED_FORM}/{concept}")
        if more is not None and more.high is not None and more.high < -_WORTH_SAYING and other is not None:
            yield (
                f"the factor of '{concept}' holds less of it than that of the best linear map: {own.value:.2f} against "
                f"{other.value:.2f} ({_brief(name, more)})"
            )


def _latents(scores: Measured) -> Iterator[str]:
    """What T was given: a z that hardly holds a concept, images that hardly come back."""
    for concept, told in _parts(scores, PROBE_LATENT):
        own, closed_form = (scores.get(f"{name}/{concept}") for name in (PROBE_OWN, PROBE_CLOSED_FORM))
        if own is None or closed_form is None or told.high is None:
            continue
        if max(told.high, own.value, closed_form.value) < _HARDLY:
            yield (
                f"z itself hardly holds '{concept}': {told.value:.2f} is read from all of it "
                f"({_brief(f'{PROBE_LATENT}/{concept}', told)}), {closed_form.value:.2f} from the best linear map, "
                f"{own.value:.2f} from its factor; another layer or network may hold more"
            )
    error = scores.get(RECONSTRUCTION)
    if error is not None and error.low is not None and error.low > _HARDLY:
        yield (
            f"the network hardly draws the images it is shown: its error is {100 * error.value:.0f} % of their "
            f"variance ({_brief(RECONSTRUCTION, error)}), and no edit shows more than it draws; train it longer, or "
            "let it have a longer z"
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


def _draws(scores: Measured) -> Iterator[str]:
    """A T by way of which nothing better is drawn than from what needs no training."""
    ours = scores.get(f"{FRECHET}/flow")
    for name, gain in _parts(scores, FRECHET_GAIN):
        beside = scores.get(f"{FRECHET}/{name}")
        if ours is not None and beside is not None and gain.low is not None and gain.low <= 0:
            yield (
                f"what is drawn by way of T is not surely nearer to real images than what {BASELINES[name]} gives: "
                f"Fréchet distance {ours.value:.3g} against {beside.value:.3g} "
                f"({_brief(f'{FRECHET_GAIN}/{name}', gain)})"
            )


def _decisions(scores: Measured) -> Iterator[str]:
    """Classes about which the decisions of a network say nothing."""
    agreement = scores.get(AGREEMENT)
    if agreement is not None and NEVER_DECIDED in agreement.details:
        yield (
            f"the network decides for no test image that it is {agreement.details[NEVER_DECIDED]}: how decisions "
            "answer to a factor says nothing of that"
        )


def _edits(scores: Measured) -> Iterator[str]:
    """Edits of a factor after which a network answers to what T was never trained on."""
    far = {
        name: score
        for name, score in scores.items()
        if name.startswith("response/") and name.endswith(f"/{OUTSIDE}") and (score.low or 0) > _FAR
    }
    if far:
        name = max(far, key=lambda name: far[name].value)
        yield (
            f"of the edits of a factor up to {100 * far[name].value:.0f} % lead outside of what T was trained on "
            f"({_brief(name, far[name])}), where the answer of the network says little"
        )


def _unseen(scores: Measured) -> Iterator[str]:
    """A judge that does not know what no training image shows, so that it can't say whether an edit led there."""
    for name in (f"unseen/{SET}/score", "unseen/swap/score"):
        told = scores[name].details.get(RECOGNISED) if name in scores else None
        if isinstance(told, float) and told < BAR:
            yield (
                f"the judge has not seen the combinations of data.leave_out, either, and knows {100 * told:.0f} % of "
                f"the test images that show them: {name} says what it sees, and little of T"
            )
            return


_RULES: tuple[Callable[[Measured], Iterator[str]], ...] = (
    _round_trip,
    _density,
    _training,
    _latents,
    _factors,
    _swaps,
    _draws,
    _decisions,
    _edits,
    _unseen,
)


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
