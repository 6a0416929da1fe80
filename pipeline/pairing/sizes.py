"""How many dimensions each factor gets, from how alike the two members of a concept's pairs are."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError

__all__ = ["SizeMethod", "concept_scores", "constant_dims", "factor_sizes", "sizes_from_scores"]

Array = NDArray[np.float32] | NDArray[np.float64]

SizeMethod = Literal["correlation", "covariance"]


def factor_sizes(
    latents_a: Array,
    latents_b: Array,
    concept: NDArray[np.int64],
    num_concepts: int,
    method: SizeMethod = "correlation",
) -> tuple[int, ...]:
    """Sizes of the K + 1 factors, residual first, that sum to N.

    Constant dimensions (`constant_dims`) say nothing of any concept: the concepts get what they would get without them.
    But they are numbers of the latent, so that each has a place in a code of N dimensions, which is the residual's.

    Args:
        latents_a: zᵃ [P, N].
        latents_b: zᵇ [P, N].
        concept: [P]; 1 … K, what a pair shares.
        num_concepts: K; with 0 everything is the residual's, whatever the pairs.
        method: see `concept_scores`.

    Raises:
        InputError: there are fewer varying dimensions than factors, and what `concept_scores` refuses.

    References:
        Esser, Rombach, Ommer (CVPR 2020), Eq. 10 and the text after it.
    """
    scores = concept_scores(latents_a, latents_b, concept, num_concepts, method)
    num_dims, num_constant = latents_a.shape[1], len(constant_dims(latents_a, latents_b))
    if num_constant and num_concepts + 1 > num_dims - num_constant:
        raise InputError(
            f"{num_concepts + 1} factors need at least as many dimensions that vary, found {num_dims - num_constant} "
            f"of {num_dims}"
        )
    residual, *concepts = sizes_from_scores([1.0, *scores], num_dims - num_constant)
    return (residual + num_constant, *concepts)


def constant_dims(*latents: Array) -> tuple[int, ...]:
    """Dimensions, counted from 0, in which all rows of all the `latents` [·, N] have the very same number."""
    rows = [part for part in latents if len(part)]
    if not rows:
        return ()
    low = np.minimum.reduce([part.min(axis=0) for part in rows])
    high = np.maximum.reduce([part.max(axis=0) for part in rows])
    return tuple(np.flatnonzero(low == high).tolist())


def concept_scores(
    latents_a: Array,
    latents_b: Array,
    concept: NDArray[np.int64],
    num_concepts: int,
    method: SizeMethod = "correlation",
) -> list[float]:
    """How alike the members of each concept's pairs are, s_1 … s_K.

    `correlation`, in [−1, 1]: Eq. 10 divided by N, the mean over dimensions of the Pearson correlation of zᵃ_i and
    zᵇ_i, beside 1 for the residual. As printed it is their sum, beside N, so that all factors are of equal size where
    the network holds every concept; a softmax of numbers so large gives everything to the largest. `covariance`: the
    authors' released code, Σ_i cov_i / Σ_i var_i, with one mean for both members of the concept's pairs and the
    variance over the members of all pairs; so that the score of a concept whose pairs vary more than all pairs may
    leave [−1, 1].

    Dimensions that are constant over all pairs are left out; where there is no other, each score is 0. One that is
    constant over a member of one concept's pairs alone has no correlation there and counts as 0.

    Args:
        latents_a: zᵃ [P, N].
        latents_b: zᵇ [P, N].
        concept: [P]; 1 … K, what a pair shares.
        num_concepts: K.
        method: which of the two.

    Raises:
        InputError: no such method, a concept of fewer than 2 pairs, a pair of no concept, or latents that are not
            finite; the line says which.
    """
    if method not in ("correlation", "covariance"):
        raise InputError(f"method of factor sizes: found {method!r}, accepted are 'correlation' and 'covariance'")
    if not num_concepts:
        return []
    counts = {int(number): int(count) for number, count in zip(*np.unique(concept, return_counts=True), strict=True)}
    for number in range(1, num_concepts + 1):
        if counts.get(number, 0) < 2:
            raise InputError(f"concept {number}: shared by {counts.get(number, 0)} of the pairs, expected at least 2")
    if unknown := [number for number in counts if not 1 <= number <= num_concepts]:
        raise InputError(f"concept {unknown[0]}: found in a pair, accepted are 1 to {num_concepts}")
    broken = ~(np.isfinite(latents_a).all(axis=0) & np.isfinite(latents_b).all(axis=0))
    if broken.any():
        raise InputError(f"latents: found a number that is not finite in dimension {int(np.argmax(broken))}")
    varying = np.setdiff1d(np.arange(latents_a.shape[1]), constant_dims(latents_a, latents_b))
    if not len(varying):
        return [0.0] * num_concepts
    latents_a, latents_b = latents_a[:, varying].astype(np.float64), latents_b[:, varying].astype(np.float64)
    shares = [concept == number for number in range(1, num_concepts + 1)]
    if method == "correlation":
        return [_correlation(latents_a[pairs], latents_b[pairs]) for pairs in shares]
    total = float(np.concatenate((latents_a, latents_b)).var(axis=0).sum())
    return [_covariance(latents_a[pairs], latents_b[pairs]) / total for pairs in shares]


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Mean over dimensions of the Pearson correlation of `a` [P, N] and `b` [P, N]."""
    spread = np.sqrt(a.var(axis=0) * b.var(axis=0))
    covariance = ((a - a.mean(axis=0)) * (b - b.mean(axis=0))).mean(axis=0)
    varies = (np.ptp(a, axis=0) > 0) & (np.ptp(b, axis=0) > 0) & (spread > 0)  # a variance may round to above 0
    return float(np.divide(covariance, spread, out=np.zeros_like(spread), where=varies).mean())


def _covariance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Sum over dimensions of the covariance of `a` [P, N] and `b` [P, N] about the one mean of both."""
    mean = np.concatenate((a, b)).mean(axis=0)
    return float(((a - mean) * (b - mean)).mean(axis=0).sum())


def sizes_from_scores(scores: list[float], num_dims: int) -> tuple[int, ...]:
    """N_F = max(1, ⌊softmax(s)_F · N⌋) for each concept, the rest to the residual, which gets at least 1.

    Args:
        scores: s_0 … s_K, the residual's first (1 by convention).
        num_dims: N ≥ K + 1.

    Raises:
        InputError: there are fewer dimensions than factors.

    Example:
        >>> sizes_from_scores([1.0, 0.68, 0.01], 64)
        (31, 22, 11)
    """
    if len(scores) > num_dims:
        raise InputError(f"{len(scores)} factors need at least as many dimensions, found {num_dims}")
    weights = np.exp(np.array(scores) - max(scores))
    shares = weights / weights.sum()
    sizes = [max(1, int(share * num_dims)) for share in shares[1:]]
    while sum(sizes) > num_dims - 1:
        sizes[int(np.argmax(sizes))] -= 1
    return (num_dims - sum(sizes), *sizes)
