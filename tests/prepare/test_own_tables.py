"""Tables as pandas, Polars, spreadsheets and people write them."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.tables.images import load_images

from .own_images import KINDS, NUM, PIXELS, content, files, params, prepared, refusal, write


@pytest.mark.parametrize("form", ["paths", "structs"])
def test_rows_of_a_parquet_set_that_name_one_file_are_one_original(tmp_path: Path, form: str) -> None:
    names = files(num=60) * 2
    write(tmp_path / "set", names)
    structs = pa.array(
        [{"bytes": None, "path": name} for name in names], pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    )
    table = pa.table({"image": names if form == "paths" else structs, "kind": [row % 3 for row in range(NUM)]})
    pq.write_table(table, tmp_path / "set/a.parquet", row_group_size=50)
    of = params(tmp_path / "set", source="parquet", concepts=("kind",))
    images = prepared(of, tmp_path / "images")
    for part in images.values():
        assert len(part) == 2 * len(set(part.original.tolist()))


def test_paths_beside_bytes_name_nothing(tmp_path: Path) -> None:
    """A set that holds its images often names them all `image.png`."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = pa.array([{"bytes": content(image), "path": "image.png"} for image in PIXELS], kind)
    pq.write_table(pa.table({"image": cells, "kind": [row % 3 for row in range(NUM)]}), tmp_path / "a.parquet")
    images = prepared(params(tmp_path / "a.parquet", source="parquet", concepts=("kind",)), tmp_path / "images")
    assert sum(len(set(part.original.tolist())) for part in images.values()) == NUM


@pytest.mark.parametrize("named", [True, False])
def test_without_a_concept_classes_that_have_names_are_columns_that_are_none(tmp_path: Path, named: bool) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = pa.array([{"bytes": content(image), "path": None} for image in PIXELS], kind)
    table = pa.table({"image": cells, "kind": [row % 3 for row in range(NUM)], "number": list(range(NUM))})
    features = {"kind": {"names": list(KINDS), "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()} if named else None
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "a.parquet")
    images = prepared(params(tmp_path / "a.parquet", source="parquet", concepts=()), tmp_path / "images")
    assert sum(map(len, images.values())) == NUM
    assert [of.labels for of in images.values()] == [{}, {}, {}]
    found = load_images(tmp_path / "images", "train", named=True)
    assert {name: column.tolist() for name, column in found.labels.items()} == (
        {"kind": (found.original % 3).tolist()} if named else {}
    )


STRINGS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.large_string())]


@pytest.mark.parametrize("kind", STRINGS, ids=str)
def test_a_table_of_any_program_names_files_and_classes(tmp_path: Path, kind: pa.DataType) -> None:
    root, names = write(tmp_path / "photos", files()), files()
    plain = pa.table({"path": names, "kind": [name.split("/")[0] for name in names]})
    table = pa.table({name: _as(plain[name], kind) for name in plain.column_names})
    pq.write_table(table, tmp_path / "table.parquet")
    of = params(root, table=str(tmp_path / "table.parquet"), concepts=("kind",))
    images = prepared(of, tmp_path / "images")
    assert images["train"].class_names == {"kind": list(KINDS)}
    for part in images.values():
        assert np.array_equal(part.pixels, PIXELS[part.original])
        assert np.array_equal(part.labels["kind"], part.original % 3)


