"""Score anybody's codes: `python -m pipeline.scores codes.parquet --layout layout.yaml`.

The table has a column `code` (a list of floats), a column for each concept of the layout (integers, booleans and
strings are categories, floats and lists of floats are values) and optionally `original`, which copies of one thing
share. The layout is a YAML file of `names`, residual first, and `sizes`. Only pyarrow and a YAML reader are needed
beyond `pipeline.scores`.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.basis.layout import Layout
from pipeline.scores.code_scores import code_scores, unconverged_line
from pipeline.scores.record import as_json, as_text
from pipeline.scores.statistics.score import Score

_OWN = ("code", "original")  # columns that are no concepts
_WORTH_A_PROCESS = 1000  # rows, above which fitting takes longer than to start another process
_SUBSET = ("subset_rows", "train_rows", "test_rows")  # details that say how many rows a score was measured on


@dataclass(frozen=True)
class Table:
    """What the file holds: codes [n, N], concepts by name, originals [n] or None, and columns that are of no use."""

    codes: NDArray[np.float64]
    concepts: dict[str, NDArray[Any]]
    originals: NDArray[Any] | None
    ignored: tuple[str, ...]


def read_layout(path: Path) -> Layout:
    """The layout in a YAML file; ValueError names the file and what is wrong with it."""
    form = "a mapping of `names` (residual first, then at least one concept) and `sizes` (integers) is expected"
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; a YAML file of the layout is expected")
    try:
        data = YAML(typ="safe", pure=True).load(path.read_text())
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is no YAML, {error}; {form}") from error
    if not isinstance(data, Mapping) or set(data) != {"names", "sizes"}:
        found = f"keys {', '.join(map(str, data))}" if isinstance(data, Mapping) else type(data).__name__
        raise ValueError(f"{path}: found {found}; {form}")
    for key, kind in (("names", str), ("sizes", int)):
        if not isinstance(data[key], list) or not all(type(item) is kind for item in data[key]):
            raise ValueError(f"{path}: {key}: found {data[key]!r}; {form}")
    try:
        layout = Layout.from_dict(dict(data))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not layout.concepts or set(layout.concepts) & set(_OWN):
        raise ValueError(
            f"{path}: names: found {list(layout.names)}; concepts not named {' or '.join(_OWN)} are expected"
        )
    return layout


def read_table(path: Path, layout: Layout) -> Table:
    """Codes and concepts of a Parquet file; ValueError names the file, the column, the row, and what is accepted."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file; a Parquet table with a column 'code' is expected")
    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: is no Parquet file, {error}; a table with a column 'code' is expected") from error
    if not table.num_rows:
        raise ValueError(f"{path}: found no rows; at least five are expected")
    codes = _vectors(_column(table, "code", path), "code", path)
    if codes.shape[1] != layout.num_dims:
        raise ValueError(
            f"{path}: column 'code': found {codes.shape[1]} numbers a row; the sizes of the layout sum to "
            f"{layout.num_dims}"
        )
    concepts = {name: _concept(_column(table, name, path), name, path) for name in layout.concepts}
    originals = None
    if "original" in table.column_names:
        column = _column(table, "original", path)
        if not _is_category(column.type):
            raise ValueError(f"{path}: column 'original': found {column.type}; integers or strings are expected")
        originals = _categories(column)
    ignored = tuple(name for name in table.column_names if name not in (*_OWN, *layout.concepts))
    return Table(codes, concepts, originals, ignored)


def _column(table: pa.Table, name: str, path: Path) -> pa.Array:
    """One column without a null, decoded from a dictionary."""
    if (count := table.column_names.count(name)) != 1:
        raise ValueError(
            f"{path}: found {count or 'no'} columns named '{name}'; one is expected; the columns are "
            f"{', '.join(table.column_names)}"
        )
    column = table.column(name).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise ValueError(f"{path}: column '{name}': row {row} is null; a value in each row is expected")
    return column


def _is_category(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
    )


def _categories(column: pa.Array) -> NDArray[np.intp]:
    """The number [n] of each row's category among the sorted ones."""
    return np.unique(np.array(column.to_pylist()), return_inverse=True)[1].astype(np.intp)


