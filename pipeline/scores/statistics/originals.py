"""Rows that stem from one original belong together: they are resampled, left out, permuted, folded and drawn as one.

Copies of an image (another warp, another colour) are no new evidence. A score that took them for independent rows would
report intervals that are too narrow, and a probe would be tested on copies of what it was fitted to.

A seeded part of a table, for scores whose cost grows much faster than its rows, takes one row of each original before
it takes a second of any. Where not every original fits, the draw is stratified: each class of each concept first keeps
a few rows, so that a rare one is not lost, and the rest is drawn evenly over all combinations of classes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["original_index", "original_sums", "permuted_rows", "stratified_rows"]

_KEPT = 10  # rows that each class keeps, as long as all these take no more than half of the part: two a fold


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

    Its rows come in any order, counted round where there are fewer. So what is common to the copies of an original
    stays common, an original's rows never come from two originals, and what tells its rows apart, such as a style in
    which each image is drawn, is not handed on by their order.
    """
    sizes = np.bincount(index)
    order = np.argsort(index, kind="stable")
    donor = rng.permutation(len(sizes))[index]
    rank = _random_ranks(index, rng.spawn(1)[0]) if sizes.max() > 1 else 0  # copies change no other draw of `rng`
    return order[(np.cumsum(sizes) - sizes)[donor] + rank % sizes[donor]]


def stratified_rows(
    classes: Sequence[NDArray[np.intp]], index: NDArray[np.intp], num_rows: int, seed: int
) -> NDArray[np.intp]:
    """Sorted row numbers of a part of the table, `num_rows` of them, or all where there are no more.

    Args:
        classes: for each concept of classes the class number of each row [n]; concepts of values draw no strata.
        index: original of each row [n], as from `original_index`.
        num_rows: how many to draw.
        seed: of the draw.
    """
    if len(index) <= num_rows:
        return np.arange(len(index))
    rng = np.random.default_rng(seed)
    copy = _random_ranks(index, rng)  # 0 for the first drawn row of an original, 1 for the second, …
    copies = int(np.searchsorted(np.cumsum(np.bincount(copy)), num_rows, side="right"))
    whole = np.flatnonzero(copy < copies)
    partly = np.flatnonzero(copy == copies)
    drawn = partly[_stratified([number[partly] for number in classes], len(partly), num_rows - len(whole), rng)]
    return np.sort(np.concatenate([whole, drawn]))


def _stratified(
    classes: Sequence[NDArray[np.intp]], num_rows: int, num_drawn: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """`num_drawn` numbers below `num_rows`, a few of each class and the others evenly over combinations of classes."""
    shuffled = rng.permutation(num_rows)
    if not classes:
        return shuffled[:num_drawn]
    rank = np.min([_random_ranks(number, rng) for number in classes], axis=0)
    kept = np.argsort(rank, kind="stable")[: min(num_drawn // 2, int((rank < _KEPT).sum()))]
    others = shuffled[~np.isin(shuffled, kept)]
    others = others[np.lexsort([number[others] for number in reversed(classes)])]
    left = num_drawn - len(kept)
    steps = (rng.random() + np.arange(left)) * len(others) / max(left, 1)
    return np.concatenate([kept, others[steps.astype(np.intp)]])


def _random_ranks(group: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """For each row [n] its place, 0 first, in a random order of the rows of its group."""
    order = rng.permutation(len(group))
    order = order[np.argsort(group[order], kind="stable")]
    sizes = np.bincount(group)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rank
