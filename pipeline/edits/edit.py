"""Move one factor of a code along a direction."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.layout import Layout

__all__ = ["edit"]


def edit(codes: Tensor, layout: Layout, factor: str, direction: Tensor | Sequence[float], amount: float) -> Tensor:
    """Add `amount` times the unit vector of `direction` to a factor of each code; other numbers stay as they are.

    Args:
        codes: [n, N].
        layout: the factors of a code.
        factor: name of the factor to move.
        direction: [N_F], of any length but 0.
        amount: in units of the prior's standard deviation.

    Returns:
        New codes [n, N]; the argument is not changed.

    Raises:
        ValueError: if a shape is another, the direction is 0, or the layout has no such factor.
    """
    if codes.ndim != 2 or codes.shape[1] != layout.num_dims:
        raise ValueError(f"edit: codes {tuple(codes.shape)} must be [n, {layout.num_dims}]")
    where = layout.slice(factor)
    along = torch.as_tensor(direction, dtype=codes.dtype, device=codes.device)
    if along.shape != (where.stop - where.start,) or not along.norm() > 0:
        raise ValueError(f"edit: direction {tuple(along.shape)} must be [{where.stop - where.start}] and not 0")
    moved = codes.clone()
    moved[:, where] += amount * along / along.norm()
    return moved
