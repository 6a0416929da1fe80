"""The images table of a study with sketches: rows, ids and columns, and what a kill leaves of it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from refusals import refusal_of
from shards import contents, killed_on_the_way

from pipeline.cluster import start_ray
from pipeline.machine import Resources
from pipeline.params import DataParams, MachineParams
from pipeline.prepare.images import prepare
from pipeline.stylise.stylisation import stylise
from pipeline.stylise.stylist import Sketched
from pipeline.tables.images import load_images
from pipeline.tables.parquet import read_schema, read_table

MACHINE = MachineParams(device="cpu")
SHARDS = 23  # of 16 images at most: 280 / 16, 20 / 16 and 40 / 16, rounded up
PICTURES = [np.full((8, 8, 3), level, np.uint8) for level in (10, 20)]
SKETCHED = Sketched("plain_styles:shifted", ("digit", "roundness"), {"roundness": PICTURES})
MODEL = "def shifted(pixels, sketch): return pixels // 2 + sketch[0, 0, 0]\n"
DRIVER = """
import sys
from pathlib import Path
import numpy as np
from pipeline.cluster import start_ray
from pipeline.entry import run
from pipeline.params import MachineParams
from pipeline.stylise.stylisation import stylise
from pipeline.stylise.stylist import Sketched

def main():
    machine, places = MachineParams(device="cpu"), list(map(Path, sys.argv[1:]))
    pictures = [np.full((8, 8, 3), level, np.uint8) for level in (10, 20)]
    with start_ray(machine) as worker:
        sketched = Sketched("plain_styles:shifted", ("digit", "roundness"), {"roundness": pictures})
        stylise(sketched, *places, machine, worker)

run(main)
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Images of the source in many row groups, and a style model where every process finds it."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "plain_styles.py").write_text(MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]))
        with pytest.MonkeyPatch.context() as small:
            for module in ("pipeline.tables.parquet", "pipeline.prepare.images"):
                small.setattr(sys.modules[module], "ROW_GROUP", 16)
            params = DataParams(
                max_images=200, copies=2, num_colours=8, concepts=SKETCHED.concepts, sketches={"roundness": "x"}
            )
            prepare(params, 0, folder / "images")
        yield folder / "images"


@pytest.fixture(scope="module")
def worker(prepared: Path) -> Iterator[Resources]:
    assert prepared.is_dir()  # first, as Ray's processes take over where modules are found
    with start_ray(MACHINE) as worker:
        yield worker


@pytest.fixture(scope="module")
def whole(prepared: Path, worker: Resources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that were stylised in one go; not to be written to."""
    folder = tmp_path_factory.mktemp("whole")
    rows = stylise(SKETCHED, prepared, folder / "images", folder / "runs", MACHINE, worker)
    assert rows == {"train": 840, "val": 60, "test": 120}
    assert sorted(path.name for path in folder.iterdir()) == ["images"]
    return folder / "images"


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_each_image_is_followed_by_it_in_both_styles(prepared: Path, whole: Path, split: str) -> None:
    before, _ = read_table(prepared / f"{split}.parquet")
    after, _ = read_table(whole / f"{split}.parquet")
    ids = before["id"].to_numpy()
    assert after["id"].to_numpy().tolist() == [3 * number + style for number in ids for style in range(3)]
    assert after["roundness"].to_pylist() == [0, 1, 2] * len(ids)
    for name in ("original", "split", "digit", "colour"):
        assert after[name].to_pylist() == [value for value in before[name].to_pylist() for _ in range(3)], name
    assert after["image"].to_pylist()[::3] == before["image"].to_pylist()


def test_a_row_shows_its_image_in_its_style(whole: Path) -> None:
    images = load_images(whole, "test")
    plain = images.pixels[0::3]
    assert (images.pixels[1::3] == plain // 2 + 10).all()
    assert (images.pixels[2::3] == plain // 2 + 20).all()
    assert list(images.labels) == ["digit", "roundness"]
    assert images.class_names["roundness"] == ["none", "a", "b"]
    assert images.num_categories["roundness"] == 3


def test_what_was_prepared_knows_nothing_of_sketches(prepared: Path, whole: Path) -> None:
    assert read_schema(prepared / "train.parquet")[1]["concepts"] == ["digit"]
    assert read_schema(whole / "train.parquet")[1]["sketches"] == ["roundness"]


def test_a_name_that_is_a_column_already_is_refused(tmp_path: Path) -> None:
    params = DataParams(max_images=200, concepts=("digit", "colour"), sketches={"colour": "x"})
    assert refusal_of(prepare, params, 0, tmp_path / "images") == (
        "data.sketches: 'colour' is a column of source colormnist already; accepted is another name"
    )


@pytest.mark.faults
def test_a_killed_stylisation_goes_on(prepared: Path, whole: Path, worker: Resources, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert len(killed_on_the_way(DRIVER, (prepared, tmp_path / "images", runs), runs)) >= 2
    assert not (tmp_path / "images").exists()
    stylise(SKETCHED, prepared, tmp_path / "images", runs, MACHINE, worker)
    assert contents(tmp_path / "images") == contents(whole)
    assert not runs.exists()


def test_only_what_is_missing_or_unsound_is_made(
    prepared: Path, whole: Path, worker: Resources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Sketched("plain_styles:gone", SKETCHED.concepts, SKETCHED.pictures)
    with pytest.raises(ValueError, match=r"style\.model: 'plain_styles:gone' can't be imported"):
        stylise(broken, prepared, tmp_path / "images", tmp_path / "runs", MACHINE, worker)
    assert not (tmp_path / "images").exists()
    (tmp_path / "runs/train-00000.parquet").write_bytes(b"PAR1")
    stylise(SKETCHED, prepared, tmp_path / "images", tmp_path / "runs", MACHINE, worker)
    assert "there already" not in capsys.readouterr().out
    assert contents(tmp_path / "images") == contents(whole)
