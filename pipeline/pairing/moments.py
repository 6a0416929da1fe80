"""What the closed form of T is made of, from stored latents: mean, shrunk covariance, and what pairs have in common.

No draw is needed: noise of two originals is independent, so that it adds to the covariance and not to that of pairs.
The same covariance says how far the latents reach.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.basis.draws import draw_seed
from pipeline.flow import Moments
from pipeline.pairing.pairs import pair_sampler
from pipeline.tables.extent import Extent
from pipeline.tables.latents import Latents

__all__ = ["latent_extent", "latent_moments", "shrinkage"]

_INSIDE = 0.999  # of the training latents
_FOLDS = 5
_MOST_ROWS = 20_000  # twenty of which lie outside
_LEAST = 1e-6  # added to each direction's share of variance, as rounding would be divided by none


def latent_moments(latents: Latents) -> Moments:
    """Moments of draws z = mean + scale · ε of all rows, and of all pairs of each concept.

    Raises:
        InputError: no two originals share a value of a concept.
    """
    mean = latents.mean.mean(axis=0, dtype=np.float64)
    centred = latents.mean - mean
    variance = centred.var(axis=0) + np.square(latents.scale, dtype=np.float64).mean(axis=0)
    unit = np.sqrt(np.where(variance > 0, variance, 1))
    standard = centred / unit
    share = shrinkage(standard, latents.original)
    correlation = _shrunk(standard, share)
    pairs = pair_sampler(latents, 0, "moments").second_moments(centred)
    return Moments(*(torch.from_numpy(part) for part in (mean, correlation * np.outer(unit, unit), pairs)))


def latent_extent(latents: Latents) -> Extent:
    """The ellipsoid that 99.9 % of latents such as these lie in.

    Its form is that of their covariance. Its size is the quantile of their distances, each from the centre and by the
    covariance of the others, in five parts by original: by those that it is of itself, a row of few lies too near.

    Args:
        latents: of the training split, of which draws z = mean + scale · ε are measured, 20,000 rows at most; of two
            originals at least.
    """
    rng = np.random.default_rng(draw_seed(0, "extent"))
    drawn = np.sort(rng.permutation(len(latents))[:_MOST_ROWS])
    rows, original = latents.draw(rng, drawn).astype(np.float64), latents.original[drawn]
    share = shrinkage((rows - rows.mean(axis=0)) / _unit(rows), original)
    part = np.unique(original, return_inverse=True)[1] % _FOLDS
    distances = []
    for held in (part == number for number in np.unique(part)):
        loc, matrix = _whitening(rows[~held], share)
        distances.append(np.linalg.norm((rows[held] - loc) @ matrix, axis=1))
    loc, matrix = _whitening(rows, share)
    size = float(np.quantile(np.concatenate(distances), _INSIDE))
    return Extent(loc.astype(np.float32), (matrix / size).astype(np.float32))


def _whitening(rows: NDArray[np.float64], share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of rows [n, N], and W [N, N] with Wᵀ C W = 1 for their shrunk covariance C."""
    loc, unit = rows.mean(axis=0), _unit(rows)
    correlation = _shrunk((rows - loc) / unit, share)
    factor = np.linalg.cholesky(correlation + _LEAST * np.eye(len(unit)))
    return loc, np.linalg.inv(factor).T / unit[:, None]


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of each dimension, 1 where it is 0."""
    deviation = rows.std(axis=0)
    return np.where(deviation > 0, deviation, 1)


def _shrunk(standard: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Correlation of rows of mean 0 [n, N], of which the identity has a share."""
    correlation = (1 - share) * (standard.T @ standard) / len(standard)
    np.fill_diagonal(correlation, 1)
    return np.asarray(correlation)


def shrinkage(standard: NDArray[np.float64], original: NDArray[np.int64]) -> float:
    """Share of the identity that makes a correlation of few rows the best estimate, in [0, 1].

    Ledoit and Wolf's, where the copies of an original count as one observation.

    Args:
        standard: rows of mean 0 [n, N], of variance 1 or, without their noise, a little less.
        original: of each row [n].

    References:
        A well-conditioned estimator for large-dimensional covariance matrices (Ledoit and Wolf, 2004).
    """
    num_rows, num_dims = standard.shape
    found = standard.T @ standard / num_rows
    distance = float(np.square(found - np.eye(num_dims)).sum())
    order = np.argsort(original, kind="stable")
    x = standard[order]
    starts = np.flatnonzero(np.diff(original[order], prepend=original[order[0]] - 1))
    sizes = np.diff(np.r_[starts, num_rows])
    # Σ over originals of ‖Σ over its copies of (x xᵀ − C)‖², without an N × N matrix for each
    squares = sum(float(np.square(copies @ copies.T).sum()) for copies in np.split(x, starts[1:]))
    crossed = np.add.reduceat(np.einsum("ni,ni->n", x @ found, x), starts)
    spread = squares - 2 * float(sizes @ crossed) + float(sizes @ sizes) * float(np.square(found).sum())
    return min(1.0, max(0.0, spread / num_rows**2 / distance)) if distance else 1.0
