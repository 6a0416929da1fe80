"""Between what a layer gives and the vector z that a flow maps: all numbers of it, or one mean a channel.

A map [B, C, H, W] reduced to channel means is recovered whole: what deviates from the mean is the recipient's own and
is carried along, so that an edit of z moves a channel as a whole. Tokens [B, L, C] of a transformer likewise.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from pipeline.errors import InputError

__all__ = ["LARGEST", "Reduce", "from_vector", "num_dims", "to_vector"]

Reduce = Literal["mean", "none"]

LARGEST = 2048  # N, that a flow is trained for


def num_dims(shape: tuple[int, ...], reduce: Reduce, layer: str) -> int:
    """N, the length of z, of a layer that gives [B, *shape].

    Args:
        shape: (C), (C, H, W) or (L, C).
        reduce: `mean` of each channel, or `none`.
        layer: its name, for an error.

    Raises:
        InputError: another number of axes, or N is not 2 to 2048.
    """
    if len(shape) not in (1, 2, 3):
        raise InputError(
            f"layers: '{layer}' gives shape {shape}; accepted are (C), (C, H, W) and tokens (L, C), without the batch"
        )
    channels = shape[0] if len(shape) in (1, 3) else shape[1]
    width = channels if reduce == "mean" else math.prod(shape)
    if not 2 <= width <= LARGEST:
        hint = f"; 'mean' would give {channels}" if reduce == "none" and 2 <= channels <= LARGEST else ""
        raise InputError(
            f"latents.reduce: '{reduce}' gives layer '{layer}' of shape {shape} {width} dimensions, accepted are 2 to "
            f"{LARGEST}{hint}"
        )
    return width


def to_vector(output: Tensor, reduce: Reduce) -> Tensor:
    """What a layer gives, [B, C], [B, C, H, W] or [B, L, C], to z [B, N], a tensor of its own."""
    if output.ndim == 2:
        return output.clone()
    if reduce == "none":
        return output.flatten(1).clone()
    return output.mean(dim=_positions(output))


def from_vector(z: Tensor, recipient: Tensor, reduce: Reduce) -> Tensor:
    """What the layer would give with z in place of the recipient's own.

    Args:
        z: [B, N].
        recipient: what the layer gave, [B, C], [B, C, H, W] or [B, L, C].
        reduce: as in `to_vector`.

    Returns:
        Of the recipient's shape. Where z is the recipient's own, that is the recipient's numbers, bit for bit.
    """
    if recipient.ndim == 2 or reduce == "none":
        return z.reshape(recipient.shape)
    positions = _positions(recipient)
    moved = z - recipient.mean(dim=positions)
    for position in sorted(positions):
        moved = moved.unsqueeze(position)
    return torch.where(moved == 0, recipient, recipient + moved)


def _positions(output: Tensor) -> tuple[int, ...]:
    """Axes over which a channel is averaged: height and width of a map, or the tokens."""
    return (2, 3) if output.ndim == 4 else (1,)
