"""Write the images table: one Parquet file a split, one row a stored copy of an image, one column a concept."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from pipeline.config import DataParams
from pipeline.data.sources import ColorMnist
from pipeline.data.splits import split_originals
from pipeline.draws import draw_seed
from pipeline.errors import InputError
from pipeline.files import atomic_folder
from pipeline.progress import Progress
from pipeline.tables import images_schema, write_table

__all__ = ["prepare"]


def prepare(params: DataParams, seed: int, folder: Path) -> dict[str, int]:
    """Render, label and split the images of `params.source` into `folder`/{train,val,test}.parquet.

    Returns:
        Number of rows of each split.

    Raises:
        InputError: if a concept of `params.concepts` is not among the source's, or has only one value.
    """
    source = ColorMnist(params.num_colours, seed)
    for concept in params.concepts:
        if concept not in source.categories:
            known = ", ".join(source.categories)
            raise InputError(
                f"data.concepts: no concept '{concept}' in source {params.source}; its concepts are {known}"
            )
    splits = split_originals(
        source.strata, params.val_share, params.test_share, draw_seed(seed, "split"), params.max_images
    )
    copies = {"train": params.copies, "val": 1, "test": 1}
    progress = Progress("prepare", sum(len(rows) * copies[split] for split, rows in splits.items()), unit="image")
    counts: dict[str, int] = {}
    done = 0
    with atomic_folder(folder) as beside:
        for split, originals in splits.items():
            parts = []
            for copy in range(copies[split]):
                limits = params.warp if split == "train" else None
                pixels, labels, values = source.render(originals, copy, limits)
                ids = originals * params.copies + copy
                parts.append(_rows(ids, originals, split, pixels, labels, values))
                done += len(ids)
                progress.update(done)
            table = pa.concat_tables(parts)
            _require_two_values(table, params.concepts, split)
            metadata = {"source": params.source, "categories": dict(source.categories), "values": dict(source.values)}
            write_table(beside / f"{split}.parquet", table, {**metadata, "concepts": list(params.concepts)})
            counts[split] = table.num_rows
    return counts


def _rows(
    ids: NDArray[np.int64],
    originals: NDArray[np.int64],
    split: str,
    pixels: NDArray[np.uint8],
    labels: dict[str, NDArray[np.int64]],
    values: dict[str, NDArray[np.float32]],
) -> pa.Table:
    schema = images_schema(list(labels), {name: value.shape[1] for name, value in values.items()})
    images = [{"bytes": _png(image), "path": None} for image in pixels]
    columns = {
        "id": ids,
        "original": originals,
        "split": [split] * len(ids),
        "image": pa.array(images, schema.field("image").type),
        **labels,
        **{
            f"{name}_value": pa.FixedSizeListArray.from_arrays(pa.array(value.ravel()), value.shape[1])
            for name, value in values.items()
        },
    }
    return pa.table(columns, schema=schema)


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _require_two_values(table: pa.Table, concepts: tuple[str, ...], split: str) -> None:
    for concept in concepts:
        found = pc.unique(table[concept]).to_pylist()
        if len(found) < 2:
            raise InputError(
                f"concept '{concept}' has one value ({found[0]}) in split {split}; at least two are needed"
            )
