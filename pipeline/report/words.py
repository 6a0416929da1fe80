"""What a report says in plain words: what the network is, what was done, and for each concept whether it worked."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.drawing.palette import decimals, spoken
from pipeline.scores.findings import bar_of, below_bar
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import (
    BASELINES,
    FRECHET_GAIN,
    GAUSSIAN_GAIN,
    PROBE_GAP,
    PROBE_OWN,
    SWAP_FOLLOW,
    Score,
)

__all__ = ["Verdict", "answer", "answer_of_draws", "colour_words", "joined", "network_words", "verdicts"]

_MEASURES = {
    PROBE_OWN: "how well its own factor tells it",
    PROBE_GAP: "how much better that is than any other factor",
    SWAP_FOLLOW: "how often a swap brings the donor's",
}

_NETWORKS = {
    "autoencoder": "an autoencoder, which squeezes an image into a few numbers and draws it again from them",
    "classifier": "a classifier, which decides what an image shows",
    "generator": "a generator, which draws images from random numbers",
}
_OUTPUTS = {
    "images": "a network that gives an image for an image",
    "logits": "a classifier, which decides what an image shows",
    "probabilities": "a classifier, which decides what an image shows",
    "values": "a network that gives numbers for an image",
}
_HUES = {"red": 0.04, "orange": 0.11, "yellow": 0.19, "green": 0.44, "turquoise": 0.54, "blue": 0.70, "purple": 0.80}
_HUES |= {"pink": 0.94}  # above it is red again


@dataclass(frozen=True)
class Verdict:
    """Whether a factor holds its concept.

    Attributes:
        concept: its name.
        grade: `works`, where all that was measured reaches the bar; `fails`, where the factor tells no more than chance
            or than another one; else `partly`.
        evidence: the figures, as a sentence that goes on from the concept.
        below: what is under the bar, in words, each with its figure and its bar.
    """

    concept: str
    grade: str
    evidence: str
    below: tuple[str, ...]


def network_words(kind: str, output: str) -> str:
    """What a network is, with its article."""
    return _NETWORKS.get(kind, _OUTPUTS[output])


def verdicts(layout: Layout, scores: Scores) -> list[Verdict]:
    """One for each concept, in their order."""
    return [_verdict(concept, layout, scores) for concept in layout.concepts]


def answer(found: Sequence[Verdict]) -> tuple[str, str]:
    """Whether it worked, in a word or two, and as a sentence that names each factor that is under its bar."""
    grades: dict[str, list[str]] = {"works": [], "partly": [], "fails": []}
    for verdict in found:
        grades[verdict.grade].append(spoken(verdict.concept))
    works, partly, fails = grades.values()
    if len(works) == len(found):
        each = "each " if len(works) > 1 else ""
        return "Yes.", f"{_capital(joined(works))} can {each}be read from, and edited in, a factor of its own."
    clauses = [f"{joined(works)} {'works' if len(works) == 1 else 'work'}" if works else ""]
    clauses.append(f"{joined(partly)} {'works' if len(partly) == 1 else 'work'} in part" if partly else "")
    clauses.append(f"{joined(fails)} {'fails' if len(fails) == 1 else 'fail'}" if fails else "")
    return "No." if len(fails) == len(found) else "In part.", f"{_capital('; '.join(filter(None, clauses)))}."


def answer_of_draws(scores: Scores) -> tuple[str, str]:
    """The same where there is no concept: whether what is drawn by way of the map is surely nearer to real images than
    what simpler densities give. Where that was not measured, how much more of z the map knows than a Gaussian.
    """
    gains = {words: scores.get(f"{FRECHET_GAIN}/{way}") for way, words in BASELINES.items()}
    measured = {words: gain for words, gain in gains.items() if gain is not None and gain.low is not None}
    if not measured:
        gain = scores.get(GAUSSIAN_GAIN)
        if gain is None or gain.low is None:
            return "It can't be said.", "Nothing was measured that it could be told by."
        said = f"On a vector that it has not seen, the map is {decimals(gain.value)} nats better than a Gaussian."
        return ("Yes." if gain.low > 0 else "No."), said
    nearer = [words for words, gain in measured.items() if gain.low > 0]
    rest = [words for words in measured if words not in nearer]
    nearer_than = "What is drawn by way of the map is surely nearer to real images than what is drawn from "
    if not rest:
        return "Yes.", f"{nearer_than}{joined(nearer)}."
    if not nearer:
        return "No.", f"What is drawn by way of the map is not surely nearer to real images than from {joined(rest)}."
    return "In part.", f"{nearer_than}{joined(nearer)}, and not surely nearer than from {joined(rest)}."


def joined(names: Sequence[str]) -> str:
    """Names as a list in a sentence.

    Example:
        >>> joined(["digit"]), joined(["digit", "colour"]), joined(["digit", "colour", "size"])
        ('digit', 'digit and colour', 'digit, colour and size')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def colour_words(red: float, green: float, blue: float) -> str:
    """A colour of components in 0 … 1 by a common name.

    Example:
        >>> colour_words(1, 0.6, 0.7), colour_words(0, 0.1, 0.4), colour_words(0.5, 0.5, 0.5)
        ('light red', 'dark blue', 'grey')
    """
    hue, light, saturation = colorsys.rgb_to_hls(*(min(max(part, 0.0), 1.0) for part in (red, green, blue)))
    if light < 0.08:
        return "black"
    if light > 0.94:
        return "white"
    if saturation < 0.15:
        return "grey"
    name = next((name for name, end in _HUES.items() if hue < end), "red")
    return f"dark {name}" if light < 0.3 else f"light {name}" if light > 0.7 else name


def _verdict(concept: str, layout: Layout, scores: Scores) -> Verdict:
    own, gap, follow = (scores.get(f"{name}/{concept}") for name in _MEASURES)
    under = below_bar(concept, scores)
    below = [_under(words, scores[f"{name}/{concept}"]) for name, words in _MEASURES.items() if name in under]
    at_chance = own is not None and own.low is not None and own.low <= max(own.chance or 0.0, 0.0)
    no_gap = gap is not None and gap.low is not None and gap.low <= 0
    grade = "fails" if at_chance or no_gap else "partly" if below else "works"
    return Verdict(concept, grade, _evidence(concept, layout, scores, follow), tuple(below))


def _under(words: str, score: Score) -> str:
    """A measure that is under its bar, with a decimal more than elsewhere, so that the two figures never look equal."""
    signed = f"{score.value:.3f}".replace("-", "−")
    return f"{words}, {signed} where the bar is {bar_of(score):.3f}"


def _evidence(concept: str, layout: Layout, scores: Scores, follow: Score | None) -> str:
    size, name = layout.sizes[layout.index(concept)], spoken(concept)
    own = scores[f"{PROBE_OWN}/{concept}"]
    numbers = f"the {size} numbers" if size > 1 else "the one number"
    sentence = f"is read from {numbers} of its factor at {decimals(own.value)}"
    other = scores.get(f"probe/other_max/{concept}")
    if other is not None:
        best = other.details.get("factor")
        where = (
            "any other factor"
            if best is None
            else "the rest"
            if best == RESIDUAL
            else f"the factor of {spoken(str(best))}"
        )
        sentence += f", and from {where} at {decimals(other.value)}" + (
            " at most" if best is None else ", the best other"
        )
    if follow is not None:
        sentence += f"; after a swap a judge sees the donor’s {name} {100 * follow.value:.0f} times of 100"
    return f"{sentence}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
