"""A frozen network f(x) = G(z, x), split at a layer: z = E(x), and the output that follows from another z."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbones.autoencoder import Autoencoder
from pipeline.backbones.hooks import capture, replace
from pipeline.backbones.opening import Preprocess
from pipeline.backbones.reduce import Reduce, from_vector, to_vector
from pipeline.data import to_unit_range

__all__ = ["HookSplit", "LatentSplit", "Split", "outputs"]

BATCH = 500  # recipients at once


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


def outputs(split: Split, z: Tensor, pixels: NDArray[np.uint8], recipients: NDArray[np.int64] | None = None) -> Tensor:
    """What the rest of the network makes of latents, a batch at a time.

    Args:
        split: the network at a layer.
        z: [n, N].
        pixels: images [m, H, W, 3].
        recipients: which of them stands behind each row of z [n]; None: the one of the same number, and n = m.

    Returns:
        Images in [−1, 1] or logits [n, …], on the CPU.
    """
    rows = np.arange(len(z)) if recipients is None else recipients
    parts = [slice(start, start + BATCH) for start in range(0, len(z), BATCH)]
    return torch.cat([split.rest(to_unit_range(pixels[rows[part]]))(z[part]).cpu() for part in parts])


def _tail(network: nn.Module, layer: str) -> nn.Module | None:
    """The modules after a layer, where a network is one after another: the others need not run again."""
    names = [name for name, _ in network.named_children()]
    if type(network).forward is not nn.Sequential.forward or layer not in names:
        return None
    return nn.Sequential(*list(network.children())[names.index(layer) + 1 :])
