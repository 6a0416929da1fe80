import numpy as np
import pytest
from scipy.stats import chisquare

from pipeline.params import WarpParams
from pipeline.prepare.sources.colormnist import ColorMnist
from pipeline.prepare.warp import Warps

SOURCE = ColorMnist(8, seed=0)
SOME = np.arange(0, 5000, 37)


def test_5000_digits_500_of_each_class() -> None:
    assert np.array_equal(np.bincount(SOURCE.digits), np.full(10, 500))
    assert np.array_equal(SOURCE.strata, SOURCE.digits)
    assert (SOURCE.categories, SOURCE.values) == ({"digit": 10, "colour": 8}, {"colour": 3})


def test_ground_and_strokes_have_the_authors_colours() -> None:
    """Strokes (1 + c)/2, ground (1 − c)/2 of full brightness, to rounding."""
    of = SOURCE.render(SOME, 0, None)
    pixels, values = of.pixels, of.values
    assert (pixels.shape, pixels.dtype) == ((len(SOME), 32, 32, 3), np.uint8)
    colour = values["colour"].astype(np.float64)
    ground, stroke = 255 * (1 - colour) / 2, 255 * (1 + colour) / 2
    border = np.concatenate((pixels[:, :2].reshape(len(SOME), -1, 3), pixels[:, :, :2].reshape(len(SOME), -1, 3)), 1)
    assert np.abs(border - ground[:, None]).max() <= 0.5 + 1e-4
    brightest = np.abs(pixels.max(axis=(1, 2)) - stroke).max(axis=-1)
    assert (brightest <= 0.5 + 1e-4).mean() > 0.8
    assert brightest.max() <= 1.5 + 1e-4  # a few digits reach 254 of 255 at most


def test_between_them_a_pixel_mixes_both_in_one_share() -> None:
    of = SOURCE.render(SOME, 0, None)
    pixels, values = of.pixels, of.values
    colour = values["colour"][:, None, None, :].astype(np.float64)
    ink = ((pixels / 127.5 - 1) / colour + 1) / 2
    tolerance = (0.5 + 1e-3) / 127.5 / 2 / colour
    assert (np.abs(ink - ink.mean(axis=-1, keepdims=True)) <= 2 * tolerance.max(axis=-1, keepdims=True)).all()
    assert 0.1 < ink.mean() < 0.3


def test_labels_and_values_belong_together() -> None:
    of = SOURCE.render(SOME, 0, None)
    labels, values = of.labels, of.values
    assert np.array_equal(labels["digit"], SOURCE.digits[SOME])
    palette = {int(name): tuple(value) for name, value in zip(labels["colour"], values["colour"], strict=True)}
    assert len(set(palette.values())) == len(palette) == 8
    assert all(palette[int(name)] == tuple(v) for name, v in zip(labels["colour"], values["colour"], strict=True))
    assert values["colour"].min() >= 0
    assert values["colour"].max() < 1


def test_colours_are_uniform_and_independent_of_the_digit_and_of_other_copies() -> None:
    every = np.arange(5000)
    first, second = (SOURCE.render(every, copy, None).labels for copy in (0, 1))
    assert chisquare(np.bincount(first["colour"])).pvalue > 0.01
    joint = np.histogram2d(first["digit"], first["colour"], bins=(10, 8))[0]
    assert chisquare(joint.ravel()).pvalue > 0.01
    assert np.mean(first["colour"] == second["colour"]) == pytest.approx(1 / 8, abs=0.02)


def test_a_colour_belongs_to_original_and_copy_whatever_else_is_rendered() -> None:
    alone = SOURCE.render(SOME[3:5], 1, None).labels
    among = SOURCE.render(SOME, 1, None).labels
    assert np.array_equal(alone["colour"], among["colour"][3:5])


def test_the_same_seed_renders_the_same_and_another_differs() -> None:
    warps = Warps.draw(WarpParams(), len(SOME), seed=5)
    first, again, other = (ColorMnist(8, seed).render(SOME, 1, warps) for seed in (0, 0, 1))
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.labels["colour"], other.labels["colour"])
    assert not np.array_equal(np.unique(first.values["colour"], axis=0), np.unique(other.values["colour"], axis=0))
    unwarped = SOURCE.render(SOME, 1, None)
    assert np.array_equal(first.labels["colour"], unwarped.labels["colour"])
    assert not np.array_equal(first.pixels, unwarped.pixels)


def test_a_warp_belongs_to_its_image_whatever_else_is_rendered() -> None:
    warps = Warps.draw(WarpParams(), len(SOME), seed=5)
    among, alone = SOURCE.render(SOME, 1, warps), SOURCE.render(SOME[3:5], 1, warps[3:5])
    assert np.array_equal(among.pixels[3:5], alone.pixels)
