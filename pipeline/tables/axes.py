"""Principal directions of a layer: a file beside the latents that lie along them, and in the folder of their map."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from pipeline.errors import InputError, one_line
from pipeline.files import write_atomic

__all__ = ["AXES", "Axes", "axes_file", "read_axes", "write_axes"]

AXES = "axes.safetensors"


@dataclass(frozen=True, eq=False)
class Axes:
    """N directions in M dimensions, orthonormal, those of the largest variance first.

    Attributes:
        centre: the mean of the training rows [M].
        directions: [M, N].
    """

    centre: NDArray[np.float64]
    directions: NDArray[np.float64]

    def along(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far rows [n, M] lie from the centre along each direction [n, N]."""
        return ((rows - self.centre) @ self.directions).astype(np.float32)


def axes_file(folder: Path) -> Path | None:
    """The file in a folder of latents; None: they lie along the layer's own axes."""
    path = folder / AXES
    return path if path.is_file() else None


def write_axes(path: Path, axes: Axes) -> None:
    """Write them; equal directions give equal bytes."""
    arrays = {"centre": axes.centre, "directions": np.ascontiguousarray(axes.directions)}
    write_atomic(path, save(arrays))


def read_axes(path: Path) -> Axes:
    """Read what `write_axes` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: not there; run `dvc repro`")
    try:
        arrays = load_file(path)
        return Axes(arrays["centre"], arrays["directions"])
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{path}: no principal directions ({one_line(error)})") from None
