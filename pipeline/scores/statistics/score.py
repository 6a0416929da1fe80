"""One score: its value, its 95 % interval, and what chance and a perfect code reach on the same labels.

Beside it the names of the few scores that others select by, show or draw; every other name is its maker's alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

__all__ = [
    "ACCURACY_CHANGE",
    "AGREEMENT",
    "BASELINES",
    "CHANGES",
    "CLOSED_FORM_GAP",
    "EDITED_IMAGES",
    "ERROR_CHANGE",
    "FRECHET",
    "FRECHET_GAIN",
    "GAP_OVER_CLOSED_FORM",
    "GAUSSIAN_GAIN",
    "GREY_LEVELS",
    "NEVER_DECIDED",
    "OUTSIDE",
    "PAIR_NATS",
    "PROBE_CLOSED_FORM",
    "PROBE_GAP",
    "PROBE_LATENT",
    "PROBE_OWN",
    "RECOGNISED",
    "RECONSTRUCTION",
    "RESIDUAL_LEAK",
    "ROUND_TRIP",
    "SEEDS",
    "SEEDS_MEAN",
    "SEEDS_STD",
    "SET",
    "STABILITY",
    "SWAP_FOLLOW",
    "SWAP_SCORE",
    "Score",
    "own_over_closed_form",
    "probe_cell",
    "probe_own",
    "response_name",
]

PROBE_GAP = "probe/gap"  # what flows are selected by
PROBE_OWN = "probe/own"  # its mean over concepts
PROBE_LATENT = "probe/latent"  # the same of z as it is
PROBE_CLOSED_FORM = "probe/closed_form"  # and of the own factor of the closed form
CLOSED_FORM_GAP = "closed_form/gap"
RESIDUAL_LEAK = "probe/residual_leak"  # what the residual knows of the concepts
GAP_OVER_CLOSED_FORM = "probe/gap_over_closed_form"
SWAP_SCORE = "swap/score"
SWAP_FOLLOW = "swap/follow"  # its first part, mean over concepts
RECOGNISED = "recognised"  # detail of unseen/…: share of the test images of these combinations that the judge knows
SET = "set"  # of a concept that was set to a value: set/score, set/follow, set/stay
PAIR_NATS = "nll/pair_nats"
GAUSSIAN_GAIN = "nll/gain_over_gaussian"
FRECHET = "frechet"  # distance of what is drawn to the images: frechet/flow
BASELINES = {"mixture": "a mixture of ten Gaussians", "gaussian": "one Gaussian", "prior": "N(0, 1)"}  # T has to beat
FRECHET_GAIN = "frechet/gain_over"  # by how much that of T is below a baseline's: frechet/gain_over/gaussian
ACCURACY_CHANGE = "preserve/accuracy"
ERROR_CHANGE = "preserve/squared_error"
CHANGES = (ACCURACY_CHANGE, ERROR_CHANGE)  # shown with a sign and that word: 0 is the best, and looks like none
RECONSTRUCTION = "reconstruction/squared_error"
GREY_LEVELS = "grey_levels"  # of its details: root mean square error, of 255
ROUND_TRIP = "roundtrip/max"
STABILITY = "stability"  # of what the factors hold over seeds of the training
AGREEMENT = "preserve/agreement"
NEVER_DECIDED = "never_decided"  # of its details: names of classes
OUTSIDE = "outside"  # a measure of a response: share of edits that lead outside of what T was trained on
EDITED_IMAGES = "images"  # of the details of a response: how many were edited
SEEDS, SEEDS_MEAN, SEEDS_STD = (
    "seeds",
    "seeds_mean",
    "seeds_std",
)  # of the details of what was measured for several seeds


def probe_own(concept: str) -> str:
    """Name of the score of a concept's own factor on it."""
    return f"{PROBE_OWN}/{concept}"


def own_over_closed_form(concept: str) -> str:
    """Name of how much more a concept's own factor tells than that of the closed form."""
    return f"{PROBE_OWN}_over_closed_form/{concept}"


def probe_cell(factor: str, concept: str) -> str:
    """Name of the score of a factor on a concept."""
    return f"probe/matrix/{factor}/{concept}"


def response_name(edit: str, factor: str, measure: str) -> str:
    """Name of how a decision answers to edits of a factor.

    Args:
        edit: how the factor is edited: `sample`, `swap` or `walk`.
        factor: which is edited.
        measure: one of `response`, such as `changed`.
    """
    return f"response/{edit}/{factor}/{measure}"


@dataclass(frozen=True)
class Score:
    """A number to report, and what it takes to read it.

    Attributes:
        value: the score itself.
        low, high: 95 % interval, which holds the value; both None where the score has none.
        chance: what a code that knows nothing reaches on the same labels; None where that has no meaning.
        perfect: what a perfect code reaches on the same labels; None where that has no meaning.
        details: what else a reader needs, such as the number of rows that count; mostly empty.

    Raises:
        ValueError: if a number is not finite, one end of the interval is missing, or the value lies outside.

    Example:
        >>> Score(0.9, 0.8, 0.95, chance=0.0, perfect=1.0).as_dict()
        {'value': 0.9, 'low': 0.8, 'high': 0.95, 'chance': 0.0, 'perfect': 1.0}
    """

    value: float
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    perfect: float | None = None
    details: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no reader could make sense of."""
        for name in ("value", "low", "high", "chance", "perfect"):
            number = getattr(self, name)
            if (number is None and name == "value") or (number is not None and not isfinite(number)):
                raise ValueError(f"score: {name} is {number}; a score is a finite number")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"score: an interval needs both ends, found low {self.low} and high {self.high}")
        if self.interval is not None and not self.interval[0] <= self.value <= self.interval[1]:
            raise ValueError(f"score: the value {self.value} lies outside its interval {self.low} to {self.high}")

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the 95 % interval; None where the score has none."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def over_seeds(self) -> tuple[float, float, int] | None:
        """Mean and standard deviation over seeds, and how many these are; None where it was measured for one alone."""
        if SEEDS_STD not in self.details:
            return None
        return float(self.details[SEEDS_MEAN]), float(self.details[SEEDS_STD]), int(self.details[SEEDS])

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Score":
        """Inverse of `as_dict`: what JSON holds, number for number.

        Raises:
            TypeError: there is no value, a key of no meaning here, or something that is no number.
            ValueError: the numbers are no score.
        """
        return cls(**data)

    def as_dict(self) -> dict[str, object]:
        """Plain numbers under `value`, `low`, `high`, `chance`, `perfect`, as JSON holds them.

        `details` is a sixth key, there only where a score has any.
        """
        numbers: dict[str, object] = {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "chance": self.chance,
            "perfect": self.perfect,
        }
        return {**numbers, "details": dict(self.details)} if self.details else numbers
