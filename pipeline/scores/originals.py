"""Rows that stem from one original belong together: they are resampled, left out, permuted and folded as one.

Copies of an image (another warp, another colour) are no new evidence. A score that took them for independent rows
would report intervals that are too narrow, and a probe would be tested on copies of what it was fitted to.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["original_index", "original_sums", "permuted_rows"]


def original_index(groups: ArrayLike | None, num_rows: int) -> NDArray[np.intp]:
    """Number [n] of each row's original, from 0 to G − 1 without a gap.

    Args:
        groups: the original of each row [n], any integers; None where each row is its own.
        num_rows: n.

    Raises:
        ValueError: if there is not one original a row.
    """
    if groups is None:
        return np.arange(num_rows, dtype=np.intp)
    originals = np.asarray(groups)
    if originals.shape != (num_rows,):
        raise ValueError(f"groups: found shape {originals.shape}; one original a row is expected, ({num_rows},)")
    return np.unique(originals, return_inverse=True)[1].astype(np.intp)


def original_sums(rows: NDArray[np.float64], index: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sums [G, M] of `rows` [n, M] over the rows of each original, `index` as from `original_index`."""
    order = np.argsort(index, kind="stable")
    starts = np.flatnonzero(np.diff(index[order], prepend=-1))
    return np.add.reduceat(rows[order], starts, axis=0)


def permuted_rows(index: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Row numbers [n] that hand each original the rows of another one, a permutation of the originals.

    The j-th row of an original takes the j-th row of the other one, counted round where that has fewer rows. So what
    is common to the copies of an original stays common, and an original's rows never come from two originals.
    """
    sizes = np.bincount(index)
    starts = np.cumsum(sizes) - sizes
    order = np.argsort(index, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(index)) - starts[index[order]]
    donor = rng.permutation(len(sizes))[index]
    return order[starts[donor] + rank % sizes[donor]]
