"""How far the training latents of a map reach: an ellipsoid, in a file of its folder.

Outside of it T was never trained. It is invertible there, too, but its factors mean little, and an image that is drawn
from such a latent, or a decision, says little of the network.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipeline.errors import InputError, one_line

__all__ = ["EXTENT", "Extent", "read_extent"]

EXTENT = "extent.safetensors"


@dataclass(frozen=True, eq=False)
class Extent:
    """An ellipsoid, which `pipeline.pairing.moments.latent_extent` lays around training latents.

    Attributes:
        loc: its centre, their mean [N].
        matrix: z lies on its surface where ‖(z − loc) · matrix‖ is 1 [N, N].
    """

    loc: NDArray[np.float32]
    matrix: NDArray[np.float32]

    def distance(self, latents: NDArray[np.floating]) -> NDArray[np.float64]:
        """How far latents [n, N] lie from the centre [n]: 0 there, 1 on the surface, above it outside."""
        return np.asarray(np.linalg.norm((latents.astype(np.float64) - self.loc) @ self.matrix, axis=1))

    def as_bytes(self) -> bytes:
        """Content of its file; equal ellipsoids give equal bytes."""
        content: bytes = save({"loc": self.loc, "matrix": np.ascontiguousarray(self.matrix)})
        return content


def read_extent(path: Path) -> Extent:
    """Read a file that `Extent.as_bytes` is the content of.

    Raises:
        InputError: the file is missing or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: not there; run `dvc repro`")
    try:
        arrays = load(path.read_bytes())
        return Extent(arrays["loc"], arrays["matrix"])
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{path}: no extent of training latents ({one_line(error)})") from None