def _as(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    array = column.combine_chunks()
    return array.cast(pa.large_string()).dictionary_encode() if pa.types.is_dictionary(kind) else array.cast(kind)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
@pytest.mark.parametrize("nested", [False, True])
def test_images_of_any_type_of_bytes(tmp_path: Path, kind: pa.DataType, nested: bool) -> None:
    cells = pa.array([content(image) for image in PIXELS], kind)
    column = pa.StructArray.from_arrays([cells, pa.nulls(NUM, pa.string())], ["bytes", "path"]) if nested else cells
    pq.write_table(pa.table({"img": column, "kind": [row % 3 for row in range(NUM)]}), tmp_path / "a.parquet")
    images = prepared(params(tmp_path / "a.parquet", source="parquet", concepts=("kind",)), tmp_path / "images")
    assert all(np.array_equal(part.pixels, PIXELS[part.original]) for part in images.values())


@pytest.mark.parametrize("kind", STRINGS, ids=str)
def test_paths_of_any_type_of_strings(tmp_path: Path, kind: pa.DataType) -> None:
    write(tmp_path / "set", files())
    paths = _as(pa.chunked_array([files()]), kind)
    pq.write_table(pa.table({"file": paths, "kind": [row % 3 for row in range(NUM)]}), tmp_path / "set/a.parquet")
    of = params(tmp_path / "set", source="parquet", image_column="file", concepts=("kind",))
    images = prepared(of, tmp_path / "images")
    assert all(np.array_equal(part.pixels, PIXELS[part.original]) for part in images.values())


def test_files_of_a_set_may_have_columns_of_several_types(tmp_path: Path) -> None:
    kinds = [name.split("/")[0] for name in files()]
    for number, (part, kind) in enumerate(((slice(0, 50), pa.string()), (slice(50, NUM), pa.large_string()))):
        columns = {"image": [content(image) for image in PIXELS[part]], "kind": pa.array(kinds[part], kind)}
        pq.write_table(pa.table(columns), tmp_path / f"{number}.parquet")
    of = params(tmp_path, source="parquet", concepts=("kind",))
    images = prepared(of, tmp_path / "images")
    assert all(np.array_equal(part.labels["kind"], part.original % 3) for part in images.values())
    other = {"image": [content(image) for image in PIXELS[50:]], "kind": [row % 3 for row in range(NUM - 50)]}
    pq.write_table(pa.table(other), tmp_path / "1.parquet")
    assert "and others: a column is not of one type (" in refusal(of, tmp_path / "images2")


def _latin(table: Path) -> str:
    table.write_bytes("path,kind\ncat/000.png,Bär\n".encode("latin-1"))
    return f"{table}: line 2 is no UTF-8; save the table as UTF-8"


def _apart(table: Path, sign: str, words: str) -> str:
    table.write_text(f"path{sign}kind\ncat/000.png{sign}1\n")
    return f"{table}: its columns are apart by {words}, expected are commas, and points in numbers: save it so"


def _twice(table: Path) -> str:
    table.write_text("path,kind,kind\ncat/000.png,1,2\ncat/000.png,1,2\n")
    return f"{table}: column 'kind' is there 2 times, expected is one of that name"


def _two_paths(table: Path) -> str:
    table.write_text("path,kind,path\ncat/000.png,1,2\n")
    return f"{table}: column 'path' is there 2 times, expected is one of that name"


def _no_path(table: Path) -> str:
    table.write_text("path,kind\ncat/000.png,1\n,2\n")
    return f"{table}: row 1: no path"


def _nowhere(table: Path) -> str:
    table.write_text("path,kind\ncat/000.png,1\ncat/999.png,2\n")
    return f"{table}: row 1: no file cat/999.png in data.path {table.parent}/photos, in which it is looked for"


def _beside(table: Path) -> str:
    write(table.parent, ["cat/999.png"])
    return f"{_nowhere(table)}; it is in {table.parent}, beside the table"


def _hidden(table: Path) -> str:
    write(table.parent / "photos", [".trash/000.png"])
    table.write_text("path,kind\ncat/../cat/000.png,1\n.trash/000.png,2\n")
    return f"{table}: row 1: path .trash/000.png is hidden: a name in it begins with a dot"


_semicolons = partial(_apart, sign=";", words="semicolons")
_tabs = partial(_apart, sign="\t", words="tabs")


@pytest.mark.parametrize(
    "wrong", [_latin, _semicolons, _tabs, _twice, _two_paths, _no_path, _nowhere, _beside, _hidden]
)
def test_a_csv_that_cannot_be_read_is_one_line(tmp_path: Path, wrong: Callable[[Path], str]) -> None:
    root, table = write(tmp_path / "photos", files()), tmp_path / "table.csv"
    expected = wrong(table)
    assert refusal(params(root, table=str(table), concepts=("kind",)), tmp_path / "images") == expected


def test_parquet_with_a_column_twice_is_one_line(tmp_path: Path) -> None:
    root, table = write(tmp_path / "photos", files()), tmp_path / "table.parquet"
    columns = [pa.array(files()), pa.array([row % 3 for row in range(NUM)]), pa.array([0] * NUM)]
    once = "is there 2 times, expected is one of that name"
    pq.write_table(pa.table(columns, names=["path", "kind", "kind"]), table)
    of = params(root, table=str(table), concepts=("kind",))
    assert refusal(of, tmp_path / "images") == f"{table}: column 'kind' {once}"
    pq.write_table(pa.table(columns, names=["path", "kind", "other"]), table)
    assert len(prepared(of, tmp_path / "images")["val"]) == 12
    images = pa.array([content(image) for image in PIXELS])
    for names, found in ((["image", "kind", "kind"], "kind"), (["image", "kind", "image"], "image")):
        pq.write_table(pa.table([images, columns[1], images], names=names), tmp_path / "set.parquet")
        of = params(tmp_path / "set.parquet", source="parquet", concepts=("kind",))
        assert refusal(of, tmp_path / "images") == f"{tmp_path}/set.parquet: column '{found}' {once}"


def test_a_csv_with_a_mark_of_its_order_of_bytes_and_gaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As spreadsheets write UTF-8, and pandas integers with gaps."""
    root, table = write(tmp_path / "photos", files()), tmp_path / "table.csv"
    rows = [f"{name},{'' if row % 10 == 0 else float(row % 3)},{row % 7 + 0.5}" for row, name in enumerate(files())]
    table.write_text("\n".join(["path,kind,height", *rows]), encoding="utf-8-sig")
    images = prepared(params(root, table=str(table), concepts=("kind", "height")), tmp_path / "images")
    assert (list(images["train"].values), images["train"].class_names) == (["height"], {"kind": ["0", "1", "2"]})
    out = capsys.readouterr().out
    assert "data/images: kind: 3 classes: 0 (36), 1 (36), 2 (36)\n" in out
    assert "data/images: height: continuous, 0.5 to 6.5, 7 different values\n" in out
    assert "take no part in its pairs: 12 in 'kind'\n" in out
