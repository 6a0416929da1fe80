"""Small random affine warps of images: rotation, scale, shear, translation, each uniform within its limits."""

import math

import torch
from torch import Tensor

from pipeline.config import WarpParams

__all__ = ["warp"]


def warp(images: Tensor, limits: WarpParams, seed: int) -> Tensor:
    """Warp each image by its own affine map, bilinearly, with zeros outside.

    Args:
        images: [B, C, H, W].
        limits: the largest warp.
        seed: of the draws.

    Returns:
        [B, C, H, W].
    """
    draws = torch.rand(len(images), 5, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    angle, shear = math.radians(limits.rotate) * draws[:, 0], math.radians(limits.shear) * draws[:, 1]
    scale = 1 + limits.scale * draws[:, 2]
    cos, sin, slope = angle.cos() / scale, angle.sin() / scale, shear.tan()
    shift = 2 * limits.translate * draws[:, 3:]  # affine_grid's sides run from −1 to 1
    theta = torch.stack(
        (torch.stack((cos, cos * slope - sin, shift[:, 0]), 1), torch.stack((sin, sin * slope + cos, shift[:, 1]), 1)),
        1,
    )
    grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images, grid, align_corners=False)
