"""Networks from image to logits or image, whose layers are modules that forward hooks reach.

What the classifier that is trained here and all networks that are brought along have in common: their input, and a cut
at any layer that a forward calls once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.backbone import Backbone
from pipeline.backbone.cut import Cut, Noise
from pipeline.backbone.hooks import Layer, capture, layer_table, replace, require_layer
from pipeline.backbone.reduction import Reduce, from_vector, num_dims, to_vector
from pipeline.errors import InputError, one_line

__all__ = ["AS_IT_IS", "HookBackbone", "HookCut", "Preprocess", "list_layers"]


@dataclass(frozen=True)
class Preprocess:
    """From images in [−1, 1] to what a network expects; nothing happens where mean and std are .5.

    Attributes:
        size: side to which images are resized, bilinearly; None: as they are.
        mean: of each channel, on a scale of 0 to 1.
        std: of each channel, on the same scale.
    """

    size: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def from_card(cls, content: dict[str, Any]) -> "Preprocess":
        """What key `input` of a card says."""
        return cls(content["size"], tuple(content["mean"]), tuple(content["std"]))

    def to_card(self) -> dict[str, Any]:
        """For key `input` of a card."""
        return {"size": self.size, "mean": list(self.mean), "std": list(self.std)}

    def __call__(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [−1, 1] to inputs [B, 3, size, size]."""
        if self.size is not None and images.shape[-2:] != (self.size, self.size):
            images = nn.functional.interpolate(
                images, (self.size, self.size), mode="bilinear", align_corners=False, antialias=True
            )
        if self.mean == self.std == (0.5, 0.5, 0.5):
            return images
        mean, std = (images.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return ((images + 1) / 2 - mean) / std


AS_IT_IS = Preprocess(None, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class HookCut(Cut):
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

    noise: ClassVar[Noise] = "jitter"

    @torch.no_grad()
    def encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images [B, 3, H, W] in [−1, 1] to the numbers of the layer that enter T [B, N]; they have no noise."""
        output, _ = capture(self.network, self.layer, self.preprocess(images.to(self.device)))
        z = to_vector(output, self.reduce)
        kept = self._kept()
        return z if kept is None else z.index_select(1, kept), None

    def rest(self, images: Tensor) -> Callable[[Tensor], Tensor]:
        """From z [B, N] to logits or images; all else of the layer, and of what passes it by, is the recipients'."""
        inputs = self.preprocess(images.to(self.device))
        output, _ = capture(self.network, self.layer, inputs)
        own = to_vector(output, self.reduce)
        kept, tail = self._kept(), _tail(self.network, self.layer)

        @torch.no_grad()
        def run(z: Tensor) -> Tensor:
            z = z.to(self.device)
            if kept is not None:
                z = own.index_copy(1, kept, z)
            value = from_vector(z, output, self.reduce)
            return replace(self.network, self.layer, inputs, value) if tail is None else tail(value.clone())

        return run

    def width(self, images: Tensor) -> int:
        """As a forward of the first image shows it."""
        output, _ = capture(self.network, self.layer, self.preprocess(images[:1].to(self.device)))
        return output.numel()

    def _kept(self) -> Tensor | None:
        return None if self.kept is None else torch.from_numpy(self.kept).to(self.device)


class HookBackbone(Backbone):
    """A network that takes an image, and whose card has its `input`."""

    @torch.no_grad()
    def run(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [−1, 1] to the network's logits or images."""
        output: Tensor = self.network(self._preprocess(images.to(self.device)))
        return output

    def cut(self, layer: str, reduce: Reduce = "mean", kept: NDArray[np.int64] | None = None) -> Cut:
        """E and G of a module that a forward calls once."""
        return HookCut(self.network, layer, reduce, kept, self._preprocess, self.device)

    def require_layer(self, layer: str, reduce: Reduce, images: Tensor) -> None:
        """Refuse a layer that is not there, can't be captured and replaced, or is too wide, with one line."""
        module = require_layer(self.network, layer, self._preprocess(images.to(self.device)))
        num_dims(module.shape or (), reduce, layer)

    def layers(self, size: int | None) -> str:
        """All modules, with the shape that each gives, or why it can't be used."""
        return list_layers(self.network, size or self.card["input"]["size"] or 32)

    @property
    def _preprocess(self) -> Preprocess:
        return Preprocess.from_card(self.card["input"])


def _tail(network: nn.Module, layer: str) -> nn.Module | None:
    """The modules after a layer, where a network is one after another: the others need not run again."""
    names = [name for name, _ in network.named_children()]
    if type(network).forward is not nn.Sequential.forward or layer not in names:
        return None
    return nn.Sequential(*list(network.children())[names.index(layer) + 1 :])


def list_layers(network: nn.Module, size: int) -> str:
    """Each module by its dotted name, its class, the shape that it gives, and its dimensions under `latents.reduce`.

    Args:
        network: in eval mode.
        size: side of the black image that is sent through it.

    Raises:
        InputError: it does not take such an image.
    """
    try:
        table = layer_table(network, torch.zeros(1, 3, size, size))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            f"--size: the network does not take an image of {size}x{size} ({one_line(error, 200)})"
        ) from None
    rows = [("layer", "module", "shape", "mean", "none")]
    for layer in table:
        if layer.shape is None:
            rows.append((layer.name, layer.module, f"can't be used: it {layer.reason}", "", ""))
        else:
            shape = "x".join(str(length) for length in layer.shape)
            rows.append((layer.name, layer.module, shape, _width(layer, "mean"), _width(layer, "none")))
    widths = [max(len(row[column]) for row in rows if column != 2 or row[3]) for column in range(5)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _width(layer: Layer, reduce: Reduce) -> str:
    """Dimensions that a flow would get; a dash where it can't take them."""
    try:
        return str(num_dims(layer.shape or (), reduce, layer.name))
    except InputError:
        return "-"
