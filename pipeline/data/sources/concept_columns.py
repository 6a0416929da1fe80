"""Arrow columns of a user's own table as concepts: categories, names, and values of what is continuous."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.data.sources.stored import Concepts
from pipeline.errors import InputError

__all__ = ["concepts_of"]


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
    of = Concepts({}, {}, {}, {})
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
            _add_continuous(of, name, column, name in graded, where)
        elif pa.types.is_integer(kind) and name in names:
            _add_named(of, name, column, names[name], where)
        elif pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind):
            _add_classes(of, name, column)
        elif pa.types.is_null(kind):
            raise InputError(f"{where}: concept '{name}' is missing in every row")
        else:
            raise InputError(
                f"{where}: concept '{name}' is of type {kind}; accepted are integers, booleans, strings and numbers"
            )
    return of


def _add_continuous(of: Concepts, name: str, column: pa.Array, graded: bool, where: str) -> None:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float32)
    known = np.isfinite(values)
    different, inverse = np.unique(values[known], return_inverse=True)
    if len(different) == known.sum() and not graded:
        raise InputError(
            f"{where}: concept '{name}': no two of its {known.sum()} values are equal, so that there are no pairs; "
            f"data.graded: {{{name}: length}} pairs rows by the distance of their values"
        )
    of.labels[name] = _filled(known, inverse)
    of.categories[name] = len(different)
    of.values[name] = np.where(known, values, np.nan)[:, None].astype(np.float32)


def _add_named(of: Concepts, name: str, column: pa.Array, names: Sequence[str], where: str) -> None:
    labels = column.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    if len(labels) and labels.max() >= len(names):
        raise InputError(f"{where}: concept '{name}': found {labels.max()}, but {len(names)} classes have names")
    of.labels[name] = np.maximum(labels, -1)  # Hugging Face writes −1 where a class is not known
    of.categories[name], of.class_names[name] = len(names), tuple(names)


def _add_classes(of: Concepts, name: str, column: pa.Array) -> None:
    known = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_string(column.type):
        known &= pc.fill_null(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0).to_numpy(zero_copy_only=False) > 0
    different, inverse = np.unique(np.array(column.filter(pa.array(known)).to_pylist()), return_inverse=True)
    of.labels[name] = _filled(known, inverse)
    of.categories[name] = len(different)
    of.class_names[name] = tuple(str(entry) for entry in different)


def _filled(known: NDArray[np.bool_], inverse: NDArray[np.intp]) -> NDArray[np.int64]:
    labels = np.full(len(known), -1, np.int64)
    labels[known] = inverse
    return labels
