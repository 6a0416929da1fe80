"""Image files in a folder: one subfolder a class, in folders of splits or not, or a table of concepts, a row a file."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import InputError, one_line
from pipeline.inputs.paths import IMAGE_SUFFIXES, is_hidden
from pipeline.prepare.sources.concepts import concepts_of, is_text, require_columns, require_once
from pipeline.prepare.sources.decoder import Decoder, evenly
from pipeline.prepare.sources.stored_images import Membership, StoredImages, originals_of
from pipeline.tables.parquet import SPLITS

__all__ = ["CLASS", "image_files", "image_folder"]

PATH = "path"  # column of the table
CLASS = "class"  # what a subfolder is named after, where there is no table
SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def image_folder(
    folder: str,
    table: str | None,
    concepts: Sequence[str],
    graded: Mapping[str, float],
    decode: Decoder,
    only: Iterable[str] = (),
) -> StoredImages:
    """Images of a folder, with the concepts that are asked for.

    Args:
        folder: of the images. Without a table each subfolder is a class of concept `class`; where all of them are
            named after splits (`train`, `val`, `valid`, `validation`, `test`), their subfolders are, and their images
            keep that split.
        table: a CSV or Parquet file with a column `path`, relative to the folder, and one column a concept. Rows of one
            path are one original.
        concepts: columns to read.
        graded: continuous concepts that are paired by distance.
        decode: from a file's content to pixels.
        only: columns to read beside, which say what images are kept.

    Raises:
        InputError: there are no images, the table lacks something, or a path of it leads out of the folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"data.path: {root} is no folder; one of images is expected")
    paths, columns, membership = _tree(root) if table is None else _listed(root, Path(table))
    require_columns(list(only), columns.column_names, "data.only: no column", table or folder)
    labelled = concepts_of(columns, list(dict.fromkeys((*concepts, *only))), graded, {}, table or folder)
    decode.look((paths[number].read_bytes(), str(paths[number])) for number in evenly(len(paths)))

    def read(originals: NDArray[np.int64]) -> list[NDArray[np.uint8] | str]:
        return [decode(paths[row].read_bytes(), str(paths[row])) for row in originals]

    return StoredImages(read, labelled, labelled.stratum, membership=membership, decoder=decode)


def image_files(folder: Path, pattern: str = "**/*") -> list[Path]:
    """Image files below a folder, sorted; hidden files and folders, such as `.ipynb_checkpoints`, are passed over."""
    return sorted(
        path
        for path in folder.glob(pattern)
        if path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path.relative_to(folder)) and path.is_file()
    )


def _tree(root: Path) -> tuple[list[Path], pa.Table, Membership]:
    """Files, their classes, and the splits that they are in where the folders say so."""
    paths = image_files(root, "*/**/*")
    if not paths:
        raise InputError(f"data.path: no images below {root}; one folder a class, or data.table, is expected")
    parts = [path.relative_to(root).parts for path in paths]
    folders = [part[0].lower() for part in parts]
    if not set(folders) <= set(SPLIT_FOLDERS):
        return paths, pa.table({CLASS: [part[0] for part in parts]}), Membership()
    for path, part in zip(paths, parts, strict=True):
        if len(part) < 3:
            raise InputError(
                f"data.path: {path} is in no folder of a class; the folders of {root} are splits "
                f"({', '.join(sorted(set(folders)))}), in which one folder a class, or data.table, is expected"
            )
    splits = np.array([SPLITS.index(SPLIT_FOLDERS[folder]) for folder in folders])
    return paths, pa.table({CLASS: [part[1] for part in parts]}), Membership(splits=splits)


def _listed(root: Path, path: Path) -> tuple[list[Path], pa.Table, Membership]:
    """Files that a table lists, its other columns, and which rows are of one file."""
    if not path.is_file():
        raise InputError(f"data.table: {path} is not there; a CSV or Parquet file is expected")
    try:
        table = pq.ParquetFile(path).read() if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
    except pa.ArrowException as error:
        raise InputError(f"{path}: no table ({one_line(error, 150)})") from None
    if PATH not in table.column_names:
        raise InputError(f"{path}: no column '{PATH}'; its columns are {', '.join(table.column_names)}")
    require_once(table.column_names, PATH, str(path))
    if not is_text(table[PATH].type):
        raise InputError(f"{path}: column '{PATH}' is of type {table[PATH].type}, expected is text")
    paths = [_inside(root, entry, path, number) for number, entry in enumerate(table[PATH].to_pylist())]
    if not paths:
        raise InputError(f"{path}: no rows")
    originals = originals_of([file.resolve() for file in paths])
    return paths, table.drop_columns(PATH), Membership(originals)


def _csv(path: Path) -> pa.Table:
    content = path.read_bytes()
    try:
        heading = content.decode("utf-8-sig").partition("\n")[0]
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}: line {line} is no UTF-8; save the table as UTF-8") from None
    for sign, called in ((";", "semicolons"), ("\t", "tabs")):
        if "," not in heading and sign in heading:
            raise InputError(
                f"{path}: its columns are apart by {called}, expected are commas, and points in numbers: save it so"
            )
    options = pyarrow.csv.ConvertOptions(
        strings_can_be_null=True,
        null_values=["", "NA", "NaN", "nan", "null"],
        column_types={PATH: pa.string()},
    )
    return pyarrow.csv.read_csv(pa.BufferReader(content), convert_options=options)


def _inside(root: Path, entry: str | None, table: Path, row: int) -> Path:
    if not entry:
        raise InputError(f"{table}: row {row}: no path")
    path = root / entry
    if not path.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{table}: row {row}: path {entry} leads out of data.path {root}, in which it is looked for")
    if is_hidden(os.path.relpath(path, root)):
        raise InputError(f"{table}: row {row}: path {entry} is hidden: a name in it begins with a dot")
    if not path.is_file():
        beside = f"; it is in {table.parent}, beside the table" if (table.parent / entry).is_file() else ""
        raise InputError(f"{table}: row {row}: no file {entry} in data.path {root}, in which it is looked for{beside}")
    return path
