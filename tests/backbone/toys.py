"""Images small in number, and what they show plain to see."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline.tables.images import Images
from pipeline.tables.parquet import concept_column, images_schema, value_column, write_table

__all__ = ["toy_images", "write_images"]


def toy_images(num_rows: int, seed: int, side: int = 32) -> Images:
    """One half of each image bright (`digit`: which of two), in one of two levels of red (`colour`)."""
    rng = np.random.default_rng(seed)
    digit, colour = rng.integers(2, size=(2, num_rows))
    value = np.stack((0.2 + 0.6 * colour, np.zeros(num_rows)), axis=1).astype(np.float32)
    value[:, 1] = rng.random(num_rows)
    pixels = rng.integers(40, size=(num_rows, side, side, 3))
    for row in range(num_rows):
        half = slice(0, side // 2) if digit[row] else slice(side // 2, side)
        pixels[row, half] += 100
    pixels[..., 0] += (100 * value[:, 0]).astype(np.int64)[:, None, None]
    pixels[..., 2] += (100 * value[:, 1]).astype(np.int64)[:, None, None]
    return Images(
        id=np.arange(num_rows),
        original=np.arange(num_rows),
        pixels=pixels.astype(np.uint8),
        labels={"digit": digit, "colour": colour},
        values={"colour": value},
        num_categories={"digit": 2, "colour": 2},
    )


def write_images(folder: Path, **splits: Images) -> Path:
    """An images table of these rows, as `load_images` reads it."""
    for split, images in splits.items():
        widths = {concept: values.shape[1] for concept, values in images.values.items()}
        schema = images_schema(list(images.labels), widths)
        stored = [{"bytes": _png(image), "path": None} for image in images.pixels]
        labels = {concept: pa.array(values, mask=values < 0) for concept, values in images.labels.items()}
        columns = {
            "id": images.id,
            "original": images.original,
            "split": [split] * len(images),
            "image": pa.array(stored, schema.field("image").type),
            **{concept_column(concept): column.cast(pa.int64()) for concept, column in labels.items()},
            **{value_column(concept): list(values) for concept, values in images.values.items()},
        }
        metadata = {
            "concepts": list(images.labels),
            "categories": images.num_categories,
            "values": widths,
            "graded": images.graded,
            "sketches": images.sketches,
        }
        write_table(folder / f"{split}.parquet", pa.table(columns, schema=schema), metadata)
    return folder


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
