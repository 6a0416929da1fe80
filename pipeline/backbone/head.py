"""What a network gives, read as one tensor: which part of its output, and what that says.

Every forward of a network that was brought along ends here. Of a dict, a tuple or a dataclass one entry is taken, by
its dotted key; half and double precision become float32; and it takes the form that scores and pictures read.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import InputError, a_type
from pipeline.params import BackboneParams

__all__ = ["Head", "in_words"]

MOST_VALUES = 2048  # numbers of an image that are no decision
_TINY = torch.finfo(torch.float32).tiny
_SHOWN = 8  # entries in an error


@dataclass(frozen=True)
class Head:
    """How the output of a network is read.

    Attributes:
        output: `logits`, `probabilities`, `values` or `images`.
        key: dotted, of an entry of a dict, a tuple or a dataclass; empty: the network gives one tensor.
        range: what black and white are in an image.
    """

    output: str = "logits"
    key: str = ""
    range: tuple[float, float] = (-1.0, 1.0)

    @classmethod
    def of(cls, params: BackboneParams) -> "Head":
        """What section `backbone` says."""
        return cls(params.gives, "" if params.output_key is None else str(params.output_key), params.output_range)

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> "Head":
        """What a card says; that of a network that was trained here names its output alone."""
        return cls(card["output"], card.get("output_key", ""), tuple(card.get("output_range", (-1.0, 1.0))))

    def to_card(self) -> dict[str, Any]:
        """For a card."""
        return {"output": self.output, "output_key": self.key, "output_range": list(self.range)}

    def pick(self, output: Any) -> Tensor:
        """The one tensor, as the network gives it.

        Raises:
            InputError: the key is empty where there are several, or none of them; the line shows them.
        """
        tensors = _tensors(output)
        if self.key in tensors:
            return tensors[self.key]
        found = f"found '{self.key}'" if self.key else "it is empty"
        if "" in tensors:
            raise InputError(
                f"backbone.output_key: {found}, but the network gives one tensor {_shape(output)}; accepted is none"
            )
        if not tensors:
            raise InputError(
                f"backbone.output: the network gives {a_type(output)}, a tensor, or a dict, tuple or "
                "dataclass of tensors is expected"
            )
        raise InputError(
            f"backbone.output_key: {found}, but the network gives {a_type(output)}; accepted are "
            f"{_listed(tensors, _shape)}"
        )

    def __call__(self, output: Any, num: int) -> Tensor:
        """What the network gives for `num` images, as float32.

        Returns:
            Logits [num, classes], of which one alone becomes two, 0 and itself, and probabilities their logarithms;
            values [num, D]; or images [num, 3, H, W] in [−1, 1], all three channels of a grey one alike.

        Raises:
            InputError: it gives something else.
        """
        tensor = self.pick(output)
        if not tensor.is_floating_point():
            raise InputError(f"backbone.output: the network gives {tensor.dtype}, floating-point numbers are expected")
        if tensor.ndim == 0 or len(tensor) != num:
            raise InputError(
                f"backbone.output: the network gives {_shape(tensor)} for {num} images, {num} rows are expected"
            )
        return _FORMS[self.output](self, tensor.float())


def in_words(output: Any, num: int) -> str:
    """What a network gives for `num` images, for a person who has to say so in section `backbone`.

    Example:
        >>> in_words(torch.zeros(2, 10), 2)
        'the network gives 10 numbers: logits of 10 classes, probabilities or values (backbone.output)'
        >>> in_words({"logits": torch.zeros(2, 10), "maps": [torch.zeros(2, 6, 8, 8)]}, 2)
        'the network gives a dict, of which backbone.output_key names one: logits 10, maps.0 6x8x8'
    """
    tensors = _tensors(output)
    if "" not in tensors:
        what = f"the network gives {a_type(output)}"
        if not tensors:
            return f"{what}, which holds no tensor and can't be used"
        return f"{what}, of which backbone.output_key names one: {_listed(tensors, _spoken)}"
    tensor = tensors[""]
    if tensor.ndim == 0 or len(tensor) != num:
        return f"the network gives {_shape(tensor)} for {num} images, not a row for each: it can't be used"
    size = tensor[0].numel()
    if size == 1:
        return "the network gives 1 number: a logit or probability of two classes, or a value (backbone.output)"
    if _is_of_classes(tensor):
        return f"the network gives {size} numbers: logits of {size} classes, probabilities or values (backbone.output)"
    kind = "an image" if tensor.ndim == 4 and tensor.shape[1] in (1, 3) else "values"
    return f"the network gives {_spoken(tensor)}: {kind} (backbone.output)"


def _tensors(output: Any, name: str = "") -> dict[str, Tensor]:
    """All tensors of an output by their dotted keys; the key of a lone tensor is empty."""
    if isinstance(output, Tensor):
        return {name: output}
    found: dict[str, Tensor] = {}
    for part, value in _parts(output):
        found |= _tensors(value, f"{name}.{part}" if name else str(part))
    return found


def _parts(output: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(output, Mapping):  # as is the ModelOutput of transformers
        return output.items()
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return zip(output._fields, output, strict=True)
    if isinstance(output, tuple | list):
        return enumerate(output)
    if dataclasses.is_dataclass(output):
        return [(field.name, getattr(output, field.name)) for field in dataclasses.fields(output)]
    return ()


def _listed(tensors: Mapping[str, Tensor], shape: Callable[[Tensor], str]) -> str:
    shown = [f"{key} {shape(tensor)}" for key, tensor in list(tensors.items())[:_SHOWN]]
    more = f" and {len(tensors) - _SHOWN} more" if len(tensors) > _SHOWN else ""
    return f"{', '.join(shown)}{more}"


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def _spoken(tensor: Tensor) -> str:
    return "x".join(str(length) for length in tensor.shape[1:]) or "1"


def _is_of_classes(tensor: Tensor) -> bool:
    """Whether a row is one number a class: [B, C], [B], or a map of one position."""
    return all(length == 1 for length in tensor.shape[2:])


def _of_classes(head: Head, tensor: Tensor) -> Tensor:
    """Rows [B, C]."""
    if not _is_of_classes(tensor):
        raise InputError(
            f"backbone.output: the network gives {_shape(tensor)}, {head.output} [B, classes], or [B, 1] or [B] of two "
            "classes, are expected"
        )
    return tensor.reshape(len(tensor), -1)


def _logits(head: Head, tensor: Tensor) -> Tensor:
    logits = _of_classes(head, tensor)
    return torch.cat((torch.zeros_like(logits), logits), dim=1) if logits.shape[1] == 1 else logits


def _probabilities(head: Head, tensor: Tensor) -> Tensor:
    """Their logarithms: the softmax of these is the probabilities themselves."""
    shares = _of_classes(head, tensor)
    if shares.shape[1] == 1:
        shares = torch.cat((1 - shares, shares), dim=1)
    return shares.clamp(min=_TINY).log()


def _values(_head: Head, tensor: Tensor) -> Tensor:
    values = tensor.reshape(len(tensor), -1)
    if not 1 <= values.shape[1] <= MOST_VALUES:
        raise InputError(
            f"backbone.output: the network gives {_shape(tensor)}, {values.shape[1]} values an image, accepted are 1 "
            f"to {MOST_VALUES}"
        )
    return values


def _images(head: Head, tensor: Tensor) -> Tensor:
    if tensor.ndim != 4 or tensor.shape[1] not in (1, 3):
        raise InputError(
            f"backbone.output: the network gives {_shape(tensor)}, images ({len(tensor)}, 1 or 3, H, W) are expected"
        )
    if head.range != (-1.0, 1.0):
        black, white = head.range
        tensor = (tensor - black) * (2 / (white - black)) - 1
    return tensor.expand(-1, 3, -1, -1)


_FORMS: Mapping[str, Callable[[Head, Tensor], Tensor]] = {
    "logits": _logits,
    "probabilities": _probabilities,
    "values": _values,
    "images": _images,
}
