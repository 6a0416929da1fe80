"""Held-out likelihood: of pairs under the flow, and of latents against a Gaussian.

Nats of different latents (layers, backbones) do not compare; the gain over a Gaussian fitted to the same latents does
better. Each is any real number; chance and a perfect code have no meaning for a density. The pair loss is that of
Esser, Rombach and Ommer, CVPR 2020, arXiv 2004.13166, with all constants; bits per dimension as in Dinh, Sohl-Dickstein
and Bengio, Density estimation using Real NVP, ICLR 2017, arXiv 1605.08803; the gain is defined here.
"""

from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from pipeline.scores.checks import checked_rows
from pipeline.scores.covariance import scale_and_correlation
from pipeline.scores.intervals import bootstrap_interval, bootstrap_sums, pair_bootstrap_sums, pair_originals
from pipeline.scores.result import Score

__all__ = ["bits_per_dim", "gaussian_nats", "likelihood_scores"]


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


def gaussian_nats(train: ArrayLike, test: ArrayLike) -> NDArray[np.float64]:
    """Nats [m] of each test latent [m, N] under the full-covariance Gaussian of greatest likelihood on `train` [n, N].

    Raises:
        ValueError: if a number is not finite, the widths differ, or the covariance of `train` is singular.
    """
    fitted, held = checked_rows(train, "train"), checked_rows(test, "test")
    if fitted.ndim != 2 or held.ndim != 2 or fitted.shape[1] != held.shape[1]:
        raise ValueError(
            f"test: found shape {held.shape}; latents as wide as those of train, {fitted.shape}, are expected"
        )
    scale, correlation = scale_and_correlation(fitted, "train")
    factor = np.linalg.cholesky(correlation)
    white = solve_triangular(factor, ((held - fitted.mean(axis=0)) / scale).T, lower=True)
    log_det = np.log(scale * np.diag(factor)).sum()
    return np.asarray(0.5 * (white**2).sum(axis=0) + log_det + 0.5 * fitted.shape[1] * log(2 * np.pi))


def likelihood_scores(
    pair_nats: ArrayLike,
    latent_nats: ArrayLike,
    latent_gaussian_nats: ArrayLike,
    num_dims: int,
    seed: int = 0,
    pair_groups: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> dict[str, Score]:
    """`nll/pair_nats`, `nll/bits_per_dim` and `nll/gain_over_gaussian`, with bootstrap intervals of the originals.

    Args:
        pair_nats: loss of each held-out pair [P], in nats.
        latent_nats: nats of each held-out latent under the flow alone [m].
        latent_gaussian_nats: nats of the same latents under a Gaussian [m], as from `gaussian_nats`.
        num_dims: N.
        seed: of the resamples.
        pair_groups: originals of both members of each pair [P, 2]; None where no two pairs share one.
        groups: original of each latent [m]; None where each is its own.

    Raises:
        ValueError: if a number is not finite, or the two arrays of latents differ in length.
    """
    pairs, flow = checked_rows(pair_nats, "pair_nats"), checked_rows(latent_nats, "latent_nats")
    gain = checked_rows(latent_gaussian_nats, "latent_gaussian_nats", len(flow)) - flow
    return {
        "nll/pair_nats": _mean_over_pairs(pairs, pair_groups, seed),
        "nll/bits_per_dim": bits_per_dim(pairs, num_dims, seed, pair_groups),
        "nll/gain_over_gaussian": _mean_score(gain, bootstrap_sums(_with_ones(gain), seed, groups)),
    }


def _mean_over_pairs(pairs: NDArray[np.float64], groups: ArrayLike | None, seed: int) -> Score:
    return _mean_score(pairs, pair_bootstrap_sums(_with_ones(pairs), *pair_originals(groups, len(pairs)), seed))


def _mean_score(rows: NDArray[np.float64], resampled: NDArray[np.float64]) -> Score:
    """Mean of rows [n] with the interval of resampled sums and counts [B, 2]."""
    value = float(rows.mean())
    drawn = resampled[resampled[:, 1] > 0]
    return Score(value, *bootstrap_interval(drawn[:, 0] / drawn[:, 1], value))


def _with_ones(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([rows, np.ones_like(rows)], axis=1)
