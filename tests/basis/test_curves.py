"""What a training leaves behind, and how it is read while it grows and when it is finished."""

from pathlib import Path

import pytest

from pipeline.basis import curves
from pipeline.errors import InputError
from pipeline.storage.folder import Folder

ENTRIES = [
    {"step": 20, "train/loss": 0.5},
    {"step": 20, "val/loss": 0.75},
    {"step": 40, "train/loss": 0.25},
    {"step": 40, "val/loss": 0.5},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for entry in ENTRIES:
        curves.append(Folder(tmp_path), entry)
    return tmp_path


def test_what_is_appended_is_read(folder: Path) -> None:
    assert curves.entries(folder / curves.METRICS) == ENTRIES
    assert curves.finished_entries(folder / curves.METRICS) == ENTRIES
    assert curves.last_step(folder / curves.METRICS) == 40


def test_a_file_that_grows_is_read_up_to_its_last_whole_line(folder: Path) -> None:
    with (folder / curves.METRICS).open("a") as file:
        file.write('{"step": 60, "train/lo')
    assert curves.entries(folder / curves.METRICS) == ENTRIES
    assert curves.last_step(folder / curves.METRICS) == 40
    with pytest.raises(InputError, match="no curves of a training"):
        curves.finished_entries(folder / curves.METRICS)


def test_before_the_first_entry_there_is_no_step(tmp_path: Path) -> None:
    assert curves.entries(tmp_path / curves.METRICS) == []
    assert curves.last_step(tmp_path / curves.METRICS) == -1


def test_the_points_and_the_last_value_of_a_figure(folder: Path) -> None:
    assert curves.points(ENTRIES, "val/loss") == [(20, 0.75), (40, 0.5)]
    assert curves.points(ENTRIES, "other") == []
    assert curves.last_value((folder / curves.METRICS).read_text(), "train/loss") == 0.25


@pytest.mark.parametrize("content", ["not json\n", '{"train/loss": 1.0}\n', "[1]\n"])
def test_a_finished_file_without_curves_is_refused_in_one_line(content: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(content)
    with pytest.raises(InputError, match=r"metrics\.jsonl: no curves of a training") as error:
        curves.finished_entries(tmp_path / "metrics.jsonl")
    assert "\n" not in str(error.value)


def test_a_finished_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.jsonl: not there; run `dvc repro`"):
        curves.finished_entries(tmp_path / "metrics.jsonl")
