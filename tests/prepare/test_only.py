"""Images of some classes alone: what is kept, what its classes are then called, and what can't be kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.params import DataParams
from pipeline.prepare.images import prepare
from pipeline.tables.images import load_images
from pipeline.tables.parquet import SPLITS, read_schema

from .own_images import KINDS, PIXELS, content, files, params, prepared, refusal, write

SIZES = [row % 4 for row in range(len(PIXELS))]


def table(folder: Path, source: str) -> dict[str, Any]:
    """The set with columns kind, size (10, 20, 30 or 40) and weight, in the form of a source."""
    columns = {
        "kind": [KINDS[row % 3] for row in range(len(PIXELS))],
        "size": [10 * size + 10 for size in SIZES],
        "weight": [size + 0.5 for size in SIZES],
    }
    if source == "parquet":
        cells = pa.array([content(image) for image in PIXELS], pa.binary())
        pq.write_table(pa.table({"image": cells, **columns}), folder / "set.parquet")
        return {"path": folder / "set.parquet", "source": source}
    write(folder / "photos", files())
    pq.write_table(pa.table({"path": files(), **columns}), folder / "table.parquet")
    return {"path": folder / "photos", "table": str(folder / "table.parquet")}


@pytest.mark.parametrize("source", ["parquet", "image_folder"])
def test_all_columns_hold_and_need_not_be_concepts(tmp_path: Path, source: str) -> None:
    only = {"kind": ["emu", "cat"], "size": [20, "30", 40]}
    images = prepared(params(**table(tmp_path, source), concepts=("kind",), only=only), tmp_path / "images")
    rows = np.concatenate([part.original for part in images.values()])
    assert sorted(rows) == [row for row in range(len(PIXELS)) if row % 3 != 1 and SIZES[row] != 0]
    for part in images.values():
        assert part.class_names == {"kind": ["cat", "emu"], "size": ["20", "30", "40"]}
        assert np.array_equal(part.labels["kind"], part.original % 3 // 2)
        assert np.array_equal(part.pixels, PIXELS[part.original])
    metadata = read_schema(tmp_path / "images/train.parquet")[1]
    assert metadata["categories"] == {"kind": 2, "size": 3}


@pytest.mark.parametrize("concepts", [(), ("size",)])
def test_a_column_of_one_class_is_gone(tmp_path: Path, concepts: tuple[str, ...]) -> None:
    of = params(**table(tmp_path, "parquet"), concepts=concepts, only={"kind": ["dog"]})
    images = prepared(of, tmp_path / "images")
    assert sum(map(len, images.values())) == len(PIXELS) // 3
    assert all((part.original % 3 == 1).all() for part in images.values())
    assert set(read_schema(tmp_path / "images/train.parquet")[1]["categories"]) == set(concepts)


def test_folders_that_are_splits_stay_so(tmp_path: Path) -> None:
    names = [f"{'test' if row % 5 == 0 else 'train'}/{KINDS[row % 3]}/{row:03d}.png" for row in range(len(PIXELS))]
    of = params(write(tmp_path / "photos", names), only={"class": ["dog", "emu"]})
    images = prepared(of, tmp_path / "images")
    for part in images.values():
        assert part.class_names == {"class": ["dog", "emu"]}
    found = sorted(name for name in names if "/cat/" not in name)  # the source numbers files as they sort
    in_test = {row for row, name in enumerate(sorted(names)) if name in found and name.startswith("test/")}
    assert set(images["test"].original.tolist()) == in_test


def test_an_original_of_which_the_first_row_is_left_out_keeps_its_other_rows(tmp_path: Path) -> None:
    names = files(num=60) * 2
    write(tmp_path / "photos", names)
    kinds = ["old"] * 60 + ["new", "newer"] * 30
    pq.write_table(pa.table({"path": names, "kind": kinds}), tmp_path / "table.parquet")
    of = params(
        tmp_path / "photos", table=str(tmp_path / "table.parquet"), concepts=("kind",), only={"kind": ["new", "newer"]}
    )
    images = prepared(of, tmp_path / "images")
    rows = np.concatenate([part.original for part in images.values()])
    assert sorted(rows) == list(range(60))  # an original bears the number of its first row
    assert sorted(np.concatenate([part.id for part in images.values()])) == list(range(60, 120))


def test_digits_that_are_kept_are_the_same_images_under_their_own_names(tmp_path: Path) -> None:
    every = DataParams(copies=2)
    prepare(every, 0, tmp_path / "all")
    prepare(every.changed(only={"digit": [8, 3]}, max_images=300), 0, tmp_path / "some")
    counts = []
    for split in SPLITS:
        some = load_images(tmp_path / "some", split)
        assert some.class_names["digit"] == ["3", "8"]
        counts.append(np.bincount(some.labels["digit"]))
        if split == "test":
            full = load_images(tmp_path / "all", split)
            whole = {row: place for place, row in enumerate(full.id.tolist())}
            both = [(place, whole[row]) for place, row in enumerate(some.id.tolist()) if row in whole]
            here, there = np.array(both).T
            assert len(here) > 10
            assert np.array_equal(some.pixels[here], full.pixels[there])
            assert np.array_equal(np.array([3, 8])[some.labels["digit"][here]], full.labels["digit"][there])
    assert sum(counts).tolist() == [2 * 105 + 45, 2 * 105 + 45]  # 300 originals, half of each, of which 210 have copies
    assert all(abs(part[0] - part[1]) <= 2 for part in counts)  # each split keeps the shares


@pytest.mark.parametrize(
    ("only", "line"),
    [
        ({"colour": [0, 1]}, "data.only: no column of classes 'colour', accepted are digit"),
        ({"shape": ["round"]}, "data.only: no column of classes 'shape', accepted are digit"),
        ({"digit": [3, 11]}, "data.only.digit: found 11, accepted are 0 to 9"),
        ({"digit": [3, "eight"]}, "data.only.digit: found 'eight', accepted are 0 to 9"),
        ({"digit": [3, "3"]}, "data.only.digit: 3 is named twice; each class may be named once"),
    ],
)
def test_what_cannot_be_kept_is_said(only: dict[str, Any], line: str, tmp_path: Path) -> None:
    assert refusal(DataParams(copies=1, only=only), tmp_path / "images") == line


@pytest.mark.parametrize(
    ("only", "line"),
    [
        ({"breed": ["pug"]}, "data.only: no column 'breed' in {where}; its columns are kind, size, weight"),
        ({"weight": [1]}, "data.only: no column of classes 'weight', accepted are kind, size"),
        ({"kind": ["cow", "cat"]}, "data.only.kind: found 'cow', accepted are cat, dog, emu"),
        ({"size": [20, 15]}, "data.only.size: found 15, accepted are 10, 20, 30, 40"),
    ],
)
@pytest.mark.parametrize("source", ["parquet", "image_folder"])
def test_what_a_table_does_not_hold_is_said(tmp_path: Path, source: str, only: dict[str, Any], line: str) -> None:
    asked = table(tmp_path, source)
    found = refusal(params(**asked, concepts=("kind", "size"), only=only), tmp_path / "images")
    assert found == line.format(where=asked.get("table", asked["path"]))


def test_columns_that_leave_nothing_of_a_class_are_said(tmp_path: Path) -> None:
    names = files()
    write(tmp_path / "photos", names)
    kinds = [row % 3 for row in range(len(names))]
    pq.write_table(pa.table({"path": names, "kind": kinds, "twin": kinds}), tmp_path / "table.parquet")
    of = params(
        tmp_path / "photos",
        table=str(tmp_path / "table.parquet"),
        concepts=("kind",),
        only={"kind": [0, 1], "twin": [1, 2]},
    )
    assert refusal(of, tmp_path / "images") == (
        "data.only: leaves no image whose kind is 0; accepted are classes of which some are left"
    )


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"only": {"digit": []}}, r"data\.only: found \{digit: \[\]\}; accepted are the classes to keep, one or more"),
        ({"only": {"digit": [3]}}, r"found \{digit: \[3\]\}, but 'digit' is a concept, which needs two or more"),
        ({"only": {"digit": 3}}, "valid list"),
        (
            {"source": "generator", "labeller": "a", "max_images": 100, "copies": 1, "only": {"digit": [3, 4]}},
            r"data\.only: found \{'digit': \[3, 4\]\}, but data\.source is 'generator'; it is read by colormnist",
        ),
    ],
)
def test_a_filter_that_no_source_could_have_is_refused_with_the_params(asked: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        DataParams.model_validate(asked)
    assert DataParams(only={"digit": [3, 4]}).only == {"digit": [3, 4]}
