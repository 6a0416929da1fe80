from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.tables.parquet import (
    KEY,
    ROW_GROUP,
    category_columns,
    concept_column,
    group_rows,
    images_schema,
    latents_schema,
    read_group,
    read_schema,
    read_table,
    table_writer,
    value_column,
    value_columns,
    write_table,
)

NUM_ROWS, NUM_DIMS = 6000, 3  # more than one row group
METADATA = {"concepts": ["digit", "colour"], "backbone_sha256": "ab" * 32}


def _latents(num_rows: int = NUM_ROWS) -> pa.Table:
    rng = np.random.default_rng(0)
    mean, scale = rng.standard_normal((2, num_rows, NUM_DIMS), dtype=np.float32)
    columns = {
        "id": np.arange(num_rows),
        "original": np.arange(num_rows) // 2,
        "split": ["train"] * num_rows,
        "mean": pa.FixedSizeListArray.from_arrays(pa.array(mean.ravel()), NUM_DIMS),
        "scale": pa.FixedSizeListArray.from_arrays(pa.array(scale.ravel()), NUM_DIMS),
        "digit": rng.integers(10, size=num_rows),
    }
    return pa.table(columns, schema=latents_schema(NUM_DIMS, ["digit"], {}))


def _images() -> pa.Table:
    columns = {
        "id": [0, 1, 2],
        "original": [0, 1, 2],
        "split": ["test"] * 3,
        "image": [{"bytes": b"\x89PNG", "path": None}, {"bytes": b"", "path": "a.png"}, {"bytes": b"x", "path": None}],
        "colour": [2, 0, 1],
        "colour_value": [[0.0, 0.5, 1.0], [0.1, 0.2, 0.3], [0.9, 0.8, 0.7]],
    }
    return pa.table(columns, schema=images_schema(["colour"], {"colour": 3}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "train.parquet"
    write_table(path, _latents(), METADATA)
    return path


def _rewrite(path: Path, table: pa.Table, **metadata: Any) -> None:
    """Write `table` in the file's place, as another program would that keeps the metadata."""
    pq.write_table(table.replace_schema_metadata(metadata or _record(path)), path, row_group_size=ROW_GROUP)


def _record(path: Path) -> dict[bytes, bytes]:
    return {KEY: pq.read_metadata(path).metadata[KEY]}


@pytest.mark.parametrize("table", [_latents(), _images()], ids=["latents", "images"])
def test_round_trip(tmp_path: Path, table: pa.Table) -> None:
    write_table(tmp_path / "table.parquet", table, METADATA)
    found, metadata = read_table(tmp_path / "table.parquet")
    assert found.schema.equals(table.schema)
    assert found.equals(table)
    assert metadata["concepts"] == ["digit", "colour"]
    assert metadata["rows"] == table.num_rows
    schema, same = read_schema(tmp_path / "table.parquet")
    assert schema.equals(table.schema)
    assert same == metadata


def test_an_empty_table_round_trips(tmp_path: Path) -> None:
    write_table(tmp_path / "table.parquet", _latents(0), {})
    assert read_table(tmp_path / "table.parquet")[0].num_rows == 0


def test_rows_are_sorted_by_id_and_give_the_same_bytes_in_any_order(path: Path, tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(NUM_ROWS)
    shuffled = pa.concat_tables([_latents().take(part) for part in np.array_split(order, 7)])
    other = tmp_path / "other.parquet"
    write_table(other, shuffled, dict(reversed(METADATA.items())))
    assert read_table(other)[0]["id"].to_pylist() == list(range(NUM_ROWS))
    assert other.read_bytes() == path.read_bytes()


def test_row_groups_can_be_streamed(path: Path) -> None:
    with pq.ParquetFile(path) as file:
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [2048, 2048, 1904]
    assert group_rows(path) == [2048, 2048, 1904]
    assert read_group(path, 1).equals(_latents().slice(2048, 2048))


def test_a_table_is_written_group_by_group(path: Path, tmp_path: Path) -> None:
    with table_writer(tmp_path / "groups.parquet", _latents().schema, METADATA) as writer:
        for start in range(0, NUM_ROWS, 2048):
            writer.write(_latents().slice(start, 2048))
    assert (tmp_path / "groups.parquet").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("rows", [[1, 0], [3, 4, 3]])
def test_rows_out_of_order_are_a_defect_and_nothing_is_half_written(tmp_path: Path, rows: list[int]) -> None:
    def write() -> None:
        with table_writer(tmp_path / "groups.parquet", _latents().schema, METADATA) as writer:
            writer.write(_latents().slice(2, 1))
            writer.write(_latents().take(rows))

    with pytest.raises(ValueError, match=r"ascending ids are expected"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_only_the_group_that_was_changed_is_refused(path: Path) -> None:
    _rewrite(path, _one_number_changed(_latents()))
    assert read_group(path, 2).equals(_latents().slice(4096))
    with pytest.raises(InputError, match=r"found checksum \w{12}, expected \w{12}: rows of group 0 were changed"):
        read_group(path, 0)


def test_chosen_columns(path: Path) -> None:
    table, _ = read_table(path, ["id", "digit"])
    assert table.column_names == ["id", "digit"]
    with pytest.raises(InputError, match=r"train\.parquet: no column 'colour'; its columns are id, original, split, "):
        read_table(path, ["id", "colour"])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"val\.parquet: not there; run `dvc repro`"):
        read_table(tmp_path / "val.parquet")


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_truncated_file(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"train\.parquet: truncated or no Parquet file") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


def test_a_damaged_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"train\.parquet: (truncated or damaged|found checksum)") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


def test_foreign_parquet(path: Path) -> None:
    pq.write_table(pa.table({"x": [1], "y": [2]}), path)
    with pytest.raises(InputError, match=r"train\.parquet: .* found columns x, y, expected format 2"):
        read_table(path)


def test_another_format_version(path: Path) -> None:
    _rewrite(path, _latents(), **{"invertible-interpretation": '{"format": "0"}'})
    with pytest.raises(InputError, match=r"train\.parquet: .* found format 0, expected format 2"):
        read_table(path)


def test_a_wrong_number_of_rows(path: Path) -> None:
    _rewrite(path, _latents().slice(0, 5000))
    with pytest.raises(InputError, match=r"train\.parquet: found 5000 rows in 3 groups, expected 6000 in 3"):
        read_table(path)


def _one_number_changed(table: pa.Table) -> pa.Table:
    digit = table["digit"].to_numpy().copy()
    digit[17] += 1
    return table.set_column(table.column_names.index("digit"), "digit", pa.array(digit))


def _one_null(table: pa.Table) -> pa.Table:
    digit = table["digit"].to_pylist()
    digit[17] = None
    return table.set_column(table.column_names.index("digit"), "digit", pa.array(digit, pa.int64()))


CHANGES = {
    "a number": _one_number_changed,
    "a null": _one_null,
    "another order": lambda table: table.take([1, 0, *range(2, NUM_ROWS)]),
    "swapped columns": lambda table: table.rename_columns(["id", "original", "split", "scale", "mean", "digit"]),
    "a column less": lambda table: table.drop_columns(["scale"]),
    "another type": lambda table: table.set_column(5, "digit", table["digit"].cast(pa.int32())),
    "a type of the same bits": lambda table: table.set_column(5, "digit", table["digit"].cast(pa.uint64())),
}


@pytest.mark.parametrize("change", CHANGES)
def test_rows_that_were_changed_are_refused(path: Path, change: str) -> None:
    _rewrite(path, CHANGES[change](_latents()))
    with pytest.raises(InputError, match=r"train\.parquet: found .*, expected ") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("changed", [(b"\x89P", b"NG"), (b"\x89PNF", b"")], ids=["cut elsewhere", "another byte"])
def test_a_changed_image_is_refused(tmp_path: Path, changed: tuple[bytes, bytes]) -> None:
    path = tmp_path / "images.parquet"
    write_table(path, _images(), {})
    images = _images().column("image").to_pylist()
    images[0]["bytes"], images[1]["bytes"] = changed
    _rewrite(path, _images().set_column(3, "image", pa.array(images, _images().schema.field("image").type)))
    with pytest.raises(InputError, match="found checksum"):
        read_table(path)


def test_a_rewritten_file_of_the_same_rows_is_accepted(path: Path) -> None:
    """The compression does not matter, only what a reader gets."""
    table = _latents().replace_schema_metadata(_record(path))
    pq.write_table(table, path, row_group_size=ROW_GROUP, compression="none")
    assert read_table(path)[0].equals(_latents())


NAMES = [
    "scale",
    "scale_",
    "mean",
    "id",
    "original",
    "split",
    "image",
    "age",
    "age_",
    "age_value",
    "age_value_",
    "_value",
]


def test_each_concept_has_columns_of_its_own_whatever_its_name() -> None:
    """Continuous or not, in images or latents."""
    values = dict.fromkeys(NAMES, 1)
    for schema in (images_schema(NAMES, values), latents_schema(NUM_DIMS, NAMES, values)):
        assert len(set(schema.names)) == len(schema.names)
        assert [schema.field(concept_column(name)).type for name in NAMES] == [pa.int64()] * len(NAMES)
        assert {str(schema.field(value_column(name)).type) for name in NAMES} == {"fixed_size_list<item: float>[1]"}
    assert images_schema(["digit", "colour"], {"colour": 3}).names == [
        "id", "original", "split", "image", "digit", "colour", "colour_value",
    ]  # fmt: skip


def test_columns_are_read_by_their_concept(tmp_path: Path) -> None:
    schema = latents_schema(1, NAMES, {"age": 1, "scale": 1})
    rows = {name: pa.array([[0.0], [0.0]], schema.field(name).type) for name in ("mean", "scale")}
    rows |= {"id": [0, 1], "original": [0, 1], "split": ["val", "val"]}
    for number, name in enumerate(NAMES):
        rows[concept_column(name)] = pa.array([number, 100 + number])
    rows |= {value_column(name): [[number], [-number]] for number, name in enumerate(("age", "scale"), start=1)}
    table = pa.table(rows, schema=schema)
    labels = category_columns(table, NAMES, tmp_path)
    assert {name: column.tolist() for name, column in labels.items()} == {
        name: [number, 100 + number] for number, name in enumerate(NAMES)
    }
    found = value_columns(table, NAMES)
    assert {name: column.tolist() for name, column in found.items()} == {"age": [[1], [-1]], "scale": [[2], [-2]]}
