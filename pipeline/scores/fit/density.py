"""How codes and latents are distributed: held-out likelihood, and total correlation between factors.

Likelihood: of pairs under the flow, and of latents against a Gaussian. Nats of different latents (layers, backbones) do
not compare; the gain over a Gaussian fitted to the same latents does better. Each is any real number; chance and a
perfect code have no meaning for a density. The pair loss is that of Esser, Rombach and Ommer, CVPR 2020, arXiv
2004.13166, with all constants; bits per dimension as in Dinh, Sohl-Dickstein and Bengio, Density estimation using Real
NVP, ICLR 2017, arXiv 1605.08803; the gain is defined here.

Total correlation: what factors know about each other, as far as a covariance shows it. Watanabe, Information
theoretical analysis of multivariate correlation, IBM Journal of Research and Development 4, 1960; here of blocks of
dimensions, under a Gaussian. A covariance that is singular is refused: its log-determinant would be noise.
"""

from collections.abc import Callable, Iterable, Iterator
from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from pipeline.basis.layout import Layout
from pipeline.scores.statistics.concepts import checked_codes, checked_rows
from pipeline.scores.statistics.intervals import (
    bootstrap_interval,
    bootstrap_sums,
    jackknife_interval,
    pair_bootstrap_sums,
    pair_originals,
)
from pipeline.scores.statistics.originals import original_index, permuted_rows
from pipeline.scores.statistics.score import GAUSSIAN_GAIN, PAIR_NATS, Score

__all__ = ["bits_per_dim", "block_total_correlation", "gaussian_nats", "likelihood_scores", "scale_and_correlation"]

_SINGULAR = 1e-10  # smallest eigenvalue of a correlation matrix that a float64 log-determinant can bear
_NUM_PERMUTATIONS = 20

Blocks = Callable[[], Iterable[ArrayLike]]  # the rows of a table, some at a time; each call begins anew


