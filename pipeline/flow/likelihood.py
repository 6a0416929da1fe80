"""Negative log-likelihoods in nats, with every constant, so that values at different rho, sizes and depths compare."""

import math

import torch
from torch import Tensor

from pipeline.basis.layout import Layout

__all__ = [
    "changed_rho",
    "graded_rho",
    "latent_nats",
    "membership",
    "pair_nats",
    "shared_rho",
    "stacked_pair_nats",
    "tied_rho",
]


def shared_rho(concept: Tensor, num_factors: int, rho: float) -> Tensor:
    """Correlation of each factor within each pair that shares one concept, or none.

    Args:
        concept: [P] integers in 0 … K; the factor that a pair shares, 0 for none (the residual is never shared).
        num_factors: K + 1.
        rho: the paper's σ_ab, in [0, 1).

    Returns:
        [P, K + 1] in float64: rho where the factor is shared, 0 elsewhere.

    References:
        Esser, Rombach, Ommer (CVPR 2020), Eqs. 2 and 3.
    """
    return _checked(rho) * _is(concept, num_factors) * (concept > 0)[:, None]


def changed_rho(concept: Tensor, num_factors: int, rho: float) -> Tensor:
    """Correlation of each factor within each pair that differs in one concept and shares all else.

    Two sketches of one image, say, that differ in its roundness.

    Args:
        concept: [P] integers in 0 … K; the factor that is not shared, 0 for the residual.
        num_factors: K + 1.
        rho: in [0, 1).

    Returns:
        [P, K + 1] in float64: 0 in the factor that changed, rho elsewhere, in the residual too.

    References:
        Esser, Rombach, Ommer (CVPR 2020), section 3.2; in its released code a negative factor.
    """
    return _checked(rho) * (1 - _is(concept, num_factors))


def graded_rho(concept: Tensor, distance: Tensor, num_factors: int, rho: float, length: float) -> Tensor:
    """Correlation of each factor within each pair that is more or less alike in one continuous concept.

    rho · exp(−d² / 2ℓ²): members of equal value are tied as `shared_rho` ties them, distant ones not at all.

    Args:
        concept: [P] integers in 0 … K; the factor in which a pair is alike, 0 for none.
        distance: d [P], of the members' values, at least 0.
        num_factors: K + 1.
        rho: of equal values, in [0, 1).
        length: ℓ, above 0, in the units of the distance; at d = ℓ the correlation is .61 rho.

    Returns:
        [P, K + 1] in float64.
    """
    if not length > 0:
        raise ValueError(f"length must be above 0, found {length}")
    likeness = torch.exp(-0.5 * (distance.double() / length).square())
    return shared_rho(concept, num_factors, rho) * likeness[:, None]


def tied_rho(concept: Tensor, distance: Tensor, num_factors: int, rho: float) -> Tensor:
    """Correlation of each factor within pairs of all kinds.

    Args:
        concept: [P] integers in −K … K: the factor in which a pair is alike, as of `graded_rho`; −k where a pair
            differs in factor k and shares all else, as of `changed_rho`.
        distance: [P], of the members' values, in lengths; 0 where they are equal.
        num_factors: K + 1.
        rho: in [0, 1).

    Returns:
        [P, K + 1] in float64.
    """
    alike = graded_rho(concept, distance, num_factors, rho, 1.0)
    return torch.where((concept < 0)[:, None], changed_rho(-concept, num_factors, rho), alike)


def _checked(rho: float) -> float:
    if not 0 <= rho < 1:
        raise ValueError(f"rho must lie in [0, 1), found {rho}")
    return rho


def _is(concept: Tensor, num_factors: int) -> Tensor:
    """[P, K + 1]: 1 where the factor is the pair's."""
    return (concept[:, None] == torch.arange(num_factors, device=concept.device)).double()


def pair_nats(
    code_a: Tensor, code_b: Tensor, log_abs_det_a: Tensor, log_abs_det_b: Tensor, layout: Layout, rho: Tensor
) -> Tensor:
    """Negative log-likelihood of each pair of latents.

    L(a, b) = ½‖z̃ᵃ‖² + ½ Σ_k [‖z̃ᵇ_k − r_k z̃ᵃ_k‖² / (1 − r_k²) + N_k log(1 − r_k²)]
              + N log 2π − log|det T′(zᵃ)| − log|det T′(zᵇ)|

    Args:
        code_a: z̃ᵃ [P, N].
        code_b: z̃ᵇ [P, N].
        log_abs_det_a: log|det T′(zᵃ)| [P].
        log_abs_det_b: log|det T′(zᵇ)| [P].
        layout: the K + 1 factors of a code.
        rho: r [P, K + 1] in [0, 1): 0 where a factor is not shared; best in float64, as the functions here give it.

    Returns:
        [P] nats, in the type of the codes.

    References:
        Esser, Rombach, Ommer (CVPR 2020), Eqs. 2 to 8; the constants are those of the Gaussians of Eqs. 1 to 3.
    """
    nats = 0.5 * code_a.square().sum(dim=1) + layout.num_dims * math.log(2 * math.pi) - log_abs_det_a - log_abs_det_b
    for k, where in enumerate(layout.slices):
        variance = 1 - rho[:, k].square()  # in the type of rho: near rho = 1 a rounded difference would lose its digits
        r, weight, log_variance = (number.to(code_a.dtype) for number in (rho[:, k], 1 / variance, variance.log()))
        error = code_b[:, where] - r[:, None] * code_a[:, where]
        nats = nats + 0.5 * (weight * error.square().sum(dim=1) + layout.sizes[k] * log_variance)
    return nats


def membership(layout: Layout) -> Tensor:
    """1 where a dimension is in a factor, else 0 [K + 1, N]."""
    sizes = torch.tensor(layout.sizes)
    return torch.nn.functional.one_hot(torch.arange(layout.num_factors).repeat_interleave(sizes)).T.float()


def stacked_pair_nats(
    code_a: Tensor, code_b: Tensor, log_abs_det_a: Tensor, log_abs_det_b: Tensor, factors: Tensor, rho: Tensor
) -> Tensor:
    """`pair_nats` of F flows, whose factors differ in their sizes, by the same kernels.

    Args:
        code_a: z̃ᵃ [F, P, N].
        code_b: z̃ᵇ [F, P, N].
        log_abs_det_a: log|det T′(zᵃ)| [F, P].
        log_abs_det_b: log|det T′(zᵇ)| [F, P].
        factors: `membership` of each flow's layout [F, K + 1, N].
        rho: r [F, P, K + 1].

    Returns:
        [F, P] nats, in the type of the codes.
    """
    variance = 1 - rho.square()  # in the type of rho, as there
    of_factors = (number.to(code_a.dtype) for number in (rho, 1 / variance, variance.log()))
    r, weight, log_variance = (number @ factors.to(code_a.dtype) for number in of_factors)  # of dimensions [F, P, N]
    nats = 0.5 * (code_a.square() + weight * (code_b - r * code_a).square() + log_variance).sum(dim=2)
    return nats + code_a.shape[2] * math.log(2 * math.pi) - log_abs_det_a - log_abs_det_b


def latent_nats(code: Tensor, log_abs_det: Tensor) -> Tensor:
    """Negative log-likelihood of each latent on its own: ½‖z̃‖² + ½ N log 2π − log|det T′(z)| (Eq. 11, with constants).

    Args:
        code: [B, N].
        log_abs_det: [B].

    Returns:
        [B] nats.
    """
    return 0.5 * code.square().sum(dim=1) + 0.5 * code.shape[1] * math.log(2 * math.pi) - log_abs_det
