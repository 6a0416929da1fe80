"""Image sets in Parquet, as Hugging Face `datasets` lays them out: bytes or paths, class names in the metadata."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import InputError, one_line
from pipeline.inputs.parquet_files import find_parquet
from pipeline.prepare.sources.concepts import (
    concepts_of,
    is_bytes,
    is_text,
    plain_columns,
    require_columns,
    require_once,
)
from pipeline.prepare.sources.decoder import Decoder, evenly
from pipeline.prepare.sources.stored_images import Membership, StoredImages, originals_of

__all__ = ["parquet"]

FIRST = 8  # images that tell whether a set has more than 8 bits, before images of all of it are looked at


def parquet(
    place: str,
    image_column: str | None,
    concepts: Sequence[str],
    graded: Mapping[str, float],
    decode: Decoder,
    only: Iterable[str] = (),
) -> StoredImages:
    """All rows of one or more files, in the order of their names.

    Args:
        place: a file, folder or glob, local or of any file system that pyarrow or fsspec knows (s3://…).
        image_column: where the images are; None: the one column that can hold them.
        concepts: columns to read; empty: those of classes that have names, which are the set's own labels.
        graded: continuous concepts that are paired by distance.
        decode: from an image's content to pixels.
        only: columns to read beside, which say what images are kept.

    Raises:
        InputError: there are no files, one is damaged, or there is no such column, or two; the columns are listed.
    """
    files = _Files(place)
    schema = files.schema
    column = _image_column(schema, image_column, place)
    columns = [name for name in schema.names if name != column]
    require_columns(concepts, columns, "data.concepts: no concept", place)
    require_columns(list(only), columns, "data.only: no column", place)
    names = _class_names(schema)
    concepts = list(dict.fromkeys((*(concepts or names), *only)))
    labelled = concepts_of(files.columns(concepts), concepts, graded, names, place)
    labelled = replace(labelled, columns=tuple(schema.names))
    if decode.look(files.image(number, column) for number in range(min(FIRST, files.rows))):
        decode.look(files.image(number, column) for number in evenly(files.rows))

    def read(originals: NDArray[np.int64]) -> list[NDArray[np.uint8] | str]:
        return [decode(*files.image(int(row), column)) for row in originals]

    originals = files.originals(column)
    if originals is None and not labelled.labels:
        originals = np.arange(files.rows)
    return StoredImages(read, labelled, labelled.stratum, membership=Membership(originals), decoder=decode)


@dataclass(frozen=True)
class _Group:
    """A row group: its file, its number there, and the first of its rows among all."""

    path: str
    number: int
    first: int


class _Files:
    """Files of a set; one row group of images is in memory at a time."""

    def __init__(self, place: str) -> None:
        found = find_parquet(place)
        self._system, paths = found.system, found.paths
        self._groups: list[_Group] = []
        self.rows = 0
        for path in paths:
            with self._open(path) as file:
                if path == paths[0]:
                    self.schema: pa.Schema = file.schema_arrow
                for number in range(file.num_row_groups):
                    self._groups.append(_Group(path, number, self.rows))
                    self.rows += file.metadata.row_group(number).num_rows
        if not self.rows:
            raise InputError(f"data.path: no rows in {place}")
        self._firsts = np.array([group.first for group in self._groups])
        self._paths = paths
        self._loaded: tuple[int, pa.ChunkedArray] | None = None

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Some columns of all rows, as `plain_columns` has them."""
        parts = []
        for path in self._paths:
            with self._open(path) as file:
                absent = [name for name in names if name not in file.schema_arrow.names]
                if absent:
                    raise InputError(
                        f"{path}: no column '{absent[0]}'; its columns are {', '.join(file.schema_arrow.names)}"
                    )
                parts.append(plain_columns(file.read(columns=list(names)), names, path))
        try:
            return pa.concat_tables(parts, promote_options="permissive")
        except pa.ArrowException as error:
            raise InputError(
                f"{self._paths[0]} and others: a column is not of one type ({one_line(error, 150)})"
            ) from None

    def originals(self, column: str) -> NDArray[np.int64] | None:
        """The original of each row, by the number of its first row; None where the images are bytes in the rows."""
        struct = pa.types.is_struct(self.schema.field(column).type)
        if not (self._holds_paths(column) if struct else is_text(self.schema.field(column).type)):
            return None
        places: list[Path] = []
        for path in self._paths:
            with self._open(path) as file:
                cells = file.read(columns=[f"{column}.path" if struct else column])[column].to_pylist()
            names = [cell and cell["path"] for cell in cells] if struct else cells
            places += [Path(path).parent / (name or "") for name in names]
        return originals_of(places)

    def _holds_paths(self, column: str) -> bool:
        """Whether a column of structs has no bytes in any row, as far as the files say."""
        for path in self._paths:
            with self._open(path) as file:
                groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
            for group in groups:
                parts = {group.column(place).path_in_schema: place for place in range(group.num_columns)}
                counted = group.column(parts[f"{column}.bytes"]).statistics
                if counted is None or counted.null_count != group.num_rows:
                    return False
        return True

    def image(self, row: int, column: str) -> tuple[bytes, str]:
        """Content and name of the image of a row."""
        place = int(np.searchsorted(self._firsts, row, side="right")) - 1
        group = self._groups[place]
        if self._loaded is None or self._loaded[0] != place:
            with self._open(group.path) as file:
                self._loaded = place, file.read_row_group(group.number, columns=[column])[column]
        cell: Any = self._loaded[1][row - group.first].as_py()
        name = f"{group.path}, row {row}"
        if isinstance(cell, Mapping):
            content, path = cell.get("bytes"), cell.get("path")
            if content is None and path:
                return self._file(path, group.path), str(path)
            return content or b"", f"{name} ({path})" if path else name
        if isinstance(cell, str):
            return self._file(cell, group.path), cell
        return cell or b"", name

    def _file(self, path: str, beside: str) -> bytes:
        """A file that a row names, relative to the folder of its table."""
        folder = str(Path(beside).parent)
        where = str(Path(folder, path))
        if not Path(where).resolve().is_relative_to(Path(folder).resolve()):
            raise InputError(f"{beside}: path {path} leads out of {folder}")
        try:
            with self._system.open_input_file(where) as file:
                content: bytes = file.read()
        except OSError:
            raise InputError(
                f"{beside}: no file {path} in {folder}, the folder of the table, in which it is looked for"
            ) from None
        return content

    def _open(self, path: str) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._system.open_input_file(path))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: no Parquet file ({one_line(error, 120)})") from None


