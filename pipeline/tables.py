"""The tables on disk: Arrow schemas, atomic writing, checked reading.

Both tables are Parquet. `images` holds one row an image, with the image as Hugging Face `datasets` lays it out and one
column a concept; `latents` holds one row an image, with the mean and scale of its latent and the same concepts. A file
whose schema, row count or checksum differs from what was written is refused with its name.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.files import atomic_file

__all__ = [
    "FORMAT",
    "SPLITS",
    "images_schema",
    "latents_schema",
    "read_schema",
    "read_table",
    "write_table",
]

FORMAT = "1"
SPLITS = ("train", "val", "test")
ROW_GROUP = 4096  # rows: a few MB of 32x32 images or latents, small enough to stream
KEY = b"invertible-interpretation"

_BASE = [pa.field("id", pa.int64()), pa.field("original", pa.int64()), pa.field("split", pa.string())]


def images_schema(categories: Sequence[str], values: Mapping[str, int]) -> pa.Schema:
    """Schema of an images table.

    Args:
        categories: concept names; each is an integer column.
        values: for concepts that are continuous, the number of components of `<concept>_value`.
    """
    image = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    return pa.schema([*_BASE, image, *_concept_fields(categories, values)])


def latents_schema(num_dims: int, categories: Sequence[str], values: Mapping[str, int]) -> pa.Schema:
    """Schema of a latents table with `mean` and `scale` of `num_dims` (N) float32 each."""
    vector = pa.list_(pa.float32(), num_dims)
    return pa.schema(
        [*_BASE, pa.field("mean", vector), pa.field("scale", vector), *_concept_fields(categories, values)]
    )


def write_table(path: Path, table: pa.Table, metadata: Mapping[str, Any]) -> None:
    """Write `table`, rows sorted by id, with `metadata`, the row count and a checksum of the rows in the schema.

    The same rows and metadata give the same bytes.
    """
    table = table.sort_by("id").combine_chunks()
    record = {"format": FORMAT, "rows": table.num_rows, "checksum": _checksum(table), **metadata}
    table = table.replace_schema_metadata({KEY: json.dumps(record, sort_keys=True)})
    with atomic_file(path) as beside:
        pq.write_table(table, beside, row_group_size=ROW_GROUP, compression="zstd")


def read_schema(path: Path) -> tuple[pa.Schema, dict[str, Any]]:
    """Schema and metadata of a file that `write_table` wrote.

    Raises:
        InputError: if the file is missing, truncated, no Parquet, or not written by this pipeline.
    """
    try:
        schema = pq.read_schema(path)
    except FileNotFoundError:
        raise InputError(f"{path}: not there; run `dvc repro`") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: truncated or no Parquet file ({_first_line(error)})") from None
    record = json.loads((schema.metadata or {}).get(KEY, b"{}"))
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
    try:
        table = pq.read_table(path, columns=list(columns) if columns else None)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: truncated or damaged ({_first_line(error)})") from None
    if table.num_rows != record["rows"]:
        raise InputError(f"{path}: found {table.num_rows} rows, expected {record['rows']}")
    if columns is None and (found := _checksum(table)) != record["checksum"]:
        raise InputError(f"{path}: found checksum {found}, expected {record['checksum']}: the rows were changed")
    return table, record


def _concept_fields(categories: Sequence[str], values: Mapping[str, int]) -> list[pa.Field]:
    fields = [pa.field(name, pa.int64()) for name in categories]
    return fields + [pa.field(f"{name}_value", pa.list_(pa.float32(), size)) for name, size in values.items()]


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
        for value in array.cast(pa.large_binary()).to_pylist():
            digest.update(value or b"")
    else:
        digest.update(array.to_numpy(zero_copy_only=False).tobytes())


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
