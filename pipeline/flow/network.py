"""The flow T: blocks of ActNorm, two affine couplings (one a half) and mixing."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from pipeline.flow.actnorm import ActNorm
from pipeline.flow.coupling import AffineCoupling
from pipeline.flow.mixing import Rotation, Shuffle

__all__ = ["Flow", "FlowConfig", "Mixing"]

Mixing = Literal["rotation", "shuffle"]


@dataclass(frozen=True)
class FlowConfig:
    """Shape of a flow.

    Attributes:
        num_dims: N, at least 2.
        num_blocks: number of blocks.
        width: units in a hidden layer of a conditioner.
        depth: hidden layers of a conditioner.
        mixing: "rotation" or "shuffle".
        log_scale_bound: largest absolute log-scale of a coupling.
        seed: of the initial weights and the mixing.
    """

    num_dims: int
    num_blocks: int = 6
    width: int = 128
    depth: int = 2
    mixing: Mixing = "rotation"
    log_scale_bound: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_dims < 2:
            raise ValueError(f"flow: num_dims must be at least 2, found {self.num_dims}")
        if min(self.num_blocks, self.width, self.depth) < 1:
            raise ValueError(f"flow: num_blocks, width and depth must be at least 1, found {self}")
        if self.mixing not in get_args(Mixing):
            raise ValueError(f"flow: mixing must be one of {get_args(Mixing)}, found '{self.mixing}'")


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
        log_abs_det = z.new_zeros(len(z))
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
    mixing = Rotation if config.mixing == "rotation" else Shuffle
    shape = (config.num_dims, config.width, config.depth, config.log_scale_bound)
    return [
        ActNorm(config.num_dims),
        AffineCoupling(*shape, swap=False),
        AffineCoupling(*shape, swap=True),
        mixing(config.num_dims, generator),
    ]
