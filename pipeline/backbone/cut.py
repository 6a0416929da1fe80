"""A frozen network f(x) = G(z, x), cut at a layer: z = E(x), and the output that follows from another z.

Of what a layer gives, the vector z that a flow maps is all numbers, or one mean a channel. A map [B, C, H, W] reduced
to channel means is recovered whole: what deviates from the mean is the recipient's own and is carried along, so that an
edit of z moves a channel as a whole. Tokens [B, L, C] of a transformer likewise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.autoencoder import Autoencoder
from pipeline.backbone.hooks import capture, replace
from pipeline.backbone.opening import Preprocess
from pipeline.errors import InputError

__all__ = ["LARGEST", "HookSplit", "LatentSplit", "Reduce", "Split", "from_vector", "num_dims", "to_vector"]

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
    all_numbers = 1
    for size in shape:
        all_numbers *= size
    channels = shape[0] if len(shape) in (1, 3) else shape[1]
    found = channels if reduce == "mean" else all_numbers
    if not 2 <= found <= LARGEST:
        hint = f"; 'mean' would give {channels}" if reduce == "none" and 2 <= channels <= LARGEST else ""
        raise InputError(
            f"latents.reduce: '{reduce}' gives layer '{layer}' of shape {shape} {found} dimensions, accepted are 2 to "
            f"{LARGEST}{hint}"
        )
    return found


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


class Split(Protocol):
    """E and G of one layer; both run in eval mode and record no gradients."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images [B, 3, H, W] in [−1, 1] to all numbers of the layer [B, M], and the scale of their noise, if any."""

    def rest(self, images: Tensor) -> Callable[[Tensor], Tensor]:
        """G of these recipients: from z [B, N], the numbers that enter T, to images in [−1, 1] or logits.

        Args:
            images: [B, 3, H, W] in [−1, 1], the recipients, one a row of z: what of the layer is not in z, and what
                passes the layer by, is theirs.
        """


@dataclass(frozen=True)
class LatentSplit:
    """Encoder and decoder of an autoencoder; its decoder needs nothing but z.

    Attributes:
        network: in eval mode.
        device: where it runs.
    """

    network: Autoencoder
    device: torch.device

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
class HookSplit:
    """Any layer of any network, by forward hooks; the network is not touched.

    Attributes:
        network: in eval mode; called with one tensor, it gives one.
        layer: dotted name of a module that is called once in a forward and gives one tensor.
        reduce: what of a map or of tokens enters T.
        kept: the numbers of the layer that enter T, ascending, as others are constant; None: all.
        preprocess: from images in [−1, 1] to what the network expects.
        device: where it runs.
    """

    network: nn.Module
    layer: str
    reduce: Reduce
    kept: NDArray[np.int64] | None
    preprocess: Preprocess
    device: torch.device

    @torch.no_grad()
    def encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images [B, 3, H, W] in [−1, 1] to all numbers of the layer [B, M], those that do not enter T included."""
        found, _ = capture(self.network, self.layer, self.preprocess(images.to(self.device)))
        return to_vector(found, self.reduce), None

    def rest(self, images: Tensor) -> Callable[[Tensor], Tensor]:
        """From z [B, N] to logits or images; all else of the layer, and of what passes it by, is the recipients'."""
        inputs = self.preprocess(images.to(self.device))
        found, _ = capture(self.network, self.layer, inputs)
        own = to_vector(found, self.reduce)
        kept = None if self.kept is None else torch.from_numpy(self.kept).to(self.device)
        tail = _tail(self.network, self.layer)

        @torch.no_grad()
        def run(z: Tensor) -> Tensor:
            z = z.to(self.device)
            if kept is not None:
                z = own.index_copy(1, kept, z)
            value = from_vector(z, found, self.reduce)
            return replace(self.network, self.layer, inputs, value) if tail is None else tail(value.clone())

        return run


def _tail(network: nn.Module, layer: str) -> nn.Module | None:
    """The modules after a layer, where a network is one after another: the others need not run again."""
    names = [name for name, _ in network.named_children()]
    if type(network).forward is not nn.Sequential.forward or layer not in names:
        return None
    return nn.Sequential(*list(network.children())[names.index(layer) + 1 :])
