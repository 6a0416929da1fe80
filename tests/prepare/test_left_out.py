"""Combinations that no training image shows: their rows are in test alone, and what can't be left out is said."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.params import DataParams
from pipeline.prepare.images import prepare
from pipeline.tables.images import load_images
from pipeline.tables.parquet import read_schema

CELLS = ({"digit": 3, "colour": "red"}, {"digit": "7", "colour": "white"})


@pytest.fixture(scope="module")
def params() -> DataParams:
    return DataParams(max_images=300, copies=4, palette="named", leave_out=CELLS)


def test_rows_of_a_cell_are_in_test_alone_and_every_other_row_stays(params: DataParams, tmp_path: Path) -> None:
    prepare(params, 0, tmp_path / "without")
    prepare(params.model_copy(update={"leave_out": ()}), 0, tmp_path / "all")
    colours = load_images(tmp_path / "all", "train").class_names["colour"]
    dropped = 0
    for split in ("train", "val", "test"):
        every, left = (load_images(tmp_path / name, split) for name in ("all", "without"))
        shown = np.zeros(len(every), bool)
        for digit, colour in ((3, "red"), (7, "white")):
            shown |= (every.labels["digit"] == digit) & (every.labels["colour"] == colours.index(colour))
        if split == "test":
            shown[:] = False
        assert np.array_equal(left.id, every.id[~shown])
        assert np.array_equal(left.pixels, every.pixels[~shown])
        dropped += int(shown.sum())
    assert dropped > 10
    metadata = read_schema(tmp_path / "without/test.parquet")[1]
    assert metadata["leave_out"] == [{"digit": 3, "colour": 0}, {"digit": 7, "colour": 9}]
    assert "leave_out" not in read_schema(tmp_path / "all/test.parquet")[1]


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (
            {"leave_out": ({"digit": 3, "shape": 1},)},
            "data.leave_out.0: found concept 'shape', accepted are those of data.concepts that no sketch gives: digit",
        ),
        ({"leave_out": ({"digit": 11, "colour": 0},)}, "data.leave_out.0.digit: found 11, accepted are 0 to 9"),
        (
            {"leave_out": ({"digit": 1, "colour": "pink"},)},
            "data.leave_out.0.colour: found 'pink', accepted are red, o",
        ),
        ({"palette": "random"}, "data.leave_out.0: concept 'colour' is continuous; accepted are concepts of classes"),
        (
            {"leave_out": tuple({"digit": 3, "colour": colour} for colour in range(10))},
            "data.leave_out: leaves no training image whose digit is 3",
        ),
    ],
)
def test_what_cannot_be_left_out_is_said(
    params: DataParams, update: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        prepare(params.model_copy(update=update), 0, tmp_path / "images")
    assert not (tmp_path / "images").exists()


def test_one_value_alone_is_no_combination() -> None:
    with pytest.raises(ValueError, match=r"names one concept or none; accepted are combinations of two or more"):
        DataParams(leave_out=({"digit": 3},))


def test_a_combination_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'digit': 3} is there twice; accepted are combinations that differ"):
        DataParams(leave_out=({"digit": 3, "colour": "red"}, {"colour": "red", "digit": 3}))
