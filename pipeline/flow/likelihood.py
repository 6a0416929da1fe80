"""Negative log-likelihoods in nats, with every constant, so that values at different rho, sizes and depths compare."""

import math

import torch
from torch import Tensor

from pipeline.layout import Layout

__all__ = ["latent_nats", "pair_nats", "shared_rho"]


def shared_rho(concept: Tensor, num_factors: int, rho: float) -> Tensor:
    """Correlation of each factor within each pair that shares one concept.

    Args:
        concept: [P] integers in 0 … K; the factor that a pair shares, 0 for none (the residual is never shared).
        num_factors: K + 1.
        rho: the paper's σ_ab, in [0, 1).

    Returns:
        [P, K + 1]: rho where the factor is shared, 0 elsewhere.
    """
    if not 0 <= rho < 1:
        raise ValueError(f"rho must lie in [0, 1), found {rho}")
    shared = torch.nn.functional.one_hot(concept, num_factors).to(torch.get_default_dtype())
    shared[:, 0] = 0
    return rho * shared


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
        rho: r [P, K + 1] in [0, 1): 0 where a factor is not shared.

    Returns:
        [P] nats.

    References:
        Esser, Rombach, Ommer (CVPR 2020), Eqs. 2 to 8; the constants are those of the Gaussians of Eqs. 1 to 3.
    """
    sizes = torch.tensor(layout.sizes, device=rho.device)
    variance = 1 - rho.square()  # [P, K + 1]
    rho_dims = rho.repeat_interleave(sizes, dim=1, output_size=layout.num_dims)  # [P, N]
    variance_dims = variance.repeat_interleave(sizes, dim=1, output_size=layout.num_dims)
    energy_a = code_a.square().sum(dim=1)
    energy_b = ((code_b - rho_dims * code_a).square() / variance_dims).sum(dim=1)
    normaliser = (sizes * variance.log()).sum(dim=1)
    constant = layout.num_dims * math.log(2 * math.pi)
    return 0.5 * (energy_a + energy_b + normaliser) + constant - log_abs_det_a - log_abs_det_b


def latent_nats(code: Tensor, log_abs_det: Tensor) -> Tensor:
    """Negative log-likelihood of each latent on its own: ½‖z̃‖² + ½ N log 2π − log|det T′(z)| (Eq. 11, with constants).

    Args:
        code: [B, N].
        log_abs_det: [B].

    Returns:
        [B] nats.
    """
    return 0.5 * code.square().sum(dim=1) + 0.5 * code.shape[1] * math.log(2 * math.pi) - log_abs_det
