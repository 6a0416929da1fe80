"""Which rows are drawn: by the study's seed, and such that they differ in what a figure shows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["distinct_rows"]

_NUM_CANDIDATES = 256

Target = NDArray[np.int64] | NDArray[np.float32]


def distinct_rows(targets: Sequence[Target], num: int, seed: int) -> NDArray[np.int64]:
    """Draw up to 256 candidates, and of these take one after the other the row least like those taken.

    Two rows differ by 1 in a concept of classes where their classes differ, in a continuous one by the Euclidean
    distance of their values over the largest among the candidates; over several concepts the differences add up.

    Args:
        targets: of each concept that matters the classes [n] or values [n, D].
        num: how many rows; all, where there are fewer.
        seed: of the candidates and the first row.

    Returns:
        [min(num, n)] row numbers, each once, in the order in which they were taken.
    """
    candidates = np.random.default_rng(seed).permutation(len(targets[0]))[:_NUM_CANDIDATES]
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
        return (target[:, None] != target[None]).astype(np.float64)
    distance: NDArray[np.float64] = np.linalg.norm(target[:, None].astype(np.float64) - target[None], axis=-1)
    return distance / max(distance.max(), np.finfo(np.float64).tiny)
