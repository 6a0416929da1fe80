"""The invertible map T from latents to codes, as a library: torch, and of the pipeline what needs less.

The closed form, the best linear T, which it begins as; blocks of ActNorm, affine coupling and mixing (Esser, Rombach,
Ommer, CVPR 2020, arXiv 2004.13166, section 3.1); and the likelihood of pairs (Eqs. 4 to 9).

Example:
    >>> import torch
    >>> flow = Flow(FlowConfig(num_dims=4, num_blocks=2, width=8))
    >>> z = torch.randn(64, 4)
    >>> flow.initialise(z)
    >>> code, log_abs_det = flow(z)
    >>> code.shape, log_abs_det.shape, torch.allclose(flow.inverse(code), z, atol=1e-5)
    (torch.Size([64, 4]), torch.Size([64]), True)
"""

from pipeline.basis.flow_shape import FlowShape
from pipeline.flow.actnorm import ActNorm
from pipeline.flow.closed_form import ClosedForm, Moments, Whitening, closed_form, spectra, whiten
from pipeline.flow.config import FlowConfig
from pipeline.flow.coupling import AffineCoupling
from pipeline.flow.likelihood import (
    changed_rho,
    graded_rho,
    latent_nats,
    membership,
    pair_nats,
    shared_rho,
    stacked_pair_nats,
    tied_rho,
)
from pipeline.flow.mixing import LearnedRotation, Rotation, Shuffle
from pipeline.flow.network import Flow
from pipeline.flow.stack import FlowStack, aligned, stacked_matmul

__all__ = [
    "ActNorm",
    "AffineCoupling",
    "ClosedForm",
    "Flow",
    "FlowConfig",
    "FlowShape",
    "FlowStack",
    "LearnedRotation",
    "Moments",
    "Rotation",
    "Shuffle",
    "Whitening",
    "aligned",
    "changed_rho",
    "closed_form",
    "graded_rho",
    "latent_nats",
    "membership",
    "pair_nats",
    "shared_rho",
    "spectra",
    "stacked_matmul",
    "stacked_pair_nats",
    "tied_rho",
    "whiten",
]
