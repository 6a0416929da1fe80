"""The two sketches differ in the shape of their strokes, and in nothing else that a style model would take over."""

import numpy as np
import pytest
from imports import ROOT
from PIL import Image

from pipeline.stylise.draw import INK, circle, draw, inked, line

DRAWN = {"a.png": line, "b.png": circle}


def picture(name: str) -> Image.Image:
    return Image.open(ROOT / "concepts/roundness" / name)


@pytest.mark.parametrize("name", DRAWN)
def test_the_sketches_are_those_of_the_script(name: str) -> None:
    assert np.abs(np.asarray(draw(DRAWN[name]), int) - np.asarray(picture(name), int)).max() <= 2


def test_both_have_as_much_ink_in_the_same_hues() -> None:
    a, b = picture("a.png"), picture("b.png")
    assert all(INK <= inked(sketch) < INK + 0.04 for sketch in (a, b))
    means = [np.asarray(sketch, float).mean(axis=(0, 1)) for sketch in (a, b)]
    assert np.abs(means[0] - means[1]).max() < 5  # levels of 255, in each colour
    shares = [np.histogram(np.asarray(sketch.convert("HSV"))[..., 0], 12, (0, 256))[0] for sketch in (a, b)]
    hues = [counts[1:] / counts[1:].sum() for counts in shares]  # the first holds white
    assert np.abs(hues[0] - hues[1]).max() < 0.05


def test_another_seed_draws_another_sketch() -> None:
    assert np.abs(np.asarray(draw(circle, 1), int) - np.asarray(picture("b.png"), int)).mean() > 20
