"""Which axis of a layer's output holds the channels: the first, as convolutions have it, or the last, as transformers.

A module says so by its class where it works on channels: a convolution on the first axis, a linear map on the last.
What it takes and gives is known then, and so is any module that gives, takes or hands on the very same tensor. Where no
module says anything, two equal lengths of three are height and width of a map. What is left is not certain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pipeline.backbone.reduction import Channels

__all__ = ["Call", "channels_of"]

_FIRST = (  # a class of its own that stems from one of these still works on the same axis
    *(nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
    *(nn.Dropout1d, nn.Dropout2d, nn.Upsample, nn.PixelShuffle, nn.PixelUnshuffle),
)
_LAST = (nn.Linear, nn.Embedding, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
_POINTWISE = ("torch.nn.modules.activation", "torch.nn.modules.dropout", "torch.nn.modules.linear")


@dataclass(frozen=True)
class Call:
    """One call of a module in a forward.

    Attributes:
        name: dotted, of the module.
        module: itself.
        given: its first positional argument; None where it has none.
        gave: what it returned.
    """

    name: str
    module: nn.Module
    given: Any
    gave: Any


def channels_of(calls: Sequence[Call]) -> dict[str, Channels | None]:
    """Module → the axis of its output's channels; None: it has but one axis, or it is not certain which.

    Args:
        calls: of one forward, in their order, with the very tensors that went through it.
    """
    said: dict[int, set[Channels]] = {}
    handed_on = []
    for call in calls:
        axis = _axis(call.module)
        for tensor in (call.given, call.gave):
            if axis is not None and isinstance(tensor, Tensor) and tensor.ndim in (3, 4):
                said.setdefault(id(tensor), set()).add(axis)
        if _is_pointwise(call):
            handed_on.append((id(call.given), id(call.gave)))
    for there, back in [*handed_on, *reversed(handed_on), *handed_on]:  # down a chain, up, and down its branches
        said[there] = said[back] = said.get(there, set()) | said.get(back, set())
    return {call.name: _channels(call.gave, said.get(id(call.gave), set())) for call in calls}


def _axis(module: nn.Module) -> Channels | None:
    """Where a module that works on channels has them, by its class."""
    if isinstance(module, _FIRST):
        return "first"
    if isinstance(module, _LAST):
        return "last"
    # a class of its own that stems from these may turn the axes before and after it, as one of torchvision's does
    if isinstance(module, nn.LayerNorm | nn.RMSNorm) and type(module) in (nn.LayerNorm, nn.RMSNorm):
        return "last" if len(module.normalized_shape) == 1 else None
    return None


def _is_pointwise(call: Call) -> bool:
    """Whether what a module gives has the axes of what it takes, as of an activation or a dropout."""
    if type(call.module).__module__ not in _POINTWISE:
        return False
    return isinstance(call.given, Tensor) and isinstance(call.gave, Tensor) and call.given.shape == call.gave.shape


def _channels(output: Any, said: set[Channels]) -> Channels | None:
    """The axis, from what modules said of a tensor and from its lengths."""
    if not isinstance(output, Tensor) or output.ndim not in (3, 4):
        return None
    if said:
        return next(iter(said)) if len(said) == 1 else None
    if output.ndim == 3:
        return "last"  # tokens, unless a module says otherwise
    one, two, three = output.shape[1:]
    if (one == two) != (two == three):
        return "first" if two == three else "last"
    return None
