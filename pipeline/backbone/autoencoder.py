"""Kind `autoencoder`: a convolutional variational autoencoder that is trained here, for square images of any side."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.backbone import LatentBackbone, Made
from pipeline.backbone.cut import Cut, Noise
from pipeline.backbone.reduction import MEAN, Reduction
from pipeline.errors import InputError
from pipeline.params import BackboneParams
from pipeline.tables.images import Images

__all__ = ["Autoencoder", "AutoencoderBackbone", "LatentCut"]

LOG_VARIANCE_BOUND = 10.0
USUAL = 32  # the side that a card does not name
_SMALL = 6  # a map of a smaller side is not halved: its side is 3 to 5


class Autoencoder(nn.Module):
    """Encoder to mean and scale of a latent of N numbers, decoder back to a square RGB image in [−1, 1].

    How deep it is follows from the side of the image, which is halved until a map of 3x3 to 5x5 is left: three times at
    32 pixels, four times at 64. An odd side is halved downwards, and the decoder gives the row back.

    Group normalisation only: a network that keeps running statistics would learn other weights on more workers.

    Args:
        num_dims: N.
        width: channels of the first convolution; the second has twice, all deeper ones four times as many.
        seed: of the initial weights.
        side: S of the image, in pixels.
    """

    def __init__(self, num_dims: int, width: int, seed: int, side: int = USUAL) -> None:
        super().__init__()
        self.num_dims, self.width, self.side = num_dims, width, side
        sides = _halved(side)
        channels = [width * min(2**depth, 4) for depth in range(len(sides) - 1)]
        steps = list(pairwise(channels))
        smallest, deepest = sides[-1], channels[-1]
        numbers = deepest * smallest**2
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(
                nn.Conv2d(3, width, 4, 2, 1),
                nn.SiLU(),
                *(layer for num_in, num_out in steps for layer in _down(num_in, num_out)),
                nn.Flatten(),
                nn.Linear(numbers, 2 * num_dims),
            )
            odd = [side % 2 for side in sides]
            self.decoder = nn.Sequential(
                nn.Linear(num_dims, numbers),
                nn.Unflatten(1, (deepest, smallest, smallest)),
                nn.SiLU(),
                *(
                    layer
                    for (num_out, num_in), extra in zip(reversed(steps), odd[-2:0:-1], strict=True)
                    for layer in _up(num_in, num_out, extra)
                ),
                nn.ConvTranspose2d(width, 3, 4, 2, 1, output_padding=odd[0]),
                nn.Tanh(),
            )

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, S, S] in [−1, 1] to (mean [B, N], scale [B, N])."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return mean, (0.5 * log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)).exp()

    def decode(self, z: Tensor) -> Tensor:
        """Latents [B, N] to images [B, 3, S, S] in [−1, 1]."""
        images: Tensor = self.decoder(z)
        return images

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images [B, 3, S, S] and noise ε [B, N] to (reconstructions, mean [B, N], scale [B, N])."""
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

    def rest(self, images: Tensor | None) -> Callable[[Tensor], Tensor]:  # noqa: ARG002  nothing passes the latent by
        """From latents [B, N] to images [B, 3, H, W] in [−1, 1]; the recipients have no say in it."""

        def decode(z: Tensor) -> Tensor:
            return self.network.decode(z.to(self.device))

        return decode

    def width(self, images: Tensor) -> int:  # noqa: ARG002
        """N: all of them enter T."""
        return self.network.num_dims


@dataclass(frozen=True)
class AutoencoderBackbone(LatentBackbone):
    """A frozen autoencoder, cut between its encoder and its decoder."""

    network: Autoencoder

    @classmethod
    def make(cls, params: BackboneParams, images: Images, seed: int) -> Made:
        """Random weights, which its training replaces, for images of the side that these have."""
        return cls.made(Autoencoder(params.num_dims, params.width, seed, _square_side(images, params)))

    @classmethod
    def made(cls, network: Autoencoder) -> Made:
        """An autoencoder, and what its card says of it."""
        shape = {"num_dims": network.num_dims, "width": network.width}
        if network.side != USUAL:
            shape["side"] = network.side
        return Made(network, {"kind": "autoencoder", **shape, "output": "images"})

    @classmethod
    def build(cls, folder: Path, card: dict[str, Any]) -> nn.Module:  # noqa: ARG003
        """An autoencoder of the card's shape."""
        return Autoencoder(card["num_dims"], card["width"], seed=0, side=card.get("side", USUAL))

    @torch.no_grad()
    def run(self, images: Tensor) -> Tensor:
        """Images [B, 3, S, S] in [−1, 1] to their reconstructions from the mean of the latent."""
        return self.network.decode(self.network.encode(images.to(self.device))[0])

    def cut(self, layer: str, reduction: Reduction = MEAN, kept: NDArray[np.int64] | None = None) -> Cut:  # noqa: ARG002
        """E and G of the latent."""
        return LatentCut(self.network, self.device)


def _square_side(images: Images, params: BackboneParams) -> int:
    """Side of the images.

    Raises:
        InputError: they are not square, or smaller or larger than an autoencoder takes.
    """
    height, width = images.pixels.shape[1:3]
    assert params.traits.sides is not None  # as its kind has it
    smallest, largest = params.traits.sides
    if height != width or not smallest <= width <= largest:
        raise InputError(
            f"data.image_size: the images have {width}x{height} pixels; backbone.kind '{params.kind}' takes squares of "
            f"{smallest} to {largest} pixels: name such a side, to which images of your own are cut and resized"
        )
    return int(width)


def _halved(side: int) -> list[int]:
    """The sides of the maps: that of the image first, each the half of the one before, downwards."""
    sides = [side]
    while sides[-1] >= _SMALL:
        sides.append(sides[-1] // 2)
    return sides


def _down(num_in: int, num_out: int) -> list[nn.Module]:
    return [nn.Conv2d(num_in, num_out, 4, 2, 1), nn.GroupNorm(8, num_out), nn.SiLU()]


def _up(num_in: int, num_out: int, extra: int) -> list[nn.Module]:
    """Twice the side, and `extra` more: one where the encoder halved an odd one."""
    up = nn.ConvTranspose2d(num_in, num_out, 4, 2, 1, output_padding=extra)
    return [up, nn.GroupNorm(8, num_out), nn.SiLU()]
