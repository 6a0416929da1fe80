"""The tables on disk: Arrow schemas, atomic writing, checked reading.

Both tables are Parquet. `images` holds one row an image, with the image as Hugging Face `datasets` lays it out and one
column a concept; `latents` holds one row an image, with the mean and scale of its latent and the same concepts. A file
whose schema, row count or checksum differs from what was written is refused with its name. Rows are written and read in
row groups, each with a checksum of its own, so that a table need not fit in memory.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import InputError, one_line
from pipeline.files import atomic_file

__all__ = [
    "FORMAT",
    "ROW_GROUP",
    "SPLITS",
    "TableWriter",
    "category_columns",
    "concept_column",
    "group_rows",
    "images_schema",
    "latents_schema",
    "metadata_of",
    "read_group",
    "read_groups",
    "read_schema",
    "read_table",
    "table_writer",
    "value_column",
    "value_columns",
    "vector_column",
    "write_table",
]

FORMAT = "2"
SPLITS = ("train", "val", "test")
ROW_GROUP = 2048  # rows at most: a few MB of 32x32 images or of latents, small enough to stream
KEY = b"invertible-interpretation"
_BASE = [pa.field("id", pa.int64()), pa.field("original", pa.int64()), pa.field("split", pa.string())]
OWN = ("id", "original", "split", "image", "mean", "scale")  # columns that the tables have of their own
_VALUE = "_value"


def images_schema(categories: Sequence[str], values: Mapping[str, int]) -> pa.Schema:
    """Schema of an images table.

    Args:
        categories: concept names; each is an integer column, `concept_column`.
        values: for concepts that are continuous, the number of components of `value_column`.
    """
    image = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    return pa.schema([*_BASE, image, *_concept_fields(categories, values)])


def concept_column(concept: str) -> str:
    """Name of a concept's column: its own; with a `_` after it where a table has such a column already (`scale_`).

    No two columns get one name: what ends in `_value` gets a `_` as well, which a continuous concept's second column
    has not, and so do names that end as such a one would.

    Example:
        >>> [concept_column(name) for name in ("digit", "scale", "scale_", "age_value")]
        ['digit', 'scale_', 'scale__', 'age_value_']
    """
    plain = concept.rstrip("_")
    return f"{concept}_" if plain in OWN or plain.endswith(_VALUE) else concept


def value_column(concept: str) -> str:
    """Name of the column that holds the values of a continuous concept: `age_value`."""
    return f"{concept_column(concept)}{_VALUE}"


def latents_schema(
    num_dims: int, categories: Sequence[str], values: Mapping[str, int], *, noisy: bool = True
) -> pa.Schema:
    """Schema of a latents table with `mean` of `num_dims` float32, and `scale` likewise where a layer is `noisy`."""
    vector = pa.list_(pa.float32(), num_dims)
    latent = [pa.field(name, vector) for name in ("mean", "scale")[: 2 if noisy else 1]]
    return pa.schema([*_BASE, *latent, *_concept_fields(categories, values)])


class TableWriter:
    """Appends row groups to a table that `table_writer` opened."""

    def __init__(self, file: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._file, self._schema = file, schema
        self._last = None
        self.rows = 0
        self.checksums: list[str] = []

    def write(self, rows: pa.Table) -> None:
        """Append at most `ROW_GROUP` rows as one row group; their ids ascend and come after those written before."""
        ids = rows["id"].to_numpy()
        before = ids[:1] if self._last is None else np.r_[self._last, ids[:-1]]
        if len(ids) > ROW_GROUP or (len(ids) and not (before <= ids).all()):
            raise ValueError(f"row group of {len(ids)} rows: at most {ROW_GROUP} with ascending ids are expected")
        if not len(ids):
            return
        self._last = ids[-1]
        rows = rows.select(self._schema.names).cast(self._schema).combine_chunks()
        self._file.write_table(rows, row_group_size=ROW_GROUP)
        self.rows += rows.num_rows
        self.checksums.append(_checksum(rows))


@contextmanager
def table_writer(path: Path, schema: pa.Schema, metadata: Mapping[str, Any]) -> Iterator[TableWriter]:
    """Write a table group by group; it is at `path` when the block ends well, else nothing is.

    `metadata`, the row count and the checksum of each row group are in the file's own metadata. The same groups and
    metadata give the same bytes.
    """
    schema = schema.remove_metadata()
    with atomic_file(path) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as file:
        writer = TableWriter(file, schema)
        yield writer
        record = {"format": FORMAT, "rows": writer.rows, "checksums": writer.checksums, **metadata}
        file.add_key_value_metadata({KEY: json.dumps(record, sort_keys=True)})


def write_table(path: Path, table: pa.Table, metadata: Mapping[str, Any]) -> None:
    """Write a table that is in memory, its rows sorted by id."""
    table = table.sort_by("id")
    with table_writer(path, table.schema, metadata) as writer:
        for start in range(0, table.num_rows, ROW_GROUP):
            writer.write(table.slice(start, ROW_GROUP))


def read_schema(path: Path) -> tuple[pa.Schema, dict[str, Any]]:
    """Schema and metadata of a file that `write_table` wrote.

    Raises:
        InputError: if the file is missing, truncated, no Parquet, or not written by this pipeline.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow.remove_metadata(), file.metadata.metadata
    except FileNotFoundError:
        raise InputError(f"{path}: not there; run `dvc repro`") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: truncated or no Parquet file ({one_line(error)})") from None
    record = json.loads((metadata or {}).get(KEY, b"{}"))
    if record.get("format") != FORMAT:
        found = f"format {record['format']}" if "format" in record else f"columns {', '.join(schema.names)}"
        raise InputError(f"{path}: not a table of this pipeline: found {found}, expected format {FORMAT}")
    return schema, record


