"""Gaussian total correlation between factors: what they know about each other, as far as a covariance shows it.

Watanabe, Information theoretical analysis of multivariate correlation, IBM Journal of Research and Development 4, 1960;
here of blocks of dimensions, under a Gaussian.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.layout import Layout
from pipeline.scores.checks import checked_codes
from pipeline.scores.covariance import scale_and_correlation
from pipeline.scores.intervals import jackknife_interval
from pipeline.scores.originals import original_index, permuted_rows
from pipeline.scores.result import Score

__all__ = ["block_total_correlation"]

_NUM_PERMUTATIONS = 20


def block_total_correlation(codes: ArrayLike, layout: Layout, seed: int = 0, groups: ArrayLike | None = None) -> Score:
    """`block_tc` = ½ (Σ_k log det Σ_kk − log det Σ), in nats; 0 where the factors are uncorrelated, unbounded above.

    The plug-in estimate is biased upwards by a finite n. `chance`, the mean over codes whose factors are permuted by
    original, each on its own, is what independent factors give at this n: less is better, down to chance. There is no
    perfect value: it depends on how concepts go together. Interval: delete-group jackknife by original.

    Args:
        codes: [n, N].
        layout: the factors of the codes.
        seed: of permutations and jackknife blocks.
        groups: original of each row [n]; None where each row is its own.

    Raises:
        ValueError: if n ≤ 2 N, where the estimate is mostly bias; if codes are not finite, or their covariance is
            singular (a constant dimension, or one that others determine).
    """
    code = checked_codes(codes, layout)
    num_rows = len(code)
    if num_rows <= 2 * layout.num_dims:
        raise ValueError(
            f"block_tc: {num_rows} rows are too few for {layout.num_dims} dimensions; "
            f"more than {2 * layout.num_dims} are needed"
        )
    index = original_index(groups, num_rows)
    value = _total_correlation(code, layout)
    low, high = jackknife_interval(lambda rows: _total_correlation(code[rows], layout), value, index, seed)
    rng = np.random.default_rng(seed)
    permuted = [
        np.hstack([code[permuted_rows(index, rng), where] for where in layout.slices]) for _ in range(_NUM_PERMUTATIONS)
    ]
    return Score(value, low, high, chance=float(np.mean([_total_correlation(rows, layout) for rows in permuted])))


def _total_correlation(code: NDArray[np.float64], layout: Layout) -> float:
    """Total correlation of rows [n, N]; of the correlation matrix, as it is free of each dimension's scale."""
    _, correlation = scale_and_correlation(code, "codes")
    within = sum(float(np.linalg.slogdet(correlation[where, where])[1]) for where in layout.slices)
    return 0.5 * (within - float(np.linalg.slogdet(correlation)[1]))
