"""Held-out likelihood: of pairs under the flow, and of latents against a Gaussian.

Nats of different latents (layers, backbones) do not compare; the gain over a Gaussian fitted to the same latents does
better. Chance and a perfect code have no meaning for a density.
"""

from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_triangular

from pipeline.scores.checks import checked_rows
from pipeline.scores.covariance import scale_and_correlation
from pipeline.scores.intervals import bootstrap_interval, bootstrap_sums
from pipeline.scores.result import Score

__all__ = ["bits_per_dim", "gaussian_nats", "likelihood_scores"]


def bits_per_dim(nats_a_pair: float, num_dims: int) -> float:
    """L / (2 N ln 2) of the pair loss L in nats, N dimensions a latent.

    Example:
        >>> round(bits_per_dim(95.3, 32), 3)
        2.148
    """
    return nats_a_pair / (2 * num_dims * log(2))


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
    pair_nats: ArrayLike, latent_nats: ArrayLike, latent_gaussian_nats: ArrayLike, num_dims: int, seed: int = 0
) -> dict[str, Score]:
    """`nll/pair_nats`, `nll/bits_per_dim` and `nll/gain_over_gaussian`, with bootstrap intervals of rows.

    Args:
        pair_nats: loss of each held-out pair [P], in nats.
        latent_nats: nats of each held-out latent under the flow alone [m].
        latent_gaussian_nats: nats of the same latents under a Gaussian [m], as from `gaussian_nats`.
        num_dims: N.
        seed: of the resamples.

    Raises:
        ValueError: if a number is not finite, or the two arrays of latents differ in length.
    """
    pairs, flow = checked_rows(pair_nats, "pair_nats"), checked_rows(latent_nats, "latent_nats")
    gain = checked_rows(latent_gaussian_nats, "latent_gaussian_nats", len(flow)) - flow
    return {
        "nll/pair_nats": _mean_score(pairs, seed),
        "nll/bits_per_dim": _mean_score(bits_per_dim(1.0, num_dims) * pairs, seed),
        "nll/gain_over_gaussian": _mean_score(gain, seed),
    }


def _mean_score(rows: NDArray[np.float64], seed: int) -> Score:
    """Mean of rows [n] with its bootstrap interval."""
    value = float(rows.mean())
    return Score(value, *bootstrap_interval(bootstrap_sums(rows[:, None], seed)[:, 0] / len(rows), value))
