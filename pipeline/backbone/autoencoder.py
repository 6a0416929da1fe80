"""Kind `autoencoder`: a convolutional variational autoencoder that is trained here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.backbone import LatentBackbone, Made
from pipeline.backbone.cut import Cut, Noise
from pipeline.backbone.reduction import MEAN, Reduction
from pipeline.params import BackboneParams
from pipeline.tables.images import Images

__all__ = ["Autoencoder", "AutoencoderBackbone", "LatentCut"]

LOG_VARIANCE_BOUND = 10.0


class Autoencoder(nn.Module):
    """Encoder to mean and scale of a latent of N numbers, decoder back to a 32x32 RGB image in [−1, 1].

    Group normalisation only: a network that keeps running statistics would learn other weights on more workers.

    Args:
        num_dims: N.
        width: channels of the first convolution.
        seed: of the initial weights.
    """

    def __init__(self, num_dims: int, width: int, seed: int) -> None:
        super().__init__()
        self.num_dims, self.width = num_dims, width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(
                nn.Conv2d(3, width, 4, 2, 1),  # 16x16
                nn.SiLU(),
                *_down(width, 2 * width),  # 8x8
                *_down(2 * width, 4 * width),  # 4x4
                nn.Flatten(),
                nn.Linear(64 * width, 2 * num_dims),
            )
            self.decoder = nn.Sequential(
                nn.Linear(num_dims, 64 * width),
                nn.Unflatten(1, (4 * width, 4, 4)),
                nn.SiLU(),
                *_up(4 * width, 2 * width),
                *_up(2 * width, width),
                nn.ConvTranspose2d(width, 3, 4, 2, 1),
                nn.Tanh(),
            )

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, 32, 32] in [−1, 1] to (mean [B, N], scale [B, N])."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return mean, (0.5 * log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)).exp()

    def decode(self, z: Tensor) -> Tensor:
        """Latents [B, N] to images [B, 3, 32, 32] in [−1, 1]."""
        images: Tensor = self.decoder(z)
        return images

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images [B, 3, 32, 32] and noise ε [B, N] to (reconstructions, mean [B, N], scale [B, N])."""
        mean, scale = self.encode(images)
        return self.decode(mean + scale * noise), mean, scale


@dataclass(frozen=True)
class LatentCut(Cut):
    """Encoder and decoder; the decoder needs nothing but z.

    Attributes:
        network: in eval mode.
        device: where it runs.
    """

    network: Autoencoder
    device: torch.device

    noise: ClassVar[Noise] = "encoder"

    @torch.no_grad()
    def encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images [B, 3, H, W] in [−1, 1] to mean and scale of the latent, [B, N] each."""
        mean, scale = self.network.encode(images.to(self.device))
        return mean, scale

    def rest(self, images: Tensor) -> Callable[[Tensor], Tensor]:  # noqa: ARG002  nothing passes the latent by
        """From latents [B, N] to images [B, 3, H, W] in [−1, 1]; the recipients have no say in it."""

        @torch.no_grad()
        def decode(z: Tensor) -> Tensor:
            return self.network.decode(z.to(self.device))

        return decode


@dataclass(frozen=True)
class AutoencoderBackbone(LatentBackbone):
    """A frozen autoencoder, cut between its encoder and its decoder."""

    network: Autoencoder

    @classmethod
    def make(cls, params: BackboneParams, images: Images, seed: int) -> Made:  # noqa: ARG003
        """Random weights, which its training replaces."""
        return cls.made(Autoencoder(params.num_dims, params.width, seed))

    @classmethod
    def made(cls, network: Autoencoder) -> Made:
        """An autoencoder, and what its card says of it."""
        shape = {"num_dims": network.num_dims, "width": network.width}
        return Made(network, {"kind": "autoencoder", **shape, "output": "images"})

    @classmethod
    def build(cls, folder: Path, card: dict[str, Any]) -> nn.Module:  # noqa: ARG003
        """An autoencoder of the card's shape."""
        return Autoencoder(card["num_dims"], card["width"], seed=0)

    @torch.no_grad()
    def run(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [−1, 1] to their reconstructions from the mean of the latent."""
        return self.network.decode(self.network.encode(images.to(self.device))[0])

    def cut(self, layer: str, reduction: Reduction = MEAN, kept: NDArray[np.int64] | None = None) -> Cut:  # noqa: ARG002
        """E and G of the latent."""
        return LatentCut(self.network, self.device)


def _down(num_in: int, num_out: int) -> list[nn.Module]:
    return [nn.Conv2d(num_in, num_out, 4, 2, 1), nn.GroupNorm(8, num_out), nn.SiLU()]


def _up(num_in: int, num_out: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(num_in, num_out, 4, 2, 1), nn.GroupNorm(8, num_out), nn.SiLU()]
