import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from pipeline.drawing.sheet import Sheet, house_style
from pipeline.interpret.embeddings import embedded, embedding_sheet, pairs_sheet, shown_pairs
from pipeline.interpret.hues import hues_of

from .subjects import assert_legible, parts

CLASSES = np.repeat(np.arange(5), 30)


def blobs() -> NDArray[np.float32]:
    """Five classes in nine dimensions, each of which alone tells hardly two of them apart."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(5, 9))[CLASSES] + 0.3 * rng.normal(size=(150, 9))).astype(np.float32)


def told(places: NDArray[np.float64], classes: NDArray[np.int64]) -> float:
    """How often the five nearest of the other half say the class."""
    neighbours = KNeighborsClassifier(5).fit(places[::2], classes[::2])
    return float(neighbours.score(places[1::2], classes[1::2]))


@pytest.mark.parametrize("num_dims", [1, 2])
def test_rows_of_one_class_lie_together_and_others_do_not(num_dims: int) -> None:
    places = embedded(blobs(), num_dims, seed=0)
    assert places.shape == (150, num_dims)
    assert told(places, CLASSES) > 0.9
    assert told(places, np.random.default_rng(1).permutation(CLASSES)) < 0.45
    noise = np.random.default_rng(2).normal(size=(150, 9)).astype(np.float32)
    assert told(embedded(noise, num_dims, seed=0), CLASSES) < 0.45


def test_what_has_no_more_numbers_is_drawn_as_it_is() -> None:
    part = blobs()[:, :2]
    assert np.array_equal(embedded(part, 2, seed=0), part)
    assert embedded(blobs()[:5], 2, seed=0).shape == (5, 2)


def test_an_embedding_is_the_same_on_one_core_and_on_two() -> None:
    with threadpool_limits(1):
        one = embedded(blobs(), 2, seed=0)
    with threadpool_limits(2):
        assert embedded(blobs(), 2, seed=0).tobytes() == one.tobytes()


def test_a_colour_has_itself() -> None:
    colours = np.random.default_rng(0).random((7, 3), dtype=np.float32)
    assert np.allclose(hues_of(colours).colours, colours)
    assert not hues_of(colours).legend
    named = hues_of(np.array([1, 0, 1]), ["red", "lime"])
    assert np.allclose(named.colours, [to_rgb("lime"), to_rgb("red"), to_rgb("lime")])
    assert [name for name, _ in named.legend] == ["red", "lime"]


def test_a_value_that_is_no_colour_has_a_scale() -> None:
    values = np.linspace(-3, 3, 50)[:, None].astype(np.float32)
    hues = hues_of(values)
    assert not np.allclose(hues.colours[0], hues.colours[-1])
    assert (np.diff(hues.colours @ [0.2126, 0.7152, 0.0722]) >= 0).all(), "it gets lighter as the value grows"
    assert hues.legend[0][0] == "−2.94"
    small = [name for name, _ in hues_of(values / 1000).legend]
    assert small[0] == "−0.0029"
    assert len(set(small)) == len(small), "values of a small range are told apart"
    wide = hues_of(np.concatenate([values, values**2], axis=1))
    assert "varies most" in wide.said
    assert len(hues_of(np.zeros((4, 1), np.float32)).colours) == 4


@pytest.mark.parametrize("num", [2, 10, 20, 40])
def test_each_class_has_a_colour_of_its_own(num: int) -> None:
    hues = hues_of(np.arange(num))
    assert len(np.unique(hues.colours.round(3), axis=0)) == num
    assert len(hues.legend) == (num if num <= 20 else 6)
    assert bool(hues.said) == (num > 20)
    shown = dict(hues.legend)
    assert np.allclose(to_rgb(shown["0"]), hues.colours[0], atol=1 / 255)
    assert np.allclose(to_rgb(shown[str(num - 1)]), hues.colours[-1], atol=1 / 255)


def points(sheet: Sheet) -> list[PathCollection]:
    return [one for axes in sheet.figure.axes for one in axes.collections if isinstance(one, PathCollection)]


def test_a_factor_is_drawn_in_the_colours_of_its_concept_and_so_is_the_residual() -> None:
    of = parts(num_rows=40)
    subject = of.subject()
    with house_style():
        panels = points(embedding_sheet(subject))
    codes = subject.rows.codes[:, subject.layout.slice("hue")].numpy()
    own, residual = panels[2:]
    drawn = np.asarray(own.get_offsets())
    order = [int(np.abs(codes - place).sum(axis=1).argmin()) for place in drawn]
    assert sorted(order) == list(range(40))
    assert np.allclose(drawn, codes[order])
    for panel in (own, residual):
        assert np.allclose(np.asarray(panel.get_facecolors())[:, :3], of.latents.values["hue"][order])


def test_two_factors_against_each_other_are_one_cloud_in_two_colourings() -> None:
    of = parts(num_rows=40)
    with house_style():
        shape, hue = points(pairs_sheet(of.subject()))
    assert np.array_equal(shape.get_offsets(), hue.get_offsets())
    assert not np.allclose(shape.get_facecolors(), hue.get_facecolors())


@pytest.mark.parametrize("num", [1, 2, 5, 40])
def test_any_number_of_concepts_can_be_read(num: int) -> None:
    concepts = tuple(f"a_concept_with_a_long_name_{number}" for number in range(num))
    subject = parts(concepts).subject()
    with house_style():
        assert_legible(embedding_sheet(subject).figure)
        sheet = pairs_sheet(subject)
        assert_legible(sheet.figure)
    assert len(points(sheet)) == {1: 1, 2: 2}.get(num, 6)
    assert len(shown_pairs(concepts)) == {1: 1, 2: 1}.get(num, 3)
