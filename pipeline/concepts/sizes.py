"""How many dimensions each factor gets, from how alike the two members of a concept's pairs are."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["concept_scores", "factor_sizes", "sizes_from_scores"]

Array = NDArray[np.float32] | NDArray[np.float64]


def factor_sizes(
    latents_a: Array,
    latents_b: Array,
    concept: NDArray[np.int64],
    num_concepts: int,
    method: Literal["correlation", "covariance"] = "correlation",
) -> tuple[int, ...]:
    """Sizes of the K + 1 factors, residual first, that sum to N.

    Args:
        latents_a: zᵃ [P, N].
        latents_b: zᵇ [P, N].
        concept: [P]; 1 … K, what a pair shares.
        num_concepts: K.
        method: see `concept_scores`.

    References:
        Esser, Rombach, Ommer (CVPR 2020), Eq. 10 and the text after it.
    """
    scores = concept_scores(latents_a, latents_b, concept, num_concepts, method)
    return sizes_from_scores([1.0, *scores], latents_a.shape[1])


def concept_scores(
    latents_a: Array, latents_b: Array, concept: NDArray[np.int64], num_concepts: int, method: str = "correlation"
) -> list[float]:
    """How alike the members of each concept's pairs are, s_1 … s_K, each in [−1, 1].

    `correlation`: Eq. 10 divided by N, the mean over dimensions of the Pearson correlation of zᵃ_i and zᵇ_i; divided,
    since as printed it lies in [−N, N] and its softmax gives everything to the residual. `covariance`: the authors'
    released code, Σ_i cov_i / Σ_i var_i, with one mean for both members of the concept's pairs and the variance over
    the members of all pairs. Dimensions that are constant count as 0.
    """
    if method == "covariance":
        members = np.concatenate((latents_a, latents_b)).astype(np.float64)
        total = float(members.var(axis=0).sum())
    scores = []
    for number in range(1, num_concepts + 1):
        a, b = latents_a[concept == number].astype(np.float64), latents_b[concept == number].astype(np.float64)
        if method == "covariance":
            mean = np.concatenate((a, b)).mean(axis=0)
            shared = float(((a - mean) * (b - mean)).mean(axis=0).sum())
            scores.append(shared / total if total > 0 else 0.0)
        else:
            centred_a, centred_b = a - a.mean(axis=0), b - b.mean(axis=0)
            spread = np.sqrt(centred_a.var(axis=0) * centred_b.var(axis=0))
            covariance = (centred_a * centred_b).mean(axis=0)
            correlation = np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 0)
            scores.append(float(correlation.mean()))
    return scores


def sizes_from_scores(scores: list[float], num_dims: int) -> tuple[int, ...]:
    """N_F = max(1, ⌊softmax(s)_F · N⌋) for each concept, the rest to the residual, which gets at least 1.

    Args:
        scores: s_0 … s_K, the residual's first (1 by convention).
        num_dims: N ≥ K + 1.

    Example:
        >>> sizes_from_scores([1.0, 0.68, 0.01], 64)
        (31, 22, 11)
    """
    if len(scores) > num_dims:
        raise ValueError(f"{len(scores)} factors need at least as many dimensions, found {num_dims}")
    weights = np.exp(np.array(scores) - max(scores))
    shares = weights / weights.sum()
    sizes = [max(1, int(share * num_dims)) for share in shares[1:]]
    while sum(sizes) > num_dims - 1:
        sizes[int(np.argmax(sizes))] -= 1
    return (num_dims - sum(sizes), *sizes)
