"""What the closed form of T is made of, from stored latents: mean, shrunk covariance, and what pairs have in common.

No draw is needed: noise of two originals is independent, so that it adds to the covariance and not to that of pairs.
The same covariance says how far the latents reach.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.basis.draws import draw_seed
from pipeline.flow import Moments
from pipeline.node_copy import once_a_node
from pipeline.pairing.sampler import pair_sampler
from pipeline.tables.extent import Extent
from pipeline.tables.latents import Latents

__all__ = ["latent_extent", "latent_moments", "node_moments", "shrunk_correlation"]

_INSIDE = 0.999  # of the training latents
_FOLDS = 5
_MOST_ROWS = 20_000  # twenty of which lie outside
_SHARES = np.concatenate([[0.0], np.logspace(-5, 0, 41)])
_LEAST = 1e-6  # variance of a standardised direction, which rounding alone would leave with none


def latent_moments(latents: Latents) -> Moments:
    """Moments of draws z = mean + scale · ε of all rows, and of all pairs of each concept.

    Raises:
        InputError: no two originals share a value of a concept.
    """
    num, blocks = len(latents), latents.blocks()

    def total(of: Callable[[slice], NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.asarray(sum(of(block) for block in blocks))

    mean = total(lambda block: latents.mean[block].sum(axis=0, dtype=np.float64)) / num

    def centred(block: slice) -> NDArray[np.float64]:
        return np.asarray(latents.mean[block] - mean)

    rest = total(lambda block: centred(block).sum(axis=0)) / num  # what rounding leaves of the mean
    variance = total(lambda block: np.square(centred(block) - rest).sum(axis=0)) / num + _noise(latents)
    unit = np.sqrt(np.where(variance > 0, variance, 1))
    parts = _parts(latents.original)
    products = [np.zeros((len(unit), len(unit))) for _ in parts]
    for block in blocks:
        standard = centred(block) / unit
        for product, part in zip(products, parts, strict=True):
            own = standard[part[block]]
            product += own.T @ own
    correlation, _ = _shrunk_by_parts(products, [int(part.sum()) for part in parts])
    pairs = pair_sampler(latents, 0, "moments").second_moments(latents.mean, mean, latents.rows_at_once)
    return Moments(*(torch.from_numpy(part) for part in (mean, correlation * np.outer(unit, unit), pairs)))


def node_moments(latents: Latents) -> Moments:
    """The same of the training rows of a node's copy, which one of its processes computes for all."""

    def compute() -> dict[str, NDArray[np.float64]]:
        return {name: part.numpy() for name, part in vars(latent_moments(latents)).items()}

    found = once_a_node(latents, "moments", compute)
    return Moments(**{name: torch.from_numpy(part) for name, part in found.items()})


def _noise(latents: Latents) -> NDArray[np.float64]:
    """Mean variance of the noise [N]."""
    if len(latents.scale) != len(latents):
        return np.asarray(np.square(latents.scale[0:1], dtype=np.float64)[0])
    sums = (np.square(latents.scale[block], dtype=np.float64).sum(axis=0) for block in latents.blocks())
    return np.asarray(sum(sums) / len(latents))


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
    _, share = shrunk_correlation((rows - rows.mean(axis=0)) / _unit(rows), original)
    distances = []
    for held in _parts(original):
        loc, matrix = _whitening(rows[~held], share)
        distances.append(np.linalg.norm((rows[held] - loc) @ matrix, axis=1))
    loc, matrix = _whitening(rows, share)
    size = float(np.quantile(np.concatenate(distances), _INSIDE))
    return Extent(loc.astype(np.float32), (matrix / size).astype(np.float32))


def _whitening(rows: NDArray[np.float64], share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of rows [n, N], and W [N, N] with Wᵀ C W = 1 for their shrunk covariance C."""
    loc, unit = rows.mean(axis=0), _unit(rows)
    standard = (rows - loc) / unit
    correlation = _shrunk(standard.T @ standard / len(rows), share)
    factor = np.linalg.cholesky(correlation + _LEAST * np.eye(len(unit)))
    return loc, np.linalg.inv(factor).T / unit[:, None]


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of each dimension, 1 where it is 0."""
    deviation = rows.std(axis=0)
    return np.where(deviation > 0, deviation, 1)


def _shrunk(correlation: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """A correlation of which the identity has a share."""
    mixed = (1 - share) * correlation
    np.fill_diagonal(mixed, 1)
    return mixed


def _parts(original: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    """Which rows [n] each of five parts holds, whole originals each; fewer parts where there are fewer originals."""
    part = np.unique(original, return_inverse=True)[1] % _FOLDS
    return [part == number for number in np.unique(part)]


def shrunk_correlation(standard: NDArray[np.float64], original: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """Correlation [N, N] of rows, of which the identity has the share that makes it the best estimate, and that share.

    The share in [0, 1] is that of the fewest nats of rows left out under a Gaussian, over five parts by original, among
    0 and eight shares in each power of ten from 1e-5. (Ledoit and Wolf's is the best in the sum of squares, which
    directions of little variance hardly enter, though their density is lost where the identity fills them.)

    Args:
        standard: rows of mean 0 [n, N], of variance 1 or, without their noise, a little less.
        original: of each row [n]; of one original alone there is nothing to leave out, and the share is 1.
    """
    rows = [standard[part] for part in _parts(original)]
    return _shrunk_by_parts([own.T @ own for own in rows], [len(own) for own in rows])


def _shrunk_by_parts(products: list[NDArray[np.float64]], counts: list[int]) -> tuple[NDArray[np.float64], float]:
    """The same from Σ x xᵀ of each part [N, N] and its number of rows."""
    everything = np.sum(products, axis=0)
    share = _best_share(products, counts) if len(products) > 1 else 1.0
    return _shrunk(everything / sum(counts), share), share


def _best_share(products: list[NDArray[np.float64]], counts: list[int]) -> float:
    """Share of the identity, from Σ x xᵀ of each part [N, N] and its number of rows."""
    everything, num = np.sum(products, axis=0), sum(counts)
    noise = np.eye(len(everything)) * (1 - everything.diagonal() / num)
    nats = np.zeros(len(_SHARES))
    for product, count in zip(products, counts, strict=True):
        variance, directions = np.linalg.eigh((everything - product) / (num - count) + noise)
        held_out = np.einsum("nk,nk->k", directions, (product / count + noise) @ directions)
        mixed = (1 - _SHARES[:, None]) * np.maximum(variance, _LEAST * variance[-1]) + _SHARES[:, None]
        nats += count * (np.log(mixed) + held_out / mixed).sum(axis=1)
    return float(_SHARES[nats.argmin()])
