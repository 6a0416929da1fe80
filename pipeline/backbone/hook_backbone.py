"""Networks from image to logits, values or image, whose layers are modules that forward hooks reach.

What the classifier that is trained here and all networks that are brought along have in common: their input, and a cut
at any layer that a forward calls once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.backbone import Backbone
from pipeline.backbone.cut import Cut, Noise
from pipeline.backbone.head import Head, in_words
from pipeline.backbone.hooks import Layer, capture, capture_all, layer_table, replace, require_layer
from pipeline.backbone.reduction import LARGEST, MEAN, Reduction, from_vector, num_dims, to_vector
from pipeline.backbone.trial import HALF, attempt, require_same_buffers, require_steady
from pipeline.errors import InputError, one_line
from pipeline.params import LatentsParams

__all__ = ["AS_IT_IS", "HookBackbone", "HookCut", "Preprocess", "list_layers"]

_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as Pillow's mode L


@dataclass(frozen=True)
class Preprocess:
    """From images in [−1, 1] to what a network expects; nothing happens where mean and std are .5.

    Attributes:
        size: side to which images are resized, bilinearly; None: as they are.
        mean: of each channel, on a scale of 0 to 1; where it is one number, the network gets the luminance alone.
        std: of each channel, on the same scale.
    """

    size: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def from_card(cls, content: dict[str, Any]) -> "Preprocess":
        """What key `input` of a card says."""
        return cls(content["size"], tuple(content["mean"]), tuple(content["std"]))

    def to_card(self) -> dict[str, Any]:
        """For key `input` of a card."""
        return {"size": self.size, "mean": list(self.mean), "std": list(self.std)}

    def __call__(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [−1, 1] to inputs [B, 3 or 1, size, size]."""
        if len(self.mean) == 1:
            images = (images * images.new_tensor(_LUMINANCE)[:, None, None]).sum(dim=1, keepdim=True)
        if self.size is not None and images.shape[-2:] != (self.size, self.size):
            images = nn.functional.interpolate(
                images, (self.size, self.size), mode="bilinear", align_corners=False, antialias=True
            )
        if {*self.mean, *self.std} == {0.5}:
            return images
        mean, std = (images.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return ((images + 1) / 2 - mean) / std

    def said_of(self, images: Tensor) -> str:
        """That images [B, 3, H, W] are resized, to be added to what a network gives; empty where they are not."""
        height, width = images.shape[-2:]
        if self.size is None or (height, width) == (self.size, self.size):
            return ""
        return f"; images of {width}x{height} are resized to {self.size}x{self.size}: backbone.input.size"


AS_IT_IS = Preprocess(None, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class HookCut(Cut):
    """Any layer of any network, by forward hooks; the network is not touched.

    Attributes:
        network: in eval mode; called with one tensor.
        layer: dotted name of a module that is called once in a forward and gives one tensor of floats.
        reduction: what of a map or of tokens enters T.
        kept: the numbers of the layer that enter T, ascending, as others are constant; None: all.
        preprocess: from images in [−1, 1] to what the network expects.
        device: where it runs.
        head: reads what it gives.
    """

    network: nn.Module
    layer: str
    reduction: Reduction
    kept: NDArray[np.int64] | None
    preprocess: Preprocess
    device: torch.device
    head: Head = field(default_factory=Head)

    noise: ClassVar[Noise] = "jitter"

    @torch.no_grad()
    def encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Images [B, 3, H, W] in [−1, 1] to the numbers of the layer that enter T [B, N]; they have no noise."""
        output, _ = capture(self.network, self.layer, self.preprocess(images.to(self.device)))
        z = to_vector(output, self.reduction)
        kept = self._kept()
        return z if kept is None else z.index_select(1, kept), None

    def rest(self, images: Tensor | None) -> Callable[[Tensor], Tensor]:
        """From z [B, N] to what `head` reads; all else of the layer, and of what passes it by, is the recipients'."""
        if images is None:
            raise ValueError(
                f"images: found none, expected one a code: what passes layer '{self.layer}' by is the recipients'"
            )
        inputs = self.preprocess(images.to(self.device))
        output, _ = capture(self.network, self.layer, inputs)
        own = to_vector(output, self.reduction)
        kept, tail = self._kept(), _tail(self.network, self.layer)

        def run(z: Tensor) -> Tensor:
            z = z.to(self.device)
            if kept is not None:
                z = own.index_copy(1, kept, z)
            value = from_vector(z, output, self.reduction)
            given = replace(self.network, self.layer, inputs, value) if tail is None else tail(value.clone())
            return self.head(given, len(z))

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
        """Images [B, 3, H, W] in [−1, 1] to the network's logits, values or images."""
        return self._head(self.network(self._preprocess(images.to(self.device))), len(images))

    def cut(self, layer: str, reduction: Reduction = MEAN, kept: NDArray[np.int64] | None = None) -> Cut:
        """E and G of a module that a forward calls once."""
        return HookCut(self.network, layer, reduction, kept, self._preprocess, self.device, self._head)

    def require_layers(self, layers: Sequence[str], params: LatentsParams, images: Tensor) -> dict[str, Reduction]:
        """Refuse what can't be captured and replaced or is too wide, and a network that is no function of one image."""
        inputs, name = self._preprocess(images.to(self.device)), self.card.get("network") or self.card["kind"]
        buffers = {key: buffer.clone() for key, buffer in self.network.named_buffers()}
        table = attempt(lambda some: layer_table(self.network, some), inputs, name)
        found = {layer: require_layer(self.network, layer, table) for layer in layers}
        reductions = {layer: _reduction(entry, params) for layer, entry in found.items()}

        def forward(some: Tensor) -> dict[str, Tensor]:
            values, output = capture_all(self.network, layers, some)
            return {f"layer '{layer}'": value for layer, value in values.items()} | {
                "its output": self._head.pick(output)
            }

        types = {entry.dtype for entry in table} | {weight.dtype for weight in self.network.parameters()}
        require_steady(forward, inputs, name, half=not types.isdisjoint(HALF))
        require_same_buffers(self.network, buffers, name)
        return reductions

    def layers(self, size: int | None) -> str:
        """All modules, with the shape that each gives, or why it can't be used; and what the network gives."""
        return list_layers(self.network, size or self.card["input"]["size"] or 32, len(self._preprocess.mean))

    @property
    def _preprocess(self) -> Preprocess:
        return Preprocess.from_card(self.card["input"])

    @property
    def _head(self) -> Head:
        return Head.from_card(self.card)


def _reduction(layer: Layer, params: LatentsParams) -> Reduction:
    """What section `latents` makes of a layer: its channels are found where the section does not say them."""
    shape = layer.shape or ()
    channels = layer.channels if params.channels == "auto" else params.channels
    reduction = Reduction(params.reduction)
    if len(shape) > 1 and not reduction.whole:
        reduction = Reduction(params.reduction, channels)
    num_dims(shape, reduction, layer.name)
    return reduction


def _tail(network: nn.Module, layer: str) -> nn.Module | None:
    """The modules after a layer, where a network is one after another: the others need not run again."""
    names = [name for name, _ in network.named_children()]
    if type(network).forward is not nn.Sequential.forward or layer not in names:
        return None
    return nn.Sequential(*list(network.children())[names.index(layer) + 1 :])


_SHOWN = 3  # images: the batch is told from tokens and windows, which go first in some layers
_LEGEND = f"""\
{{how}}: the numbers that a flow gets by latents.reduce; by {{{{pca: 32}}}} 32 directions of mean's, or of none's
-: it can get none: they are not 2 to {LARGEST:,}, or it is not certain what the channels are"""


def list_layers(network: nn.Module, size: int, channels: int = 3) -> str:
    """Each module by its dotted name, its class, the shape that it gives, its channels, and N under `latents.reduce`.

    What the columns mean follows; the last line says what the network gives.

    Args:
        network: in eval mode.
        size: side of the black images that are sent through it.
        channels: of those images.

    Raises:
        InputError: it does not take such images.
    """
    images = torch.zeros(_SHOWN, channels, size, size)
    try:
        table = layer_table(network, images)
        with torch.no_grad():
            given = in_words(network(images), len(images))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            f"--size, --channels: the network does not take {_SHOWN} images of {channels}x{size}x{size} "
            f"({one_line(error, 200)}); of a generator, which takes none, give --num-dims"
        ) from None
    hows = ["mean", "none", *(["token 0"] if any(len(layer.shape or ()) == 2 for layer in table) else [])]
    rows = [("layer", "module", "shape", "channels", *hows)]
    for layer in table:
        if layer.shape is None:
            rows.append((layer.name, layer.module, f"can't be used: it {layer.reason}", *[""] * (1 + len(hows))))
        else:
            shape = "x".join(str(length) for length in layer.shape)
            axis = "" if len(layer.shape) not in (2, 3) else layer.channels or "not certain"
            numbers = (_width(layer, Reduction(how, layer.channels)) for how in hows)
            rows.append((layer.name, layer.module, shape, axis, *numbers))
    widths = [max(len(row[column]) for row in rows if column != 2 or row[5]) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join([*(line.rstrip() for line in lines), _LEGEND.format(how=", ".join(hows)), given])


def _width(layer: Layer, reduction: Reduction) -> str:
    """Dimensions that a flow would get; a dash where it can't take them, nothing where the layer gives no tokens."""
    if reduction.token is not None and len(layer.shape or ()) != 2:
        return ""
    try:
        return str(num_dims(layer.shape or (), reduction, layer.name))
    except InputError:
        return "-"
