"""Draw one factor of a code anew from its prior N(0, 1) (Esser, Rombach, Ommer, CVPR 2020, Eq. 1)."""

import torch
from torch import Tensor

from pipeline.layout import Layout

__all__ = ["sample"]


def sample(codes: Tensor, layout: Layout, factor: str, seed: int) -> Tensor:
    """Replace `factor` of each code by its own draw from N(0, 1), and leave every other number as it is.

    Args:
        codes: [n, N].
        layout: the factors of a code.
        factor: name of the factor to draw.
        seed: of the draws, which are the same on every device.

    Returns:
        New codes [n, N]; the argument is not changed.

    Raises:
        ValueError: if the shape is not [n, N], or the layout has no such factor.
    """
    if codes.ndim != 2 or codes.shape[1] != layout.num_dims:
        raise ValueError(f"sample: codes {tuple(codes.shape)} must be [n, {layout.num_dims}]")
    where = layout.slice(factor)
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(len(codes), where.stop - where.start, generator=generator, dtype=codes.dtype)
    drawn = codes.clone()
    drawn[:, where] = draws.to(codes.device)
    return drawn
