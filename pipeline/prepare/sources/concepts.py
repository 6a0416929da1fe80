"""What a column of a table says of the originals: classes, which may have names, or a continuous value.

Integers, booleans, strings and whole numbers are classes, numbers with a fraction are continuous; nulls, NaN and empty
strings are missing. Every Arrow type of these kinds is taken, as each program writes another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import InputError

__all__ = ["Concepts", "concepts_of", "is_bytes", "is_text", "plain_columns", "require_columns", "require_once"]

_LARGEST = 2**53  # up to which floats tell whole numbers apart


@dataclass(frozen=True)
class Concepts:
    """Columns of what the originals show.

    Attributes:
        labels: concept → category of each original [n], −1 where it is missing.
        categories: concept → number of its categories.
        class_names: concept → their names, of those that have names.
        values: continuous concept → value [n, D], NaN where it is missing.
        columns: all that the table has, also those that are no concept here.
    """

    labels: dict[str, NDArray[np.int64]]
    categories: dict[str, int]
    class_names: dict[str, tuple[str, ...]]
    values: dict[str, NDArray[np.float32]]
    columns: tuple[str, ...] = ()

    @property
    def stratum(self) -> str | None:
        """The first concept of classes, whose shares each split keeps; None where all are continuous."""
        return next((name for name in self.labels if name not in self.values), None)


def concepts_of(
    table: pa.Table, chosen: Sequence[str], graded: Mapping[str, float], names: Mapping[str, Sequence[str]], where: str
) -> Concepts:
    """The columns `chosen` of a table as concepts; nulls, NaN and empty strings are missing.

    Integers, booleans, strings and floats that are whole numbers (as pandas makes them of integers with gaps) are
    classes: those that `names` has are the places of those names, others are numbered as they sort. Numbers with a
    fraction, and graded ones, are continuous: their value is a vector of one component, and rows of equal value share
    it.

    Args:
        table: one row an original.
        chosen: columns.
        graded: those whose rows are paired by the distance of their values.
        names: class names of integer columns.
        where: the file, for an error.

    Raises:
        InputError: there is no such column, or two, it is of another type, missing in every row, or not graded though
            no two rows share a value.
    """
    concepts = Concepts({}, {}, {}, {}, tuple(table.column_names))
    for name in chosen:
        require_columns([name], table.column_names, "data.concepts: no concept", where)
        (column,) = plain_columns(table, [name], where).columns
        column = _missing_as_null(column)
        if column.null_count == len(column):
            raise InputError(f"{where}: concept '{name}' is missing in every row")
        number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        if number and (name in graded or not _is_whole(column)):
            _add_continuous(concepts, name, column, name in graded, where)
        elif number and name in names:
            _add_named(concepts, name, column, names[name], where)
        else:
            _add_classes(concepts, name, column, where)
    return concepts


def plain_columns(table: pa.Table, names: Sequence[str], where: str) -> pa.Table:
    """Some columns, each of type null, bool, int64, double or large_string.

    Args:
        table: any table.
        names: columns, each of which is there.
        where: the file, for an error.

    Raises:
        InputError: a column is there twice, or is of none of these kinds.
    """
    plain = {}
    for name in names:
        require_once(table.column_names, name, where)
        try:
            chunks = [_plain(chunk) for chunk in table[name].chunks]
        except TypeError:
            raise InputError(f"{where}: concept '{name}' {_what(table[name].type)}") from None
        kinds = {chunk.type for chunk in chunks}
        plain[name] = pa.chunked_array(
            chunks if len(kinds) == 1 else [chunk.cast(pa.large_string()) for chunk in chunks],
            None if kinds else pa.null(),
        )
    return pa.table(plain)


def require_columns(chosen: Sequence[str], columns: Sequence[str], key: str, where: str) -> None:
    """Refuse a column that is not there.

    Args:
        chosen: columns that params.yaml names.
        columns: those that there are.
        key: of params.yaml, and what it calls a column.
        where: the file, for an error.
    """
    for name in chosen:
        if name not in columns:
            raise InputError(f"{key} '{name}' in {where}; its columns are {', '.join(columns)}")


def require_once(columns: Sequence[str], name: str, where: str) -> None:
    """Refuse a column that is there twice, as nobody could tell which is meant."""
    if (number := list(columns).count(name)) > 1:
        raise InputError(f"{where}: column '{name}' is there {number} times, expected is one of that name")


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds strings, in whatever form."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a column holds bytes, in whatever form."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _plain(column: pa.Array) -> pa.Array:
    """One array of null, bool, int64, double or large_string; TypeError of what is none of these kinds."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary).take(column.indices)
    if is_text(kind):
        return column.cast(pa.large_string())
    if pa.types.is_null(kind) or pa.types.is_boolean(kind):
        return column
    if pa.types.is_uint64(kind) and len(column) and (pc.max(column).as_py() or 0) >= 2**63:
        return column.cast(pa.large_string())  # numbers of people or things, no quantities
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    raise TypeError(kind)