def read_table(path: Path, columns: Sequence[str] | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """Rows (sorted by id) and metadata of a file that `write_table` wrote; the checksum is checked on a full read.

    Raises:
        InputError: as `read_schema`, and if a column is missing, or the row count or the checksum differs.
    """
    schema, record = read_schema(path)
    missing = [name for name in columns or () if name not in schema.names]
    if missing:
        raise InputError(f"{path}: no column '{missing[0]}'; its columns are {', '.join(schema.names)}")
    if columns is None:
        groups = list(read_groups(path))
        return pa.concat_tables(groups) if groups else schema.empty_table(), record
    try:
        table = pq.read_table(path, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: truncated or damaged ({one_line(error)})") from None
    return table, record


def metadata_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Of what `read_table` found beside the rows, what `write_table` was given."""
    return {key: value for key, value in record.items() if key not in ("format", "rows", "checksums")}


def group_rows(path: Path) -> list[int]:
    """Number of rows of each row group.

    Raises:
        InputError: as `read_schema`, and if there are more or fewer than were written.
    """
    _, record = read_schema(path)
    with pq.ParquetFile(path) as file:
        rows = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    if sum(rows) != record["rows"] or len(rows) != len(record["checksums"]):
        raise InputError(
            f"{path}: found {sum(rows)} rows in {len(rows)} groups, "
            f"expected {record['rows']} in {len(record['checksums'])}"
        )
    return rows


def read_group(path: Path, group: int) -> pa.Table:
    """The rows of one row group, without metadata; raises what `read_groups` does."""
    return next(read_groups(path, [group]))


def read_groups(path: Path, groups: Iterable[int] | None = None) -> Iterator[pa.Table]:
    """The rows of one row group after another, without metadata; of these numbers, or of all.

    Raises:
        InputError: as `group_rows`, and if a group is damaged or its checksum differs.
    """
    _, record = read_schema(path)
    with pq.ParquetFile(path) as file:
        for group in range(len(group_rows(path))) if groups is None else groups:
            try:
                table = file.read_row_group(group).replace_schema_metadata(None)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{path}: truncated or damaged ({one_line(error)})") from None
            expected = record["checksums"][group]
            if (found := _checksum(table)) != expected:
                raise InputError(
                    f"{path}: found checksum {found[:12]}, expected {expected[:12]}: rows of group {group} were changed"
                )
            yield table


def _concept_fields(categories: Sequence[str], values: Mapping[str, int]) -> list[pa.Field]:
    fields = [pa.field(concept_column(name), pa.int64()) for name in categories]
    return fields + [pa.field(value_column(name), pa.list_(pa.float32(), size)) for name, size in values.items()]


def _checksum(table: pa.Table) -> str:
    """SHA-256 over names, types and values, column by column, whatever Parquet's encoding or Arrow's chunks."""
    digest = hashlib.sha256()
    for field in table.schema:
        digest.update(field.name.encode())
        _hash_array(table[field.name].combine_chunks(), digest)
    return digest.hexdigest()


def _hash_array(array: pa.Array, digest: "hashlib._Hash") -> None:
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if not pa.types.is_nested(array.type):  # the names of a nested type's parts are Parquet's, not the writer's
        digest.update(str(array.type).encode())
    digest.update(np.packbits(array.is_null().to_numpy(zero_copy_only=False)).tobytes())
    if pa.types.is_struct(array.type):
        for field in array.flatten():
            _hash_array(field, digest)
    elif pa.types.is_fixed_size_list(array.type):
        digest.update(str(array.type.list_size).encode())
        _hash_array(array.flatten(), digest)
    elif pa.types.is_binary(array.type) or pa.types.is_string(array.type):
        digest.update(pc.binary_length(array).fill_null(0).to_numpy(zero_copy_only=False).tobytes())
        filled = array.cast(pa.large_binary()).fill_null(b"")
        _, offsets, values = filled.buffers()
        ends = np.frombuffer(offsets, np.int64)[[filled.offset, filled.offset + len(filled)]]
        digest.update(memoryview(values)[ends[0] : ends[1]] if values is not None else b"")
    else:
        filled = array.fill_null(0) if array.null_count else array  # NumPy would make floats of integers with nulls
        digest.update(filled.to_numpy(zero_copy_only=False).tobytes())


def category_columns(table: pa.Table, concepts: Sequence[str], path: Path) -> dict[str, NDArray[np.int64]]:
    """Category [n] of each concept, −1 where it is missing.

    Raises:
        InputError: a concept has no column, or but one value.
    """
    columns: dict[str, NDArray[np.int64]] = {}
    for concept in concepts:
        column = concept_column(concept)
        if column not in table.column_names:
            raise InputError(f"{path}: no concept column '{column}'; its columns are {', '.join(table.column_names)}")
        columns[concept] = pc.fill_null(table[column], -1).to_numpy()
        values = np.unique(columns[concept][columns[concept] >= 0])
        if len(values) < 2:
            found = f"one value ({values[0]})" if len(values) else "no value"
            raise InputError(f"{path}: concept '{concept}' has {found}; at least two are needed")
    return columns


def value_columns(table: pa.Table, concepts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Value [n, D] of each concept that has a column of values; NaN where it is missing."""
    names = [concept for concept in concepts if value_column(concept) in table.column_names]
    return {concept: vector_column(table, value_column(concept)) for concept in names}


def vector_column(table: pa.Table, name: str) -> NDArray[np.float32]:
    """A fixed-size-list column as an array [n, D]."""
    column = table[name].combine_chunks()
    chunk = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    values: NDArray[np.float32] = chunk.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(chunk), chunk.type.list_size).copy()  # Arrow's memory is read-only, which torch warns of
