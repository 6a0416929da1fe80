"""The images table as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.errors import InputError
from pipeline.tables.parquet import category_columns, read_table, value_columns

__all__ = ["Images", "decode", "load_images", "to_pixels", "to_unit_range"]


@dataclass(frozen=True)
class Images:
    """Rows of one split, sorted by id.

    Attributes:
        id: [n].
        original: [n]; copies of one image share it.
        pixels: [n, H, W, 3] uint8.
        labels: concept → category [n], −1 where it is missing, in the order of the factors.
        values: continuous concept → value [n, D], NaN where it is missing.
        num_categories: concept → number of its categories.
        class_names: concept → names of its categories, of those that have names.
        graded: concept → length, of those whose pairs are graded by the distance of their values.
        sketches: concepts that two sketches give: rows are images as they were and, after each, it in every style.
    """

    id: NDArray[np.int64]
    original: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    labels: dict[str, NDArray[np.int64]]
    values: dict[str, NDArray[np.float32]]
    num_categories: dict[str, int]
    class_names: dict[str, list[str]] = field(default_factory=dict)
    graded: dict[str, float] = field(default_factory=dict)
    sketches: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.id)


def load_images(folder: Path, split: str, *, named: bool = False) -> Images:
    """Read `folder`/`split`.parquet.

    Args:
        folder: of the images table.
        split: train, val or test.
        named: whether classes that the source has of its own are labels where the study has no concept.

    Raises:
        InputError: if the file is no images table, was changed, or holds an image that can't be decoded.
    """
    path = folder / f"{split}.parquet"
    table, metadata = read_table(path)
    if "image" not in table.column_names:
        raise InputError(f"{path}: no column 'image'; its columns are {', '.join(table.column_names)}")
    concepts = metadata["concepts"] or (own_classes(metadata) if named else [])
    return Images(
        id=table["id"].to_numpy(),
        original=table["original"].to_numpy(),
        pixels=decode(table["image"], path),
        labels=category_columns(table, concepts, path),
        values=value_columns(table, concepts),
        num_categories={name: metadata["categories"][name] for name in concepts},
        class_names=metadata.get("class_names", {}),
        graded=metadata.get("graded", {}),
        sketches=tuple(metadata.get("sketches", ())),
    )


def own_classes(metadata: Mapping[str, Any]) -> list[str]:
    """Columns of classes that a source has of its own, whether or not they are concepts of the study."""
    return [name for name, num in metadata["categories"].items() if num > 1 and name not in metadata["values"]]


def decode(column: pa.ChunkedArray | pa.StructArray, path: Path) -> NDArray[np.uint8]:
    """Decode an image column [n] to pixels [n, H, W, 3]; `path` is the file to name in an error."""
    images = [_decode_one(row["bytes"], path, number) for number, row in enumerate(column.to_pylist())]
    return np.stack(images)


def to_unit_range(pixels: NDArray[np.uint8] | Tensor) -> Tensor:
    """Pixels [B, H, W, 3] of 0 … 255 to the networks' input [B, 3, H, W] in [−1, 1], float32."""
    return torch.as_tensor(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_pixels(images: Tensor) -> NDArray[np.uint8]:
    """A network's images [B, 3, H, W] to the nearest pixels [B, H, W, 3] of 0 … 255; what leaves [−1, 1] is cut off."""
    levels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    pixels: NDArray[np.uint8] = levels.permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def _decode_one(content: Any, path: Path, number: int) -> NDArray[np.uint8]:
    try:
        return np.asarray(Image.open(BytesIO(content)).convert("RGB"))
    except (OSError, TypeError) as error:
        raise InputError(f"{path}: row {number}: no image that can be decoded ({error})") from None
