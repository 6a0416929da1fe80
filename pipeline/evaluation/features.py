"""The network whose features compare sets of images: a file that a person names, else the last layer but one of a
network that was trained here to name what an image shows.

The published protocol (Heusel and others, GANs trained by a two time-scale update rule, NeurIPS 2017, arXiv 1706.08500)
takes those of an Inception network, which only a file can be. Distances by other features are numbers of their own.
"""

import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.backbone.exported_network import from_exported
from pipeline.errors import InputError, one_line
from pipeline.judge.network import Judge
from pipeline.tables.images import to_unit_range

__all__ = ["Features", "features_of"]

KEY = "evaluate.features"
BATCH = 250  # images at once
_SCRIPTED = "constants.pkl"  # of TorchScript, and of no exported program
_ASKED = "return_features"  # an argument of the Inception file that is best known, which else returns classes

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Features:
    """What compares images.

    Attributes:
        name: `file`, or `judge of digit, colour`, or of a network that names no concepts `classifier of digit`.
        of: features [n, D] in float64 of pixels [n, H, W, 3].
    """

    name: str
    of: Callable[[Pixels], Tensor]


def features_of(path: str | None, judge: Judge | None, concepts: tuple[str, ...]) -> Features | None:
    """The features of a file or, without one, of the judge; None where there is neither.

    Args:
        path: a TorchScript or `torch.export` file, which is given pixels [B, 3, H, W] uint8 of any number of images,
            and returns numbers [B, D].
        judge: that was trained here.
        concepts: of the study.

    Raises:
        InputError: the file holds no such network.
    """
    if path is not None:
        network = _opened(Path(path))
        return Features("file", lambda pixels: _batched(network, pixels, path))
    if judge is None:
        return None
    named = f"{'judge' if concepts else 'classifier'} of {', '.join(judge.network.concepts)}"
    return Features(named, lambda pixels: _of_judge(judge, pixels))


@torch.no_grad()
def _of_judge(judge: Judge, pixels: Pixels) -> Tensor:
    starts = range(0, len(pixels), BATCH)
    parts = [to_unit_range(pixels[start : start + BATCH]).to(judge.device) for start in starts]
    return torch.cat([judge.network.features(part).cpu().double() for part in parts])


@torch.no_grad()
def _batched(network: Callable[[Tensor], Tensor], pixels: Pixels, path: str) -> Tensor:
    found = []
    for start in range(0, len(pixels), BATCH):
        part = torch.from_numpy(pixels[start : start + BATCH]).permute(0, 3, 1, 2).contiguous()
        try:
            features = network(part)
        except Exception as error:  # whatever the code in a person's file raises
            raise InputError(f"{KEY}: {path} does not take {_shown(part)} ({one_line(error, 200)})") from None
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != len(part):
            what = _shown(features) if isinstance(features, Tensor) else type(features).__name__
            raise InputError(f"{KEY}: {path} gives {what} for {len(part)} images, accepted are numbers [B, D]")
        if not features.isfinite().all():
            raise InputError(f"{KEY}: {path} gives a number that is not finite, accepted are finite ones")
        found.append(features.double())
    return torch.cat(found)


def _opened(path: Path) -> Callable[[Tensor], Tensor]:
    try:
        scripted = any(Path(name).name == _SCRIPTED for name in zipfile.ZipFile(path).namelist())
        if not scripted:
            return from_exported(path)
        network = torch.jit.load(path, map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise InputError(f"{KEY}: {path} is no TorchScript or torch.export file ({one_line(error, 150)})") from None
    arguments = {argument.name for argument in network.forward.schema.arguments}
    return (lambda images: network(images, return_features=True)) if _ASKED in arguments else network


def _shown(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
