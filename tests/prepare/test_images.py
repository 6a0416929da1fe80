import types
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.files import write_atomic
from pipeline.params import DataParams
from pipeline.prepare.images import prepare
from pipeline.prepare.tally import Tally
from pipeline.tables.parquet import SPLITS, images_schema, read_table

TABLES = [f"{split}.parquet" for split in SPLITS]


def test_rows_of_each_split(small_images: Path) -> None:
    schema = images_schema(["digit", "colour"], {"colour": 3})
    counts = {"train": 280, "val": 20, "test": 40}  # two copies of a training image, one of the others
    originals: dict[str, set[int]] = {}
    ids: list[int] = []
    for split in SPLITS:
        table, metadata = read_table(small_images / f"{split}.parquet")
        assert table.schema.remove_metadata().equals(schema)
        assert table.num_rows == counts[split]
        assert set(table["split"].to_pylist()) == {split}
        originals[split] = set(table["original"].to_pylist())
        ids += table["id"].to_pylist()
        assert metadata["concepts"] == ["digit", "colour"]
        assert metadata["categories"] == {"digit": 10, "colour": 8}
        assert metadata["values"] == {"colour": 3}
        per_digit = np.bincount(table["digit"].to_numpy(), minlength=10)
        assert (per_digit == counts[split] / 10).all()
    assert len(set(ids)) == len(ids) == 340
    assert len(set.union(*originals.values())) == sum(map(len, originals.values())) == 200


def test_copies_of_one_image_share_digit_and_split_and_differ_in_warp(small_images: Path) -> None:
    table = read_table(small_images / "train.parquet")[0].to_pandas()
    groups = table.groupby("original")
    assert (groups.size() == 2).all()
    assert (groups["digit"].nunique() == 1).all()
    assert (groups["colour"].nunique() == 2).mean() > 0.7  # of 8 colours, two draws differ in 7/8
    assert table["image"].map(lambda image: image["bytes"]).nunique() == len(table)


def test_running_twice_gives_the_same_bytes(small_images: Path, small_data: DataParams, tmp_path: Path) -> None:
    counts = prepare(small_data, 0, tmp_path / "images")
    assert counts == {"train": 280, "val": 20, "test": 40}
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == sorted(TABLES)
    for name in TABLES:
        assert (tmp_path / "images" / name).read_bytes() == (small_images / name).read_bytes()


def test_another_seed_gives_other_rows(small_images: Path, small_data: DataParams, tmp_path: Path) -> None:
    prepare(small_data, 1, tmp_path / "images")
    first, other = (read_table(folder / "test.parquet")[0] for folder in (small_images, tmp_path / "images"))
    assert first["original"].to_pylist() != other["original"].to_pylist()


def test_one_concept_of_two_is_listed_alone(small_data: DataParams, tmp_path: Path) -> None:
    prepare(small_data.model_copy(update={"concepts": ("colour",)}), 0, tmp_path / "images")
    assert read_table(tmp_path / "images" / "val.parquet")[1]["concepts"] == ["colour"]


# seed 91 gives all ten validation images one of the two colours, after the training split was written
ONE_VALUE = {"max_images": 100, "num_colours": 2, "copies": 1}


@pytest.mark.parametrize(
    ("update", "seed", "message"),
    [
        (
            {"concepts": ("digit", "shape")},
            0,
            "data.concepts: no concept 'shape' in source colormnist; its concepts are digit, colour",
        ),
        (ONE_VALUE, 91, "concept 'colour' has one value (0) in split val; at least two are needed"),
        (
            {"max_images": 100, "val_share": 0.05},
            0,
            "data.max_images: 100 images give split val 5, expected at least 10, one a class",
        ),
    ],
)
def test_a_wrong_input_is_one_line_and_nothing_is_half_written(
    small_data: DataParams, tmp_path: Path, update: dict[str, object], seed: int, message: str
) -> None:
    write_atomic(tmp_path / "images" / "train.parquet", "old")
    with pytest.raises(InputError) as caught:
        prepare(small_data.model_copy(update=update), seed, tmp_path / "images")
    assert str(caught.value) == message
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["images", "train.parquet"]
    assert (tmp_path / "images" / "train.parquet").read_text() == "old"


def _tally(labels: list[int], originals: list[int], graded: tuple[str, ...] = ()) -> Tally:
    source = types.SimpleNamespace(categories={"kind": 9})
    tally = Tally(["kind"], source, graded)
    for copies in np.array_split(np.arange(len(labels)), 2):
        rendered = types.SimpleNamespace(labels={"kind": np.array(labels)[copies]})
        tally.add_copy("val", rendered, np.array(originals)[copies])
    return tally


@pytest.mark.parametrize(
    ("labels", "originals", "graded"),
    [([0, 1, 2, 0], [5, 6, 7, 8], ()), ([0, 1, 2, 3], [5, 5, 5, 6], ("kind",)), ([-1, 4, 4, -1], [5, 6, 7, 8], ())],
)
def test_two_originals_of_one_value_are_a_pair(labels: list[int], originals: list[int], graded: tuple[str]) -> None:
    _tally(labels, originals, graded).require_pairs("val")


@pytest.mark.parametrize(
    ("labels", "originals", "graded", "num"),
    [
        ([0, 1, 2, 3], [5, 6, 7, 8], (), 4),
        ([0, 1, 0, 1], [5, 6, 5, 6], (), 2),  # copies of one original are no pair
        ([-1, -1, 2, 3], [5, 6, 7, 8], (), 2),
        ([0, 1, -1, -1], [5, 5, 6, 7], ("kind",), 1),
    ],
)
def test_a_split_without_pairs_is_refused_by_concept_and_split(
    labels: list[int], originals: list[int], graded: tuple[str], num: int
) -> None:
    with pytest.raises(InputError) as caught:
        _tally(labels, originals, graded).require_pairs("val")
    assert str(caught.value) == (
        f"concept 'kind': {num} originals of split val have a value, no two of them the same, so that there are no "
        "pairs; accepted are two originals of one value in each split: more images, or another data.val_share or "
        "data.test_share"
    )


def test_prepare_refuses_a_split_without_pairs(small_data: DataParams, tmp_path: Path) -> None:
    update = {"max_images": 100, "num_colours": 256, "copies": 1, "concepts": ("colour",)}
    with pytest.raises(InputError, match="concept 'colour': 10 originals of split val have a value, no two"):
        prepare(small_data.model_copy(update=update), 0, tmp_path / "images")
    assert not (tmp_path / "images").exists()
