"""Which trial of a sweep is the one to train."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Trial", "choose"]


@dataclass(frozen=True)
class Trial:
    """A flow that was tried, and how it did on the validation rows.

    Attributes:
        number: in the order of the search, from 0.
        num_blocks: of the flow.
        sizes: of its factors, residual first.
        probe_gap: `probe/gap`, with its interval `gap_low` to `gap_high`.
        pair_nats: mean loss of held-out pairs.
    """

    number: int
    num_blocks: int
    sizes: tuple[int, ...]
    probe_gap: float
    gap_low: float
    gap_high: float
    pair_nats: float


def choose(trials: Sequence[Trial]) -> Trial:
    """The trial of the highest `probe/gap`, or of those whose interval overlaps its, the one of the fewest pair nats.

    Where these are equal too, the earlier trial.
    """
    best = max(trials, key=lambda trial: (trial.probe_gap, -trial.number))
    level = [trial for trial in trials if trial.gap_high >= best.gap_low and trial.gap_low <= best.gap_high]
    return min(level, key=lambda trial: (trial.pair_nats, trial.number))
