"""What preparation asks of a source: how many originals there are, what they show, and a copy of some of them.

Most sources are images that lie somewhere as they are, with concepts in columns of a table: categories, names, and
values of what is continuous.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import InputError
from pipeline.prepare.warp import Warps

__all__ = ["Concepts", "Decoder", "Rendered", "Source", "StoredImages", "concepts_of", "strata_of"]

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


@dataclass(frozen=True)
class Concepts:
    """Columns of what the originals show.

    Attributes:
        labels: concept → category of each original [n], −1 where it is missing.
        categories: concept → number of its categories.
        class_names: concept → their names, of those that have names.
        values: continuous concept → value [n, D], NaN where it is missing.
    """

    labels: dict[str, NDArray[np.int64]]
    categories: dict[str, int]
    class_names: dict[str, tuple[str, ...]]
    values: dict[str, NDArray[np.float32]]


class Decoder:
    """Turns files into pixels of one size and mode; an image that is neither is refused with its name.

    Args:
        size: side to which images are cut, centred, and resized; None: as they are, all alike.
        mode: to which they are converted (`RGB` or `L`); None: as they are, all alike.
        crop: side of a centred square that is cut out before; None: the largest.
    """

    def __init__(self, size: int | None, mode: str | None, crop: int | None = None) -> None:
        self._size, self._mode, self._crop = size, mode, crop
        self._first: tuple[str, tuple[int, int], str] | None = None

    def __call__(self, content: bytes, name: str) -> NDArray[np.uint8] | str:
        """Pixels [H, W, 3] of a file's content; its name where it is empty or damaged."""
        try:
            with Image.open(BytesIO(content)) as opened:
                mode, image = opened.mode, opened.convert(self._mode or "RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return name
        if self._size is not None:
            image = _square(image, self._crop).resize((self._size, self._size), Image.Resampling.BILINEAR)
        self._require_alike(name, image.size, self._mode or mode)
        return np.asarray(image.convert("RGB"))

    def _require_alike(self, name: str, size: tuple[int, int], mode: str) -> None:
        if self._first is None:
            self._first = name, size, mode
        first, first_size, first_mode = self._first
        if size != first_size:
            raise InputError(
                f"{name}: {size[0]}x{size[1]} pixels, but {first} has {first_size[0]}x{first_size[1]}; images of one "
                "size are expected, or data.image_size, to which all are cut and resized"
            )
        if mode != first_mode:
            raise InputError(
                f"{name}: mode {mode}, but {first} has {first_mode}; images of one mode are expected, or "
                "data.image_mode, to which all are converted"
            )


class StoredImages:
    """A source whose images are read from where they lie.

    Args:
        read: pixels [H, W, 3] of each original asked for, or the name of one that can't be read.
        concepts: what the originals show.
        stratum: the concept whose shares each split keeps; None: none.
        outside: what a warp finds beyond an image's edge.
    """

    def __init__(
        self,
        read: Callable[[NDArray[np.int64]], Sequence[NDArray[np.uint8] | str]],
        concepts: Concepts,
        stratum: str | None,
        outside: Literal["zeros", "border"] = "border",
    ) -> None:
        self._read, self._concepts, self._outside = read, concepts, outside
        self.categories: Mapping[str, int] = concepts.categories
        self.class_names: Mapping[str, Sequence[str]] = concepts.class_names
        self.values: Mapping[str, int] = {name: value.shape[1] for name, value in concepts.values.items()}
        num = len(next(iter(concepts.labels.values())))
        self.strata = np.zeros(num, np.int64) if stratum is None else strata_of(concepts.labels[stratum])

    def render(self, originals: NDArray[np.int64], copy: int, warps: Warps | None) -> Rendered:  # noqa: ARG002
        """Each original [m] as it is, or warped; all copies show the same."""
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


def _square(image: Image.Image, crop: int | None) -> Image.Image:
    side = min(*image.size) if crop is None else min(crop, *image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def concepts_of(
    table: pa.Table, chosen: Sequence[str], graded: Mapping[str, float], names: Mapping[str, Sequence[str]], where: str
) -> Concepts:
    """The columns `chosen` of a table as concepts; nulls, NaN and empty strings are missing.

    Integers, booleans and strings are classes: integers that `names` has are the places of those names, others are
    numbered as they sort. Numbers with a fraction are continuous: their value is a vector of one component, and rows
    of equal value share it.

    Args:
        table: one row an original.
        chosen: columns.
        graded: those whose rows are paired by the distance of their values.
        names: class names of integer columns.
        where: the file, for an error.

    Raises:
        InputError: there is no such column, it is of another type, or it is continuous and not graded though no two
            rows share a value.
    """
    concepts = Concepts({}, {}, {}, {})
    for name in chosen:
        if name not in table.column_names:
            raise InputError(
                f"data.concepts: no concept '{name}' in {where}; its columns are {', '.join(table.column_names)}"
            )
        column = table[name].combine_chunks()
        kind = column.type
        if pa.types.is_dictionary(kind):
            column, kind = column.cast(kind.value_type), kind.value_type
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or (name in graded and pa.types.is_integer(kind)):
            _add_continuous(concepts, name, column, name in graded, where)
        elif pa.types.is_integer(kind) and name in names:
            _add_named(concepts, name, column, names[name], where)
        elif pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind):
            _add_classes(concepts, name, column)
        elif pa.types.is_null(kind):
            raise InputError(f"{where}: concept '{name}' is missing in every row")
        else:
            raise InputError(
                f"{where}: concept '{name}' is of type {kind}; accepted are integers, booleans, strings and numbers"
            )
    return concepts


def _add_continuous(concepts: Concepts, name: str, column: pa.Array, graded: bool, where: str) -> None:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float32)
    known = np.isfinite(values)
    different, inverse = np.unique(values[known], return_inverse=True)
    if len(different) == known.sum() and not graded:
        raise InputError(
            f"{where}: concept '{name}': no two of its {known.sum()} values are equal, so that there are no pairs; "
            f"data.graded: {{{name}: length}} pairs rows by the distance of their values"
        )
    concepts.labels[name] = _filled(known, inverse)
    concepts.categories[name] = len(different)
    concepts.values[name] = np.where(known, values, np.nan)[:, None].astype(np.float32)


def _add_named(concepts: Concepts, name: str, column: pa.Array, names: Sequence[str], where: str) -> None:
    labels = column.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    if len(labels) and labels.max() >= len(names):
        raise InputError(f"{where}: concept '{name}': found {labels.max()}, but {len(names)} classes have names")
    concepts.labels[name] = np.maximum(labels, -1)  # Hugging Face writes −1 where a class is not known
    concepts.categories[name], concepts.class_names[name] = len(names), tuple(names)


def _add_classes(concepts: Concepts, name: str, column: pa.Array) -> None:
    known = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_string(column.type):
        known &= pc.fill_null(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0).to_numpy(zero_copy_only=False) > 0
    different, inverse = np.unique(np.array(column.filter(pa.array(known)).to_pylist()), return_inverse=True)
    concepts.labels[name] = _filled(known, inverse)
    concepts.categories[name] = len(different)
    concepts.class_names[name] = tuple(str(entry) for entry in different)


def _filled(known: NDArray[np.bool_], inverse: NDArray[np.intp]) -> NDArray[np.int64]:
    labels = np.full(len(known), -1, np.int64)
    labels[known] = inverse
    return labels
