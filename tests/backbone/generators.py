"""A generator whose images are plain to read, what names them, and some that can't be used."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.backbone import Made
from pipeline.backbone.generator import open_generator
from pipeline.backbone.kinds import make_backbone
from pipeline.params import BackboneParams, Params
from pipeline.prepare.images import prepare
from pipeline.prepare.sources.generator import generated_source
from pipeline.tables.images import Images, to_pixels

__all__ = [
    "HERE",
    "Convolved",
    "Halves",
    "Unit",
    "flat_linear",
    "made_halves",
    "name_halves",
    "name_nothing",
    "name_raising",
    "name_too_few",
    "params",
    "prepared",
    "too_bright",
    "unseeded",
]


class Halves(nn.Module):
    """The brightness of the left half is the first number of z, that of the right half the second."""

    def __init__(self, gain: float = 0.5) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, z: Tensor) -> Tensor:
        levels = (self.gain * z[:, :2]).clamp(-1, 1)
        return levels[:, None, None, :].repeat_interleave(8, dim=3).expand(-1, 1, 16, 16)


HERE = "backbone.generators"


def params(network: str = "Halves", **data: object) -> Params:
    section = {
        "source": "generator",
        "labeller": f"{HERE}:name_halves",
        "max_images": 300,
        "copies": 1,
        "concepts": ["left", "right"],
        "graded": {"right": 0.1},
        **data,
    }
    return Params.model_validate(
        {"data": section, "backbone": {"kind": "generator", "network": f"{HERE}:{network}", "num_dims": 6}}
    )


def prepared(folder: Path, study: Params) -> Path:
    assert prepare(study.data, study.seed, folder / "images", source=generated_source(study)) == {
        "train": 210,
        "val": 30,
        "test": 60,
    }
    return folder / "images"


def made_halves(num_dims: int) -> Made:
    """`Halves` of so many numbers, as a study opens it."""
    params = BackboneParams(kind="generator", network=f"{HERE}:Halves", num_dims=num_dims)
    decoder, numbers = open_generator(params, 0, "cpu"), np.arange(2)
    pixels = to_pixels(decoder.draw(decoder.prior(numbers)))
    return make_backbone(params, Images(numbers, numbers, pixels, {}, {}, {}), 0)


def too_bright() -> nn.Module:
    """Values above 1."""
    return nn.Sequential(Halves(), _Shift())


class Unit(nn.Module):
    """The same images in [0, 1], as an entry of a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.halves = Halves()

    def forward(self, z: Tensor) -> dict[str, Tensor]:
        return {"noise": z, "sample": (self.halves(z) + 1) / 2}


class Convolved(nn.Module):
    """Halves behind a convolution, as the G of a DCGAN begins: from z [B, N, 1, 1], and not from [B, N]."""

    def __init__(self, *, lazy: bool = False) -> None:
        super().__init__()
        self.first = nn.LazyConvTranspose2d(6, 1) if lazy else nn.ConvTranspose2d(6, 6, 1)
        self.halves = Halves(gain=2.0)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.halves(self.first(z).flatten(1))
        return images


def flat_linear(in_features: int, out_features: int, *, bias: bool = True) -> nn.Module:
    """No generator: from an image to numbers."""
    return nn.Sequential(nn.Flatten(), nn.Linear(in_features, out_features, bias=bias))


class _Shift(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images + 1.5


def unseeded() -> nn.Module:
    """Other weights each time, whatever torch's seed."""
    return Halves(gain=0.3 + 0.2 * next(_MADE))


_MADE = itertools.count()


def name_halves(pixels: NDArray[np.uint8]) -> Mapping[str, Any]:
    """Whether the left half is bright, as a boolean; how bright the right one is, missing where it is black."""
    left, right = pixels[:, 4, 4, 0], pixels[:, 4, 12, 0]
    return {"left": left > 127, "right": np.where(right == 0, np.nan, right / 255), "third": torch.ones(len(pixels))}


def name_nothing(pixels: NDArray[np.uint8]) -> int:
    return len(pixels)


def name_raising(pixels: NDArray[np.uint8]) -> Mapping[str, Any]:
    return {"left": np.stack([pixels[0], pixels[1, :1]])}


def name_too_few(pixels: NDArray[np.uint8]) -> Mapping[str, Any]:
    return {"left": [1] * (len(pixels) - 1)}
