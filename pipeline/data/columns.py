"""Concept columns of a table as arrays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import InputError

__all__ = ["category_columns", "value_columns", "vector_column"]


def category_columns(table: pa.Table, concepts: Sequence[str], path: Path) -> dict[str, NDArray[np.int64]]:
    """Category [n] of each concept, −1 where it is missing.

    Raises:
        InputError: a concept has no column, or but one value.
    """
    columns: dict[str, NDArray[np.int64]] = {}
    for concept in concepts:
        if concept not in table.column_names:
            raise InputError(f"{path}: no concept column '{concept}'; its columns are {', '.join(table.column_names)}")
        columns[concept] = pc.fill_null(table[concept], -1).to_numpy()
        values = np.unique(columns[concept][columns[concept] >= 0])
        if len(values) < 2:
            found = f"one value ({values[0]})" if len(values) else "no value"
            raise InputError(f"{path}: concept '{concept}' has {found}; at least two are needed")
    return columns


def value_columns(table: pa.Table, concepts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Value [n, D] of each concept that has a column `<concept>_value`; NaN where it is missing."""
    names = [concept for concept in concepts if f"{concept}_value" in table.column_names]
    return {concept: vector_column(table, f"{concept}_value") for concept in names}


def vector_column(table: pa.Table, name: str) -> NDArray[np.float32]:
    """A fixed-size-list column as an array [n, D]."""
    column = table[name].combine_chunks()
    chunk = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    values: NDArray[np.float32] = chunk.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(chunk), chunk.type.list_size).copy()  # Arrow's memory is read-only, which torch warns of
