"""Pairs of rows that are more or less alike in one continuous concept."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Neighbours"]

REACH = 2.0  # lengths to either side, of the half of the pairs that are near


class Neighbours:
    """Rows of one graded concept, sorted by value.

    Args:
        values: of each row [n], in lengths of the concept; NaN where it is missing.
        original: [n]; copies of one image share it, and are no partners.
    """

    def __init__(self, values: NDArray[np.floating], original: NDArray[np.int64]) -> None:
        order = np.argsort(values, kind="stable")  # NaN comes last
        self._order = order[: np.count_nonzero(np.isfinite(values))]
        self._values, self._original = values[self._order].astype(np.float64), original[self._order]
        several = len(np.unique(self._original)) > 1
        self.eligible = np.arange(len(self._order)) if several else np.arange(0)
        self.num_alone = 0 if several else len(self._order)

    def pick(
        self, where: NDArray[np.float64], which: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Rows a and b, and the distance of their values, from two uniform draws in [0, 1) each."""
        num = len(self._order)
        a = (where * num).astype(np.int64)
        anywhere = (2 * which % 1 * num).astype(np.int64)
        wanted = self._values[a] + REACH * (4 * which - 3)
        nearby = np.minimum(np.searchsorted(self._values, wanted), num - 1)
        b = np.where(which < 0.5, anywhere, nearby)
        while (same := self._original[a] == self._original[b]).any():
            b[same] = (b[same] + 1) % num
        return self._order[a], self._order[b], np.abs(self._values[a] - self._values[b])
