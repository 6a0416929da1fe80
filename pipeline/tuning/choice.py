"""Which trial of a sweep is the one to train."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Trial", "behind", "choose"]


@dataclass(frozen=True)
class Trial:
    """A flow that was tried, and how it did on the validation rows.

    Attributes:
        number: in the order of the search, from 0.
        num_blocks: of the flow.
        sizes: of its factors, residual first.
        probe_gap: `probe/gap`, with its interval `gap_low` to `gap_high`.
        behind_low: lower end of the 95 % interval of how far it is behind the trial of the highest `probe/gap`.
        behind_high: the upper end; 0 to 0 for that trial itself.
        pair_nats: mean loss of held-out pairs.
    """

    number: int
    num_blocks: int
    sizes: tuple[int, ...]
    probe_gap: float
    gap_low: float
    gap_high: float
    behind_low: float
    behind_high: float
    pair_nats: float


def choose(trials: Sequence[Trial]) -> Trial:
    """Among the trials level with the highest `probe/gap`, the one of the fewest pair nats; of equal ones the first.

    Level is a trial whose interval of how far it is behind holds 0. All trials are scored on the same rows, and most of
    what makes each one's own interval wide is common to them and cancels in the difference: two intervals may overlap
    although the difference is certain.
    """
    return min((t for t in trials if t.behind_low <= 0), key=lambda trial: (trial.pair_nats, trial.number))


def behind(gaps: Sequence[float], resamples: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """95 % interval of how far each trial's `probe/gap` is behind the highest.

    Args:
        gaps: `probe/gap` of T trials.
        resamples: [T, B], its bootstrap resamples, by the same originals in every trial.

    Returns:
        Lower and upper end for each trial.
    """
    drawn = np.asarray(resamples)
    ends = np.percentile(drawn[int(np.argmax(gaps))] - drawn, (2.5, 97.5), axis=1)
    return [(float(low), float(high)) for low, high in ends.T]