def _concept(column: pa.Array, name: str, path: Path) -> NDArray[Any]:
    """Categories [n] as integers, or values [n, D] as floats; more than one of them."""
    concept = _categories(column) if _is_category(column.type) else _vectors(column, name, path)
    if (concept == concept[0]).all():
        raise ValueError(
            f"{path}: column '{name}': all {len(concept)} rows have the value {column[0].as_py()!r}; "
            "at least two values are expected"
        )
    return concept


def _vectors(column: pa.Array, name: str, path: Path) -> NDArray[np.float64]:
    """Rows [n, D] of a column of floats, or of equally long lists of floats; all of them finite."""
    kind, num_rows = column.type, len(column)
    numbers, lengths = column, np.ones(num_rows, dtype=np.int64)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        numbers, lengths = column.flatten(), column.value_lengths().to_numpy(zero_copy_only=False)
    elif name == "code":
        raise ValueError(f"{path}: column 'code': found {kind}; lists of floats are expected")
    if not pa.types.is_floating(numbers.type):
        accepted = "" if name == "code" else "integers, booleans or strings (categories), floats or "
        raise ValueError(f"{path}: column '{name}': found {kind}; {accepted}lists of floats are expected")
    if (lengths != lengths[0]).any() or not lengths[0]:
        row = int(np.argmax((lengths != lengths[0]) | (lengths == 0)))
        raise ValueError(
            f"{path}: column '{name}': row {row} has {lengths[row]} numbers, row 0 has {lengths[0]}; lists of one "
            "length above 0 are expected"
        )
    flat = np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)  # a null becomes NaN
    rows = flat.reshape(num_rows, -1)
    if not np.isfinite(rows).all():
        row, place = np.argwhere(~np.isfinite(rows))[0]
        raise ValueError(
            f"{path}: column '{name}': row {row} holds {rows[row, place]} at place {place}; finite numbers are expected"
        )
    return rows


def subset_lines(scores: Mapping[str, Score], num_rows: int) -> Iterable[str]:
    """One line for each part of the table that scores were measured on, where that is not all of it, naming them."""
    parts: dict[int, list[str]] = {}
    for name, score in scores.items():
        used = sum(int(score.details.get(key, 0)) for key in _SUBSET)
        named = parts.setdefault(used, [])
        if 0 < used < num_rows and not any(name.startswith(f"{whole}/") for whole in named):
            named.append(name)
    for used, names in parts.items():
        if names:
            yield f"on {used} of {num_rows} rows, drawn by seed and original, stratified: {', '.join(names)}"


def run(path: Path, layout_path: Path, seed: int, json_only: bool) -> None:
    """Read, score and print; what is ignored or left out goes to stderr."""
    layout = read_layout(layout_path)
    table = read_table(path, layout)
    if table.ignored:
        print(f"{path}: columns that the layout does not name are ignored: {', '.join(table.ignored)}", file=sys.stderr)
    num_rows = len(table.codes)
    processes = min(2, os.cpu_count() or 1) if num_rows > _WORTH_A_PROCESS else 1
    try:
        result = code_scores(table.codes, table.concepts, layout, table.originals, seed, processes)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    for line in (*result.left_out, unconverged_line(result.scores)):
        if line is not None:
            print(line, file=sys.stderr)
    if json_only:
        print(json.dumps(as_json(result.scores), indent=2))
        return
    originals = num_rows if table.originals is None else len(np.unique(table.originals))
    print(f"{path}: {num_rows} rows of {originals} originals, {layout.num_dims} dimensions, seed {seed}\n")
    print(as_text(result.scores))
    for line in subset_lines(result.scores, num_rows):
        print(line)


def main() -> None:
    """Parse the command line; a wrong input is one line on stderr and exit code 1."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.scores", description="Scores of codes and concepts, with intervals and brackets."
    )
    parser.add_argument("codes", type=Path, help="Parquet table: column `code`, a column a concept, maybe `original`")
    parser.add_argument("--layout", type=Path, required=True, help="YAML file of `names`, residual first, and `sizes`")
    parser.add_argument("--seed", type=int, default=0, help="of folds, pairs, subsets and resamples (default: 0)")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    warnings.filterwarnings("ignore", module="sklearn")  # what of them matters is said in a line
    arguments = parser.parse_args()
    if arguments.seed < 0:
        parser.error(f"argument --seed: found {arguments.seed}; a number of at least 0 is expected")
    try:
        run(arguments.codes, arguments.layout, arguments.seed, arguments.json)
    except ValueError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
