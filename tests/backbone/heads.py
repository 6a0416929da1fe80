"""Networks that a person may bring, each with another head, and some that are made or wrapped in another way."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Answer", "Headed", "Lazy", "ModelOutput", "Named", "Pair", "Tied", "autoencoder", "compiled", "parallel"]


class ModelOutput(OrderedDict):
    """As transformers has it: an ordered dict whose entries are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


@dataclass
class Answer:
    logits: Tensor
    hidden: tuple[Tensor, ...]
    loss: Tensor | None = None


class Pair(NamedTuple):
    logits: Tensor
    loss: Tensor


class Headed(nn.Module):
    """Images to 12 features, and a head that gives them in one of many forms."""

    def __init__(self, form: str = "tensor", classes: int = 3, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.form = form
        self.trunk = nn.Sequential(nn.Conv2d(channels, 12, 5, 4), nn.ReLU(inplace=True))
        self.head = nn.Linear(12, classes)

    def forward(self, images: Tensor) -> Any:
        found = self.trunk(images).mean(dim=(2, 3))
        logits = self.head(found)
        return {
            "tensor": lambda: logits,
            "vector": lambda: logits[:, 0],
            "map": lambda: logits[:, :, None, None],
            "softmax": lambda: logits.softmax(dim=1),
            "sigmoid": lambda: logits.sigmoid(),
            "half": lambda: logits.half(),
            "double": lambda: logits.double(),
            "classes": lambda: logits.argmax(dim=1),
            "dict": lambda: {"logits": logits, "features": found},
            "output": lambda: ModelOutput(logits=logits, hidden_states=(found, found)),
            "dataclass": lambda: Answer(logits, (found, found)),
            "tuple": lambda: (found, [found, logits]),
            "named": lambda: Pair(logits, logits.mean()),
            "nothing": lambda: None,
            "nan": lambda: logits / 0 * 0,
            "negative": lambda: -1 - logits.abs(),
            "squeezed": lambda: logits.squeeze(),
        }[self.form]()


class Tied(nn.Module):
    """Two names of one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6, bias=False)
        self.second = nn.Linear(6, 6, bias=False)
        self.second.weight = self.first.weight
        self.head = nn.Linear(6, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.second(self.first(inputs)))


class Lazy(nn.Module):
    """Layers that take their shape from the first forward; one is reached by none, where that is asked for."""

    def __init__(self, *, unused: bool = False) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 12, 5, 4), nn.Flatten())
        self.norm = nn.LazyBatchNorm1d()
        self.head = nn.LazyLinear(3)
        self.unused = nn.LazyLinear(3) if unused else None

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.trunk(images)))


class Named(nn.Module):
    """A module whose name is no attribute."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.add_module("block/1", nn.Sequential(nn.Conv2d(3, 12, 5, 4), nn.ReLU()))
        self.head = nn.Linear(12, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.get_submodule("block/1")(images).mean(dim=(2, 3)))


class _Autoencoder(nn.Module):
    """Gives its input again, from values of `white` for white and `black` for black to the same, in shades of grey."""

    def __init__(self, black: float, white: float, gain: float) -> None:
        super().__init__()
        self.same = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            self.same.weight.copy_(gain * torch.eye(3)[:, :, None, None])
            self.same.bias.fill_((1 - gain) * (black + white) / 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.same(images)


def autoencoder(black: float = -1.0, white: float = 1.0, gain: float = 0.9) -> nn.Module:
    return _Autoencoder(black, white, gain)


def sequential() -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 12, 5, 4), nn.ReLU(inplace=True))
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 3))


def parallel() -> nn.Module:
    return nn.DataParallel(sequential())


def compiled() -> nn.Module:
    """Whole and in part, by the function and in place."""
    network = sequential()
    network[0] = torch.compile(network[0], backend="eager")
    network[3].compile(backend="eager")
    return torch.compile(nn.DataParallel(network), backend="eager")
