"""The flow T: blocks of ActNorm, two affine couplings (one a half) and mixing."""

import torch
from torch import Tensor, nn

from pipeline.flow.actnorm import ActNorm
from pipeline.flow.config import FlowConfig
from pipeline.flow.coupling import AffineCoupling
from pipeline.flow.mixing import MIXINGS

__all__ = ["Flow"]


class Flow(nn.Module):
    """T, a bijection between latents z [B, N] and codes z̃ [B, N].

    References:
        A Disentangling Invertible Interpretation Network for Explaining Latent Representations
        (Esser, Rombach, Ommer, CVPR 2020), section 3.1 and appendix.
    """

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        generator = torch.Generator().manual_seed(config.seed)
        with torch.random.fork_rng(devices=[]):  # the layers' own initialisation draws from the global generator
            torch.manual_seed(config.seed)
            self.layers = nn.ModuleList(layer for _ in range(config.num_blocks) for layer in _block(config, generator))

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Map latents z [B, N] to (codes [B, N], log|det T′(z)| [B])."""
        log_abs_det = z.new_zeros(z.shape[0])
        for layer in self.layers:
            z, change = layer(z)
            log_abs_det = log_abs_det + change
        return z, log_abs_det

    def inverse(self, code: Tensor) -> Tensor:
        """Map codes [B, N] back to latents [B, N]."""
        for layer in reversed(self.layers):
            code = layer.inverse(code)  # type: ignore[operator]
        return code

    @torch.no_grad()
    def initialise(self, z: Tensor) -> None:
        """Set every ActNorm from the batch z [B, N], B ≥ 2, in one pass; on every worker from the same batch."""
        for layer in self.layers:
            if isinstance(layer, ActNorm):
                layer.initialise(z)
            z, _ = layer(z)


def _block(config: FlowConfig, generator: torch.Generator) -> list[nn.Module]:
    return [
        ActNorm(config.num_dims),
        AffineCoupling(config, swap=False),
        AffineCoupling(config, swap=True),
        MIXINGS[config.mixing](config.num_dims, generator),
    ]
