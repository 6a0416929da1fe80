"""Image files in a folder: one subfolder a class, or a table of concepts with a row a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import InputError, one_line
from pipeline.inputs.paths import IMAGE_SUFFIXES
from pipeline.prepare.sources.stored_images import Decoder, StoredImages, concepts_of

__all__ = ["image_folder"]

PATH = "path"  # column of the table


def image_folder(
    folder: str, table: str | None, concepts: Sequence[str], graded: Mapping[str, float], decode: Decoder
) -> StoredImages:
    """Images of a folder, with the concepts that are asked for.

    Args:
        folder: of the images. Without a table each subfolder is a class of concept `class`.
        table: a CSV or Parquet file with a column `path`, relative to the folder, and one column a concept.
        concepts: columns to read.
        graded: continuous concepts that are paired by distance.
        decode: from a file's content to pixels.

    Raises:
        InputError: there are no images, the table lacks something, or a path of it leads out of the folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"data.path: {root} is no folder; one of images is expected")
    paths, columns = _tree(root) if table is None else _listed(root, Path(table))
    labelled = concepts_of(columns, concepts, graded, {}, table or folder)

    def read(originals: NDArray[np.int64]) -> list[NDArray[np.uint8] | str]:
        return [decode(paths[row].read_bytes(), str(paths[row])) for row in originals]

    return StoredImages(read, labelled, next((name for name in concepts if name not in labelled.values), None))


def _tree(root: Path) -> tuple[list[Path], pa.Table]:
    paths = sorted(path for path in root.glob("*/**/*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not paths:
        raise InputError(f"data.path: no images below {root}; one folder a class, or data.table, is expected")
    return paths, pa.table({"class": [path.relative_to(root).parts[0] for path in paths]})


def _listed(root: Path, path: Path) -> tuple[list[Path], pa.Table]:
    if not path.is_file():
        raise InputError(f"data.table: {path} is not there; a CSV or Parquet file is expected")
    try:
        table = pq.read_table(path) if path.suffix == ".parquet" else _csv(path)
    except pa.ArrowException as error:
        raise InputError(f"{path}: no table ({one_line(error, 150)})") from None
    if PATH not in table.column_names:
        raise InputError(f"{path}: no column '{PATH}'; its columns are {', '.join(table.column_names)}")
    paths = [_inside(root, str(entry), path, number) for number, entry in enumerate(table[PATH].to_pylist())]
    if not paths:
        raise InputError(f"{path}: no rows")
    return paths, table.drop_columns(PATH)


def _csv(path: Path) -> pa.Table:
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True, null_values=["", "NA", "NaN", "nan", "null"])
    return pyarrow.csv.read_csv(path, convert_options=options)


def _inside(root: Path, entry: str, table: Path, row: int) -> Path:
    path = root / entry
    if not path.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{table}: row {row}: path {entry} leads out of data.path {root}")
    if not path.is_file():
        raise InputError(f"{table}: row {row}: no file {entry} in {root}")
    return path