def scale_and_correlation(rows: NDArray[np.float64], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviations [N] and correlation matrix [N, N] of `rows` [n, N], both with ddof 0.

    Raises:
        ValueError: names `name` and a dimension that is constant, or says that some dimensions determine another, as
            they always do for n ≤ N.
    """
    _, scale, correlation = _gaussian(lambda: [rows], name)
    return scale, correlation


def _gaussian(
    blocks: Callable[[], Iterable[NDArray[np.float64]]], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean [N], standard deviations [N] and correlation [N, N] of rows that are gone over four times, as above."""
    num_rows = sum(len(rows) for rows in blocks())
    mean = _sum(rows.sum(axis=0) for rows in blocks()) / num_rows
    scale = np.sqrt(_sum(np.square(rows - mean).sum(axis=0) for rows in blocks()) / num_rows)
    largest = np.max([np.abs(rows).max(axis=0) for rows in blocks()], axis=0)
    constant = scale <= 1e-12 * largest
    if constant.any():
        raise ValueError(f"{name}: dimension {int(np.argmax(constant))} is constant over {num_rows} rows")
    standard = ((rows - mean) / scale for rows in blocks())
    correlation = _sum(rows.T @ rows for rows in standard) / num_rows
    if np.linalg.eigvalsh(correlation)[0] < _SINGULAR:
        raise ValueError(
            f"{name}: the covariance of {num_rows} rows of {len(scale)} dimensions is singular; some determine another"
        )
    return mean, scale, correlation


def _sum(parts: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.asarray(sum(parts))


def bits_per_dim(nats: ArrayLike, n_dims: int, seed: int = 0, groups: ArrayLike | None = None) -> Score:
    """`nll/bits_per_dim` = L / (2 N ln 2): what a pair costs in bits, for each of the 2 N numbers of its two latents.

    Args:
        nats: loss L of each held-out pair [P], or one mean of them, which has no interval; in nats.
        n_dims: N, dimensions of one latent.
        seed: of the resamples.
        groups: originals of both members of each pair [P, 2]; None where no two pairs share one.

    Raises:
        ValueError: if a number is not finite, or `n_dims` is below 1.

    Example:
        >>> round(bits_per_dim(95.3, 32).value, 3)
        2.148
    """
    if n_dims < 1:
        raise ValueError(f"n_dims: found {n_dims}; at least 1 is expected")
    pairs = checked_rows(np.atleast_1d(np.asarray(nats)), "nats")
    score = _mean_over_pairs(pairs / (2 * n_dims * log(2)), groups, seed)
    return Score(score.value) if np.ndim(nats) == 0 else score


def gaussian_nats(train: ArrayLike | Blocks, test: ArrayLike) -> NDArray[np.float64]:
    """Nats [m] of each test latent [m, N] under the full-covariance Gaussian of greatest likelihood on `train` [n, N].

    Args:
        train: rows, or what gives the same blocks of them at each call, so that they need not be in memory at once.
        test: rows.

    Raises:
        ValueError: if a number is not finite, the widths differ, or the covariance of `train` is singular.
    """

    def blocks() -> Iterator[NDArray[np.float64]]:
        for rows in train() if callable(train) else [train]:
            yield checked_rows(rows, "train")

    width, held = next(blocks()).shape[1:], checked_rows(test, "test")
    if held.ndim != 2 or held.shape[1:] != width:
        raise ValueError(f"test: found shape {held.shape}; latents as wide as those of train, {width}, are expected")
    mean, scale, correlation = _gaussian(blocks, "train")
    factor = np.linalg.cholesky(correlation)
    white = solve_triangular(factor, ((held - mean) / scale).T, lower=True)
    log_det = np.log(scale * np.diag(factor)).sum()
    return np.asarray(0.5 * (white**2).sum(axis=0) + log_det + 0.5 * len(mean) * log(2 * np.pi))


def likelihood_scores(
    pair_nats: ArrayLike,
    latent_nats: ArrayLike,
    latent_gaussian_nats: ArrayLike | None,
    num_dims: int,
    seed: int = 0,
    pair_groups: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> dict[str, Score]:
    """`nll/pair_nats`, `nll/bits_per_dim` and `nll/gain_over_gaussian`, with bootstrap intervals of the originals.

    Seven parameters, as pairs and latents are two tables, each with originals of its own.

    Args:
        pair_nats: loss of each held-out pair [P], in nats.
        latent_nats: nats of each held-out latent under the flow alone [m].
        latent_gaussian_nats: nats of the same latents under a Gaussian [m], as from `gaussian_nats`; None where
            there are too few latents to fit one, and no gain then.
        num_dims: N.
        seed: of the resamples.
        pair_groups: originals of both members of each pair [P, 2]; None where no two pairs share one.
        groups: original of each latent [m]; None where each is its own.

    Raises:
        ValueError: if a number is not finite, or the two arrays of latents differ in length.
    """
    pairs, flow = checked_rows(pair_nats, "pair_nats"), checked_rows(latent_nats, "latent_nats")
    scores = {
        PAIR_NATS: _mean_over_pairs(pairs, pair_groups, seed),
        "nll/bits_per_dim": bits_per_dim(pairs, num_dims, seed, pair_groups),
    }
    if latent_gaussian_nats is not None:
        gain = checked_rows(latent_gaussian_nats, "latent_gaussian_nats", len(flow)) - flow
        scores[GAUSSIAN_GAIN] = _mean_score(gain, bootstrap_sums(_with_ones(gain), seed, groups))
    return scores


def _mean_over_pairs(pairs: NDArray[np.float64], groups: ArrayLike | None, seed: int) -> Score:
    return _mean_score(pairs, pair_bootstrap_sums(_with_ones(pairs), *pair_originals(groups, len(pairs)), seed))


def _mean_score(rows: NDArray[np.float64], resampled: NDArray[np.float64]) -> Score:
    """Mean of rows [n] with the interval of resampled sums and counts [B, 2]."""
    value = float(rows.mean())
    drawn = resampled[resampled[:, 1] > 0]
    return Score(value, *bootstrap_interval(drawn[:, 0] / drawn[:, 1], value))


def _with_ones(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([rows, np.ones_like(rows)], axis=1)


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
