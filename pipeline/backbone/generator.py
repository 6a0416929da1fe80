"""A decoder alone, such as the G of a GAN: z is drawn from its prior, an image comes out, and nothing leads back."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.basis.draws import draw_seed
from pipeline.errors import InputError

__all__ = ["GeneratorSplit"]


@dataclass(frozen=True)
class GeneratorSplit:
    """G: z → x, and the prior N(0, 1) of each number of z; there is no E.

    Attributes:
        network: in eval mode; from z [B, N] to images [B, 1 or 3, H, W] in [−1, 1].
        num_dims: N.
        seed: of the prior's draws.
        device: where it runs.
    """

    network: nn.Module
    num_dims: int
    seed: int
    device: torch.device

    def prior(self, originals: NDArray[np.int64]) -> Tensor:
        """z [B, N] of the images of these numbers [B]: each a function of the seed and its number alone."""
        rows = [
            np.random.default_rng(draw_seed(self.seed, "generator/prior", int(number))).standard_normal(
                self.num_dims, np.float32
            )
            for number in originals
        ]
        return torch.from_numpy(np.stack(rows))

    @torch.no_grad()
    def draw(self, z: Tensor) -> Tensor:
        """Latents [B, N] to images [B, 3, H, W] in [−1, 1]; a grey image's three channels are alike."""
        images: Tensor = self.network(z.to(self.device))
        return images.expand(-1, 3, -1, -1)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Refused: an image of one's own has no latent."""
        raise InputError(f"a generator has no encoder: the {len(images)} images given have no latents")

    def rest(self, images: Tensor) -> Callable[[Tensor], Tensor]:  # noqa: ARG002  nothing passes the latent by
        """From latents [B, N] to images [B, 3, H, W] in [−1, 1]; the recipients have no say in it."""
        return self.draw
