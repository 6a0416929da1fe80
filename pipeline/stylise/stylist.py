"""What an actor of the stylisation does: read a row group of images, draw each in every style, write its shard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import InputError
from pipeline.machine import Resources
from pipeline.pairing.scenes import STYLES, rows_of_a_scene
from pipeline.stylise.model import open_style_model, styled
from pipeline.tables.images import decode
from pipeline.tables.parquet import concept_column, images_schema, metadata_of, read_group, read_schema, write_table
from pipeline.workers.actors import ShardWork

__all__ = ["Sketched", "Stylist", "Work", "stylised_metadata"]


@dataclass(frozen=True)
class Sketched:
    """The concepts that sketches give.

    Attributes:
        model: what draws in their styles, as `style.model` names it.
        concepts: all of the study, in the order of the factors.
        pictures: sketched concept → its two pictures, pixels [h, w, 3].
    """

    model: str
    concepts: tuple[str, ...]
    pictures: Mapping[str, Sequence[NDArray[np.uint8]]]


class Work(ShardWork):
    """A row group to stylise.

    Attributes:
        split: train, val or test.
        path: of the prepared file, absolute.
        group: number of the row group.
    """

    split: str
    path: str
    group: int


class Stylist:
    """The style model, and one row group after another.

    Args:
        sketched: what it draws.
        worker: what this actor has of the machine.
    """

    def __init__(self, sketched: Sketched, worker: Resources) -> None:
        self._sketched, self._cpus = sketched, worker.cpus
        self._model: Any = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Stylise the row group of the one item of a batch, in column `work`.

        Returns:
            One row: `rows`, and under `error` a line where no shard was written.
        """
        item: Work = batch["work"][0].as_py()
        try:
            self._model = self._model or open_style_model(self._sketched.model, self._cpus)
            self._write_shard(item)
        except InputError as error:  # Ray would wrap it in a traceback
            return pa.table({"rows": [0], "error": [str(error)]})
        return pa.table({"rows": [item["rows"]], "error": pa.array([None], pa.string())})

    def _write_shard(self, item: Work) -> None:
        path, pictures = Path(item["path"]), self._sketched.pictures
        metadata = stylised_metadata(metadata_of(read_schema(path)[1]), self._sketched)
        table, scene = read_group(path, item["group"]), rows_of_a_scene(len(pictures))
        pixels, ids = decode(table["image"], path), table["id"].to_numpy() * scene
        parts = [self._rows(table, ids, dict.fromkeys(pictures, 0), metadata)]
        for number, (concept, two) in enumerate(pictures.items()):
            for style, picture in enumerate(two, start=1):
                place = number * len(two) + style
                images = [{"bytes": _png(image), "path": None} for image in styled(self._model, pixels, picture)]
                drawn = table.set_column(
                    table.column_names.index("image"), "image", pa.array(images, table["image"].type)
                )
                parts.append(self._rows(drawn, ids + place, dict.fromkeys(pictures, 0) | {concept: style}, metadata))
        write_table(Path(item["shard"]), pa.concat_tables(parts), metadata)

    @staticmethod
    def _rows(
        table: pa.Table, ids: NDArray[np.int64], styles: Mapping[str, int], metadata: Mapping[str, Any]
    ) -> pa.Table:
        """Rows with these ids, and a column for each sketched concept."""
        table = table.set_column(table.column_names.index("id"), "id", pa.array(ids))
        for concept, style in styles.items():
            table = table.append_column(concept_column(concept), pa.array(np.full(len(ids), style, np.int64)))
        schema = images_schema(list(metadata["categories"]), metadata["values"])
        return table.select(schema.names).cast(schema)


def stylised_metadata(prepared: Mapping[str, Any], sketched: Sketched) -> dict[str, Any]:
    """Metadata of the images table, from that of what was prepared."""
    names = list(sketched.pictures)
    return {
        **prepared,
        "categories": prepared["categories"] | dict.fromkeys(names, len(STYLES)),
        "class_names": prepared.get("class_names", {}) | {name: list(STYLES) for name in names},
        "concepts": list(sketched.concepts),
        "sketches": names,
    }


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
