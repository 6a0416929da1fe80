"""A straight line between two codes, or between two latents, point by point."""

import torch
from torch import Tensor

__all__ = ["path"]


def path(code_a: Tensor, code_b: Tensor, num: int) -> Tensor:
    """`num` evenly spaced points on the straight line from `code_a` to `code_b`, both ends included and exact.

    The paper wants such lines to stay on valid codes (Esser, Rombach, Ommer, CVPR 2020, section 3.1); between two
    latents the same line need not.

    Args:
        code_a: [N].
        code_b: [N].
        num: number of points, at least 2.

    Returns:
        [num, N].

    Raises:
        ValueError: if the shapes differ or are not [N], or `num` is below 2.
    """
    if code_a.ndim != 1 or code_a.shape != code_b.shape:
        raise ValueError(f"path: ends {tuple(code_a.shape)} and {tuple(code_b.shape)} must both be [N]")
    if num < 2:
        raise ValueError(f"path: a line needs at least 2 points, found {num}")
    share = torch.linspace(0, 1, num, dtype=code_a.dtype, device=code_a.device)[:, None]
    return torch.lerp(code_a, code_b, share)
