"""95 % intervals: bootstrap of originals (or of rows), and a delete-group jackknife for plug-in scores.

A bootstrap never refits. Each score of predictions is a function of sums over rows, so a resample is a vector of
counts, and all resamples of all scores are one matrix product; equal seeds give equal counts, so that differences of
scores are resampled jointly. Plug-in scores (total correlation, mutual information) are biased by repeated rows,
which a bootstrap has and a jackknife has not.

Pairs are resampled by the originals of both their members: two pairs that share one are not two observations.

Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (percentile interval, chapter 13); Davezies,
D'Haultfœuille and Guyonvarch, Empirical process results for exchangeable arrays, Annals of Statistics 49, 2021 (pairs);
Kott, The delete-a-group jackknife, Journal of Official Statistics 17, 2001.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit  # as scipy.stats has it, whose imports take half a second more
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own requirement

from pipeline.scores.statistics.originals import original_index, original_sums

__all__ = [
    "LEVEL",
    "NUM_BLOCKS",
    "NUM_RESAMPLES",
    "behind",
    "bootstrap_counts",
    "bootstrap_interval",
    "bootstrap_sums",
    "jackknife_ends",
    "jackknife_interval",
    "pair_bootstrap_sums",
    "pair_originals",
]

LEVEL = 0.95
NUM_RESAMPLES = 1000  # the ends of a 95 % interval then rest on 25 resamples each
NUM_BLOCKS = 20
_CHUNK = 1 << 22  # counts held at once, 32 MiB


def _same_on_each_machine() -> AbstractContextManager[object]:
    """Products by one thread: with several the last bits of an interval depend on how many the machine has."""
    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def bootstrap_sums(
    rows: NDArray[np.float64], seed: int, groups: ArrayLike | None = None, num_resamples: int = NUM_RESAMPLES
) -> NDArray[np.float64]:
    """Sums [B, M] over B resamples of the originals, drawn with replacement, as many as there are.

    Args:
        rows: what is summed [n, M].
        seed: of the draw; equal seeds and groups draw equal resamples, whatever the rows.
        groups: original of each row [n]; None resamples rows.
        num_resamples: B.
    """
    sums = original_sums(rows, original_index(groups, len(rows)))
    with _same_on_each_machine():
        return np.concatenate([counts @ sums for counts in bootstrap_counts(len(sums), seed, num_resamples)])


def pair_bootstrap_sums(
    rows: NDArray[np.float64], originals: NDArray[np.intp] | None, num_originals: int, seed: int
) -> NDArray[np.float64]:
    """Sums [B, M] over B resamples of the originals: a pair counts as often as its originals were drawn, multiplied.

    The interval is a little wide where hardly any two pairs share an original: there a resample of pairs would do.

    Args:
        rows: what is summed, one row a pair [P, M].
        originals: numbers of the originals of both members [P, 2], as from `pair_originals`; None resamples pairs.
        num_originals: how many originals all pairs have, of which these may be a part.
        seed: of the draw; equal seeds and as many originals draw equal resamples, whatever the pairs.
    """
    if originals is None:
        return bootstrap_sums(rows, seed)
    a, b = originals.T
    at_once = max(1, _CHUNK // len(rows))
    with _same_on_each_machine():
        return np.concatenate(
            [
                (part[:, a] * part[:, b]) @ rows
                for counts in bootstrap_counts(num_originals, seed)
                for part in np.split(counts, range(at_once, len(counts), at_once))
            ]
        )


def pair_originals(groups: ArrayLike | None, num_pairs: int) -> tuple[NDArray[np.intp] | None, int]:
    """Numbers 0 … G − 1 [P, 2] of the originals of both members of each pair [P, 2], and G; None and 0 for None.

    Raises:
        ValueError: if there is not one original a member.
    """
    if groups is None:
        return None, 0
    originals, expected = np.asarray(groups), (num_pairs, 2)
    if originals.shape != expected:
        raise ValueError(f"groups: found shape {originals.shape}; both originals of each pair are expected, {expected}")
    index = original_index(originals.ravel(), originals.size)
    return index.reshape(expected), int(index.max()) + 1


def bootstrap_counts(num_groups: int, seed: int, num_resamples: int = NUM_RESAMPLES) -> Iterator[NDArray[np.float64]]:
    """How often each of G originals is in each resample, [b, G] a chunk: for scores that are no function of sums.

    Args:
        num_groups: G.
        seed: of the draw, as of `bootstrap_sums`.
        num_resamples: how many, over all chunks.
    """
    rng = np.random.default_rng(seed)
    at_once = max(1, _CHUNK // num_groups)
    for first in range(0, num_resamples, at_once):
        size = min(at_once, num_resamples - first)
        drawn = rng.integers(num_groups, size=(size, num_groups)) + num_groups * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * num_groups).reshape(size, num_groups)
        yield counts.astype(np.float64)


def bootstrap_interval(samples: NDArray[np.float64], value: float) -> tuple[float, float]:
    """Percentile interval of `samples` [B], widened to include `value`; NaN (no value there) is left out."""
    measured = samples[~np.isnan(samples)]
    if not len(measured):
        return value, value
    low, high = np.quantile(measured, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return min(float(low), value), max(float(high), value)


def behind(gaps: Sequence[float], resamples: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """95 % interval of how far the `probe/gap` of each flow is behind the highest; level are those that reach 0.

    Args:
        gaps: of T flows.
        resamples: [T, B], their bootstrap resamples, by the same originals for every flow.

    Returns:
        Lower and upper end for each flow.
    """
    best, drawn = int(np.argmax(gaps)), np.asarray(resamples)
    return [bootstrap_interval(drawn[best] - own, gaps[best] - gap) for gap, own in zip(gaps, drawn, strict=True)]


def jackknife_interval(
    statistic: Callable[[NDArray[np.intp]], float],
    value: float,
    index: NDArray[np.intp],
    seed: int,
    num_blocks: int = NUM_BLOCKS,
) -> tuple[float, float]:
    """Delete-group jackknife: value ± t · se, with se² = (m − 1)/m · Σ (θ_j − mean θ)², m blocks, t of m − 1 degrees.

    Args:
        statistic: the score of the rows whose numbers it is given.
        value: the score of all rows.
        index: original of each row [n], as from `original_index`; the originals are dealt at random into the blocks.
        seed: of that deal.
        num_blocks: m; the number of originals, where there are fewer.

    Raises:
        ValueError: if there is one original only.
    """
    num_groups = int(index.max()) + 1
    if num_groups < 2:
        raise ValueError("a jackknife needs at least 2 originals, found 1")
    blocks = min(num_blocks, num_groups)
    block = np.random.default_rng(seed).permutation(np.arange(num_groups) % blocks)[index]
    return jackknife_ends([statistic(np.flatnonzero(block != number)) for number in range(blocks)], value)


def jackknife_ends(left: Sequence[float], value: float) -> tuple[float, float]:
    """The ends of that interval, from the score `left` without each of m blocks, m at least 2."""
    blocks = len(left)
    error = np.sqrt((blocks - 1) / blocks * np.sum((np.array(left) - np.mean(left)) ** 2))
    half = float(stdtrit(blocks - 1, (1 + LEVEL) / 2) * error)
    return value - half, value + half
