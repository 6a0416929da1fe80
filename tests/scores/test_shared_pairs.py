import numpy as np
import pytest

from pipeline.scores.fit.pair import shared_pairs


def test_pairs_share_their_concept_and_never_an_original() -> None:
    rng = np.random.default_rng(0)
    index = np.repeat(np.arange(50), 3)
    concepts = {"digit": np.repeat(rng.integers(4, size=50), 3), "colour": rng.integers(5, size=(150, 2)) / 4}
    pairs = shared_pairs(concepts, index, 500, 0)
    assert len(pairs.a) == len(pairs.b) == len(pairs.concept) == 1000
    assert (index[pairs.a] != index[pairs.b]).all()
    for name, concept in concepts.items():
        mine = pairs.concept == name
        assert mine.sum() == 500
        assert (concept[pairs.a[mine]] == concept[pairs.b[mine]]).all()


def test_partners_are_uniform() -> None:
    index = np.array([0, 0, 1, 2, 3])
    pairs = shared_pairs({"digit": np.array([1, 1, 1, 1, 0])}, index, 20_000, 0)
    assert pairs.alone == {"digit": 1}
    table = np.zeros((5, 5))
    np.add.at(table, (pairs.a, pairs.b), 1 / 20_000)
    expected = np.zeros((5, 5))
    expected[0, [2, 3]] = expected[1, [2, 3]] = 1 / 8  # not each other, though they share the digit
    expected[2, [0, 1, 3]] = expected[3, [0, 1, 2]] = 1 / 12
    assert table == pytest.approx(expected, abs=0.01)


def test_values_that_never_repeat_have_no_pairs() -> None:
    values = np.random.default_rng(0).normal(size=(30, 2))
    pairs = shared_pairs({"colour": values, "digit": np.arange(30) % 2}, np.arange(30), 10, 0)
    assert pairs.alone == {"colour": 30, "digit": 0}
    assert set(pairs.concept) == {"digit"}
    assert len(shared_pairs({"colour": values}, np.arange(30), 10, 0).a) == 0


def test_equal_seeds_draw_equal_pairs() -> None:
    digit = {"digit": np.arange(40) % 4}
    first, again, other = (shared_pairs(digit, np.arange(40), 50, seed) for seed in (1, 1, 2))
    assert (first.a == again.a).all()
    assert (first.b == again.b).all()
    assert (first.a != other.a).any()
