"""Which rows are drawn: by the study's seed, such that they differ in what a figure shows and a reader can see it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Target", "distinct_rows", "rows_of_contrast"]

_NUM_CANDIDATES = 256

Target = NDArray[np.int64] | NDArray[np.float32]


def rows_of_contrast(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Rows whose image has at least the median contrast: on the others (grey on grey) a reader sees little.

    Args:
        pixels: [n, H, W, 3].

    Returns:
        Their numbers, ascending; contrast is the standard deviation over pixels, mean over channels.
    """
    contrast = pixels.std(axis=(1, 2)).mean(axis=1)
    return np.flatnonzero(contrast >= np.median(contrast))


def distinct_rows(rows: NDArray[np.int64], targets: Sequence[Target], num: int, seed: int) -> NDArray[np.int64]:
    """Draw up to 256 of `rows`, and of these take one after the other the row least like those taken.

    Two rows differ by 1 in a concept of classes where their classes differ, in a continuous one by the Euclidean
    distance of their values over the largest among the rows drawn; over several concepts the differences add up.

    Args:
        rows: numbers of the rows to choose from [m].
        targets: of each concept that matters the classes [n] or values [n, D] of all rows.
        num: how many rows; all, where there are fewer.
        seed: of the draw and the first row.

    Returns:
        [min(num, m)] row numbers, each once, in the order in which they were taken.
    """
    candidates = np.random.default_rng(seed).permutation(rows)[:_NUM_CANDIDATES]
    difference = sum((_differences(target[candidates]) for target in targets), np.zeros((len(candidates),) * 2))
    taken = [0]
    while len(taken) < min(num, len(candidates)):
        nearest = difference[:, taken].min(axis=1)
        nearest[taken] = -1
        taken.append(int(nearest.argmax()))
    return candidates[taken]


def _differences(target: Target) -> NDArray[np.float64]:
    """How much each row differs from each other one [c, c], in 0 … 1."""
    if target.ndim == 1:
        return np.asarray(target[:, None] != target[None], dtype=np.float64)
    distance = np.linalg.norm(target[:, None].astype(np.float64) - target[None], axis=-1)
    return np.asarray(distance / max(distance.max(), np.finfo(np.float64).tiny))
