"""What preparation asks of a source: how many originals there are, what they show, and a copy of some of them.

Most sources are images that lie somewhere as they are, with concepts in columns of a table.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.prepare.sources.concepts import Concepts
from pipeline.prepare.sources.decoder import Decoder
from pipeline.prepare.warp import Warps

__all__ = ["Membership", "Rendered", "Source", "StoredImages", "Wrapped", "originals_of", "strata_of"]

RARE = 20  # a class of fewer originals is split together with the other rare ones


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


@dataclass(frozen=True)
class Membership:
    """What is known of the rows of a source before they are split.

    Attributes:
        originals: the original of each row [n], by the number of its first row; None: each row is its own.
        splits: the split that each row is in [n], by its number in `SPLITS`; None: none is in one yet.
        kept: whether a row is one of the study's [n]; None: all are.
    """

    originals: NDArray[np.int64] | None = None
    splits: NDArray[np.int64] | None = None
    kept: NDArray[np.bool_] | None = None


class Source(Protocol):
    """Images that are read when they are asked for, row by row; labels are in memory."""

    @property
    def strata(self) -> NDArray[np.int64]:
        """One label a row [n], whose shares each split keeps."""

    @property
    def membership(self) -> Membership:
        """Which rows are of one original, and which are in a split already."""

    @property
    def labels(self) -> Mapping[str, NDArray[np.int64]]:
        """Concept → category of each row [n], −1 where it is missing, of those in which its copies are alike."""

    @property
    def categories(self) -> Mapping[str, int]:
        """Concept → number of its categories."""

    @property
    def columns(self) -> Collection[str]:
        """What it has, also what is no concept of this study: names that no other concept may have."""

    @property
    def class_names(self) -> Mapping[str, Sequence[str]]:
        """Concept → names of its categories, of those that have names."""

    @property
    def values(self) -> Mapping[str, int]:
        """Continuous concept → number of components of its value."""

    @property
    def image_range(self) -> tuple[float, float] | None:
        """Grey values of more than 8 bits that became black and white; None where there are none."""

    def render(self, originals: NDArray[np.int64], copy: int, warps: Warps | None) -> Rendered:
        """Copy number `copy` of each row [m], warped or as it is."""

    def remarks(self) -> Sequence[str]:
        """What was made of the images that were read, and a person would not expect, a line each."""


class Wrapped:
    """What a source around another one gives as that does; the rest of a `Source` is its own.

    Args:
        source: the other one.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def strata(self) -> NDArray[np.int64]:
        """Those of the source."""
        return self._source.strata

    @property
    def membership(self) -> Membership:
        """That of the source."""
        return self._source.membership

    @property
    def labels(self) -> Mapping[str, NDArray[np.int64]]:
        """Those of the source."""
        return self._source.labels

    @property
    def columns(self) -> Collection[str]:
        """Those of the source, also what is gone from its concepts."""
        return self._source.columns

    @property
    def values(self) -> Mapping[str, int]:
        """Those of the source."""
        return self._source.values

    @property
    def image_range(self) -> tuple[float, float] | None:
        """That of the source."""
        return self._source.image_range

    def remarks(self) -> Sequence[str]:
        """Those of the source."""
        return self._source.remarks()


class StoredImages:
    """A source whose images are read from where they lie.

    Args:
        read: pixels [H, W, 3] of each row asked for, or the name of one that can't be read.
        concepts: what the originals show.
        stratum: the concept whose shares each split keeps; None: none.
        outside: what a warp finds beyond an image's edge.
        membership: of the rows; where they show nothing that is known, it says their originals.
        decoder: of the images, where they are files.
    """

    def __init__(
        self,
        read: Callable[[NDArray[np.int64]], Sequence[NDArray[np.uint8] | str]],
        concepts: Concepts,
        stratum: str | None,
        outside: Literal["zeros", "border"] = "border",
        membership: Membership | None = None,
        decoder: Decoder | None = None,
    ) -> None:
        self._read, self._concepts, self._outside = read, concepts, outside
        self.labels: Mapping[str, NDArray[np.int64]] = concepts.labels
        self.categories: Mapping[str, int] = concepts.categories
        self.columns: Collection[str] = {*concepts.columns, *concepts.categories}
        self.class_names: Mapping[str, Sequence[str]] = concepts.class_names
        self.values: Mapping[str, int] = {name: value.shape[1] for name, value in concepts.values.items()}
        columns = iter(concepts.labels.values())
        num = len(next(columns, membership.originals if membership and membership.originals is not None else ()))
        self.strata = np.zeros(num, np.int64) if stratum is None else strata_of(concepts.labels[stratum])
        self.membership = membership or Membership()
        self._decoder = decoder

    @property
    def image_range(self) -> tuple[float, float] | None:
        """Grey values of more than 8 bits that became black and white."""
        return None if self._decoder is None else self._decoder.value_range

    def remarks(self) -> Sequence[str]:
        """What the decoder made of the images that were read."""
        return () if self._decoder is None else self._decoder.remarks()

    def render(self, originals: NDArray[np.int64], copy: int, warps: Warps | None) -> Rendered:  # noqa: ARG002
        """Each row [m] as it is, or warped; all copies show the same."""
        decoded = self._read(originals)
        images = [image for image in decoded if not isinstance(image, str)]
        unread = tuple(image for image in decoded if isinstance(image, str))
        sound = np.array([not isinstance(image, str) for image in decoded], dtype=bool)
        rows = originals[sound]
        pixels = np.stack(images) if images else np.empty((0, 1, 1, 3), np.uint8)
        if warps is not None and images:
            kept = Warps(warps.limits, warps.draws[torch.from_numpy(sound)])
            moved = kept.apply(torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), self._outside)
            pixels = moved.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
        labels = {name: column[rows] for name, column in self._concepts.labels.items()}
        values = {name: column[rows] for name, column in self._concepts.values.items()}
        return Rendered(sound, pixels, labels, values, unread)


def strata_of(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels [n] to stratify by: rare classes are one stratum, as a split can't keep the share of a few."""
    classes, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rare = counts < RARE
    if rare.any() and counts[rare].sum() < RARE:  # too few together: they go with the largest
        rare[np.argmax(counts)] = True
    return np.where(rare, len(classes), np.arange(len(classes)))[inverse].astype(np.int64)


def originals_of(files: Sequence[Hashable]) -> NDArray[np.int64]:
    """The original of each row [n], by the number of the first row of the same file.

    Example:
        >>> originals_of(["a.png", "b.png", "a.png"]).tolist()
        [0, 1, 0]
    """
    first: dict[Hashable, int] = {}
    return np.array([first.setdefault(file, row) for row, file in enumerate(files)], np.int64)