def _what(kind: pa.DataType) -> str:
    if pa.types.is_temporal(kind):
        return f"holds dates or times ({kind}); accepted are integers, booleans, strings and numbers, such as years"
    return f"is of type {kind}; accepted are integers, booleans, strings and numbers"


def _missing_as_null(column: pa.ChunkedArray) -> pa.Array:
    """The column with null for NaN, infinity and strings of spaces."""
    column = column.combine_chunks()
    if pa.types.is_floating(column.type):
        known = pc.is_finite(column)
    elif pa.types.is_large_string(column.type):
        known = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)
    else:
        return column
    return pc.if_else(known, column, pa.scalar(None, column.type))


def _is_whole(column: pa.Array) -> bool:
    if pa.types.is_integer(column.type):
        return True
    values = column.drop_null().to_numpy(zero_copy_only=False)
    return bool(((values == np.floor(values)) & (np.abs(values) < _LARGEST)).all())


def _add_continuous(concepts: Concepts, name: str, column: pa.Array, graded: bool, where: str) -> None:
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float32)
    known = np.isfinite(values)
    different, inverse = np.unique(values[known], return_inverse=True)
    if len(different) == known.sum() and not graded:
        raise _no_pairs(name, len(different), where, number=True)
    concepts.labels[name] = _filled(known, inverse)
    concepts.categories[name] = len(different)
    concepts.values[name] = np.where(known, values, np.nan)[:, None].astype(np.float32)


def _add_named(concepts: Concepts, name: str, column: pa.Array, names: Sequence[str], where: str) -> None:
    labels = column.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    if len(labels) and labels.max() >= len(names):
        raise InputError(f"{where}: concept '{name}': found {labels.max()}, but {len(names)} classes have names")
    concepts.labels[name] = np.maximum(labels, -1)  # Hugging Face writes −1 where a class is not known
    concepts.categories[name], concepts.class_names[name] = len(names), tuple(names)


def _add_classes(concepts: Concepts, name: str, column: pa.Array, where: str) -> None:
    if pa.types.is_floating(column.type):
        column = column.cast(pa.int64())
    known = column.is_valid().to_numpy(zero_copy_only=False)
    different, inverse = np.unique(np.array(column.drop_null().to_pylist()), return_inverse=True)
    if len(different) == known.sum():
        raise _no_pairs(name, len(different), where, number=pa.types.is_integer(column.type))
    concepts.labels[name] = _filled(known, inverse)
    concepts.categories[name] = len(different)
    concepts.class_names[name] = tuple(str(entry) for entry in different)


def _no_pairs(name: str, num: int, where: str, *, number: bool) -> InputError:
    hint = f"data.graded: {{{name}: length}} pairs rows by the distance of their values" if number else "classes repeat"
    return InputError(
        f"{where}: concept '{name}': no two of its {num} values are equal, so that there are no pairs; {hint}"
    )


def _filled(known: NDArray[np.bool_], inverse: NDArray[np.intp]) -> NDArray[np.int64]:
    labels = np.full(len(known), -1, np.int64)
    labels[known] = inverse
    return labels
