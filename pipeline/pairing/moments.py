"""What the closed form of T is made of, from stored latents: mean, shrunk covariance, and what pairs have in common.

No draw is needed: noise of two originals is independent, so that it adds to the covariance and not to that of pairs.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.flow import Moments
from pipeline.pairing.pairs import pair_sampler
from pipeline.tables.latents import Latents

__all__ = ["latent_moments", "shrinkage"]


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
    correlation = (1 - share) * (standard.T @ standard) / len(standard)
    np.fill_diagonal(correlation, 1)
    pairs = pair_sampler(latents, 0, "moments").second_moments(centred)
    return Moments(*(torch.from_numpy(part) for part in (mean, correlation * np.outer(unit, unit), pairs)))


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
