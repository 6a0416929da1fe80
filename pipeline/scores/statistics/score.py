"""One score: its value, its 95 % interval, and what chance and a perfect code reach on the same labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

__all__ = ["Score"]


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
            if number is not None and not isfinite(number):
                raise ValueError(f"score: {name} is {number}; a score is a finite number")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"score: an interval needs both ends, found low {self.low} and high {self.high}")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"score: the value {self.value} lies outside its interval {self.low} to {self.high}")

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
