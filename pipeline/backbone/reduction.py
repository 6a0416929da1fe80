"""Between what a layer gives and the vector z that a flow maps: all numbers of it, one mean a channel, or one token.

A map [B, C, H, W] reduced to channel means is recovered whole: what deviates from the mean is the recipient's own and
is carried along, so that an edit of z moves a channel as a whole. Tokens [B, L, C] of a transformer likewise; of a
single token, such as a class token, the others are carried along. Of principal directions, of the means or of all
numbers, what lies across them is. z is float32, whatever a layer computes in.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from pipeline.errors import InputError

__all__ = ["LARGEST", "MEAN", "Channels", "Reduction", "from_vector", "num_dims", "to_vector"]

Channels = Literal["first", "last"]

LARGEST = 4096  # N, that a flow is trained for


@dataclass(frozen=True)
class Reduction:
    """What of a layer is z.

    Attributes:
        how: `mean` of each channel, `none`, all numbers, `token 0` and so on, or `pca 32`, as many principal directions
            of the means, or `pca 32 of none`, of all numbers.
        channels: whether they are the first or the last axis of a map or of tokens; None where it makes no difference.
        axes: centre [M] and directions [M, N] of a `pca`, float64; None: they are not known yet, and z is what they
            are to be of.
    """

    how: str = "mean"
    channels: Channels | None = None
    axes: tuple[Tensor, Tensor] | None = field(default=None, compare=False)

    @property
    def token(self) -> int | None:
        """The number of the token that is z; None: it is none alone."""
        return self._number("token ")

    @property
    def num_axes(self) -> int | None:
        """How many principal directions z has; None: it has the layer's own axes."""
        return self._number("pca ")

    @property
    def whole(self) -> bool:
        """Whether z is made from all numbers of a layer."""
        return self.how == "none" or self.how.endswith(" of none")

    def to_card(self) -> dict[str, Any]:
        """For the metadata of latents."""
        return {"reduce": self.how} | ({"channels": self.channels} if self.channels else {})

    def _number(self, word: str) -> int | None:
        return int(self.how.removeprefix(word).split()[0]) if self.how.startswith(word) else None


MEAN = Reduction()  # of a vector all of it; of a map each channel, which is its first axis


def num_dims(shape: tuple[int, ...], reduction: Reduction, layer: str) -> int:
    """N, the length of z, of a layer that gives [B, *shape].

    Args:
        shape: (C), (C, H, W), (H, W, C), (L, C) or (C, L).
        reduction: what of it is z.
        layer: its name, for an error.

    Raises:
        InputError: another number of axes, no such token, fewer directions, an axis of channels that is not known, or
            N is not 2 to 4096.
    """
    if len(shape) not in (1, 2, 3):
        raise InputError(
            f"layers: '{layer}' gives shape {shape}; accepted are (C), (C, H, W) and tokens (L, C), without the batch"
        )
    how, token, num_axes = reduction.how, reduction.token, reduction.num_axes
    if token is not None and len(shape) != 2:
        raise InputError(f"latents.reduce: '{how}' is of tokens (L, C), but layer '{layer}' gives shape {shape}")
    if len(shape) > 1 and not reduction.whole and reduction.channels is None:
        raise InputError(
            f"latents.channels: layer '{layer}' gives shape {shape}, of which it is not certain what the channels are; "
            "accepted are 'first', as (C, H, W), and 'last', as (H, W, C)"
        )
    channels = shape[-1] if reduction.channels == "last" else shape[0]
    if token is not None and token >= (positions := math.prod(shape) // channels):
        raise InputError(f"latents.reduce: found '{how}', but layer '{layer}' of shape {shape} has {positions} tokens")
    width = math.prod(shape) if reduction.whole else channels
    if not 2 <= width <= LARGEST:
        hint = "; 'mean' gives one a channel" if reduction.whole and len(shape) > 1 else ""
        raise InputError(
            f"latents.reduce: '{how}' gives layer '{layer}' of shape {shape} {width} dimensions, accepted are 2 to "
            f"{LARGEST}{hint}"
        )
    if num_axes is not None and num_axes > width:
        raise InputError(
            f"latents.reduce: found '{how}', but layer '{layer}' of shape {shape} has {width} directions at most"
        )
    return width if num_axes is None else num_axes


def to_vector(output: Tensor, reduction: Reduction) -> Tensor:
    """What a layer gives, [B, C], a map or tokens of any float type, to z [B, N], float32 and a tensor of its own."""
    return _along(_own_axes(output, reduction), reduction)


def from_vector(z: Tensor, recipient: Tensor, reduction: Reduction) -> Tensor:
    """What the layer would give with z in place of the recipient's own.

    Args:
        z: [B, N], float32.
        recipient: what the layer gave, [B, C], a map or tokens.
        reduction: as in `to_vector`.

    Returns:
        Of the recipient's shape and type. Where z is the recipient's own, that is the recipient's numbers, bit for bit.
    """
    own = _own_axes(recipient, reduction)
    if reduction.axes is not None:
        moved = z.double() - _along(own, reduction).double()
        z = own + (moved @ reduction.axes[1].T).float()  # what lies across the directions is the recipient's
    if recipient.ndim == 2 or reduction.whole:
        return torch.where(z == own, recipient.flatten(1), z.to(recipient.dtype)).reshape(recipient.shape)
    if reduction.token is not None:
        value = recipient.clone()
        token = _token(value, reduction)
        token.copy_(torch.where(z == own, token, z.to(recipient.dtype)))
        return value
    moved = z - own
    for position in _positions(recipient, reduction):
        moved = moved.unsqueeze(position)
    return torch.where(moved == 0, recipient, (_wide(recipient) + moved).to(recipient.dtype))


def _own_axes(output: Tensor, reduction: Reduction) -> Tensor:
    """What of a layer z is made from [B, M], a number an axis of its own."""
    if output.ndim == 2 or reduction.whole:
        return output.flatten(1).to(torch.float32, copy=True)
    if reduction.token is not None:
        return _token(output, reduction).to(torch.float32, copy=True)
    return _wide(output).mean(dim=_positions(output, reduction)).float()


def _along(own: Tensor, reduction: Reduction) -> Tensor:
    """The same [B, M] along the principal directions [B, N], where z lies along these."""
    if reduction.axes is None:
        return own
    centre, directions = reduction.axes
    return ((own - centre) @ directions).float()


def _positions(output: Tensor, reduction: Reduction) -> tuple[int, ...]:
    """Axes over which a channel is averaged: height and width of a map, or the tokens; ascending."""
    first = 1 if reduction.channels == "last" else 2
    return tuple(range(first, first + output.ndim - 2))


def _token(output: Tensor, reduction: Reduction) -> Tensor:
    """The one token [B, C] that is z, as a view."""
    assert reduction.token is not None
    return output.select(_positions(output, reduction)[0], reduction.token)


def _wide(output: Tensor) -> Tensor:
    """In a type that sums well: half precision would lose what deviates from a mean."""
    return output if output.dtype == torch.float64 else output.float()
