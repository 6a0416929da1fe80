"""How an output that is no decision changes: values of a regression or an embedding, each in its standard deviations.

A standard deviation is taken over the rows that are measured, so that a change says the same in years, in metres and in
an embedding: 1 is how far the output of a row usually lies from the mean of all.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.scores.statistics.concepts import checked_rows
from pipeline.scores.statistics.intervals import bootstrap_interval, bootstrap_sums
from pipeline.scores.statistics.score import Score

__all__ = ["ChangeTally", "output_scale", "values_preservation"]

_ROUNDING = 1e-6  # of float32, over many operations, in shares of the largest value


def output_scale(values: ArrayLike) -> NDArray[np.float64]:
    """Standard deviation of each number [D] of an output over rows [n, D]; infinite where it never varies.

    So a number that never varies, but for rounding, counts for no change.

    Raises:
        ValueError: none of them varies, or one is not finite.
    """
    rows = checked_rows(values, "values")
    scale = rows.std(axis=0)
    varies = scale > _ROUNDING * np.abs(rows).max(axis=0)
    if not varies.any():
        raise ValueError("values: the same in all rows, so that a change of them has no scale")
    return np.where(varies, scale, np.inf)


class ChangeTally:
    """How far edits move an output, edit by edit: no more than a few numbers an input are kept.

    Args:
        unedited: values [n, D] without an edit.
        scale: of each number [D], as `output_scale` has it.
    """

    MEASURES = ("moved", "deviation")

    def __init__(self, unedited: ArrayLike, scale: NDArray[np.float64]) -> None:
        self._unedited, self._scale = np.asarray(unedited, dtype=np.float64), scale
        self._varying = max(int(np.isfinite(scale).sum()), 1)
        self._edits = 0
        self._moved = np.zeros(len(self._unedited))
        self._sum, self._squares = np.zeros((2, *self._unedited.shape))

    def add(self, edited: ArrayLike) -> None:
        """Count one edit of every input: values [n, D]."""
        self._edits += 1
        change = (np.asarray(edited, dtype=np.float64) - self._unedited) / self._scale
        self._moved += np.sqrt((change**2).sum(axis=1) / self._varying)
        self._sum += change
        self._squares += change**2

    def rows(self) -> NDArray[np.float64]:
        """Two measures of each input [n, 2], both root mean squares over the D numbers, in standard deviations.

        `moved` is how far an edit moves the output, the mean over edits; `deviation` how widely the edits of an input
        spread it.
        """
        variance = np.maximum(self._squares / self._edits - (self._sum / self._edits) ** 2, 0)
        deviation = np.sqrt(variance.sum(axis=1) / self._varying)
        return np.column_stack([self._moved / self._edits, deviation])


def values_preservation(
    outputs: ArrayLike, outputs_back: ArrayLike, seed: int = 0, groups: ArrayLike | None = None
) -> dict[str, Score]:
    """How far T⁻¹(T(z)) in place of z moves an output that is no decision.

    - `preserve/moved`: root mean square over rows and numbers, in standard deviations; 0 if nothing is lost. Chance
      hands each row the output of another row.
    - `preserve/largest_move`: of any number of any row, in its standard deviation, without an interval.

    Intervals: bootstrap by original.

    Args:
        outputs: G(z) [n, D].
        outputs_back: G(T⁻¹(T(z))) [n, D].
        seed: of resamples and of the rows handed round.
        groups: original of each row [n]; None where each is its own.

    Raises:
        ValueError: shapes differ, a number is not finite, or the outputs are the same in all rows.
    """
    before, after = checked_rows(outputs, "outputs"), checked_rows(outputs_back, "outputs_back")
    if after.shape != before.shape:
        raise ValueError(f"outputs_back: found shape {after.shape}; {before.shape}, as of outputs, is expected")
    scale = output_scale(before)
    varying = np.isfinite(scale).sum()

    def squares(back: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((((back - before) / scale) ** 2).sum(axis=1) / varying)

    source = np.random.default_rng(seed).permutation(len(after))
    rows = np.column_stack([squares(after), np.ones(len(after))])
    value, chance = (float(np.sqrt(part.mean())) for part in (rows[:, 0], squares(after[source])))
    sums = bootstrap_sums(rows, seed, groups)
    low, high = bootstrap_interval(np.sqrt(sums[:, 0] / sums[:, 1]), value)
    largest, apart = (float(np.abs((back - before) / scale).max()) for back in (after, after[source]))
    return {
        "preserve/moved": Score(value, low, high, chance, perfect=0.0),
        "preserve/largest_move": Score(largest, chance=apart, perfect=0.0),
    }