def _image_column(schema: pa.Schema, chosen: str | None, place: str) -> str:
    fields = [field for field in schema if chosen in (None, field.name) and _holds_images(field, chosen)]
    named = [field for field in fields if field.name in ("image", "img")]
    if len(fields) == 1 or named:
        name = str((named or fields)[0].name)
        require_once(schema.names, name, place)
        return name
    fault = (
        f"no image column '{chosen}'" if chosen else "no image column" if not fields else "more than one image column"
    )
    raise InputError(f"{place}: {fault}; its columns are {', '.join(f'{f.name} ({f.type})' for f in schema)}")


def _holds_images(field: pa.Field, chosen: str | None) -> bool:
    if pa.types.is_struct(field.type):
        return "bytes" in {part.name for part in field.type}
    return is_bytes(field.type) or (is_text(field.type) and field.name in ("image", "img", chosen))


def _class_names(schema: pa.Schema) -> dict[str, Sequence[str]]:
    """Names of the classes of each integer column, as Hugging Face `datasets` writes them."""
    content = (schema.metadata or {}).get(b"huggingface")
    if content is None:
        return {}
    features = json.loads(content).get("info", {}).get("features", {})
    return {name: entry["names"] for name, entry in features.items() if isinstance(entry, dict) and entry.get("names")}
