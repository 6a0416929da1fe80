"""Small random affine warps of images: rotation, scale, shear, translation, each uniform within its limits."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline.params import WarpParams

__all__ = ["Warps"]


@dataclass(frozen=True)
class Warps:
    """The affine map of each of B images.

    Attributes:
        limits: the largest warp.
        draws: [B, 5] in [−1, 1): angle, shear, scale, and shift in x and y, in shares of the limits.
    """

    limits: WarpParams
    draws: Tensor

    @classmethod
    def draw(cls, limits: WarpParams, num: int, seed: int) -> "Warps":
        """Maps for `num` images."""
        return cls(limits, torch.rand(num, 5, generator=torch.Generator().manual_seed(seed)) * 2 - 1)

    def __getitem__(self, part: slice) -> "Warps":
        """The maps of some of the images."""
        return Warps(self.limits, self.draws[part])

    def apply(self, images: Tensor, outside: Literal["zeros", "border"]) -> Tensor:
        """Warp each image by its own map, bilinearly.

        Args:
            images: [B, C, H, W].
            outside: what lies beyond an image's edge: zeros, or the nearest pixel.

        Returns:
            [B, C, H, W].
        """
        limits, draws = self.limits, self.draws
        angle, shear = math.radians(limits.rotate) * draws[:, 0], math.radians(limits.shear) * draws[:, 1]
        scale = 1 + limits.scale * draws[:, 2]
        cos, sin, slope = angle.cos() / scale, angle.sin() / scale, shear.tan()
        shift = 2 * limits.translate * draws[:, 3:]  # affine_grid's sides run from −1 to 1
        theta = torch.stack(
            (
                torch.stack((cos, cos * slope - sin, shift[:, 0]), 1),
                torch.stack((sin, sin * slope + cos, shift[:, 1]), 1),
            ),
            1,
        )
        grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
        return torch.nn.functional.grid_sample(images, grid, padding_mode=outside, align_corners=False)
