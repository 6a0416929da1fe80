"""What preparation asks of a source: how many originals there are, what they show, and a copy of some of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.data.warp import Warps

__all__ = ["Rendered", "Source"]


@dataclass(frozen=True)
class Rendered:
    """Copies of originals.

    Attributes:
        sound: which of the originals asked for could be read [m]; the others are left out of what follows.
        unread: names of the others.
        pixels: [k, H, W, 3] uint8.
        labels: concept → category [k], −1 where it is missing.
        values: continuous concept → value [k, D], NaN where it is missing.
    """

    sound: NDArray[np.bool_]
    pixels: NDArray[np.uint8]
    labels: dict[str, NDArray[np.int64]]
    values: dict[str, NDArray[np.float32]]
    unread: tuple[str, ...] = ()


class Source(Protocol):
    """Images that are read when they are asked for, original by original; labels are in memory."""

    @property
    def strata(self) -> NDArray[np.int64]:
        """One label an original [n], whose shares each split keeps."""

    @property
    def categories(self) -> Mapping[str, int]:
        """Concept → number of its categories."""

    @property
    def class_names(self) -> Mapping[str, Sequence[str]]:
        """Concept → names of its categories, of those that have names."""

    @property
    def values(self) -> Mapping[str, int]:
        """Continuous concept → number of components of its value."""

    def render(self, originals: NDArray[np.int64], copy: int, warps: Warps | None) -> Rendered:
        """Copy number `copy` of each original [m], warped or as it is."""
