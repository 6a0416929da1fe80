import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.pairing.sampler import PairSampler

RNG = np.random.default_rng(0)
NUM = 600
AGE = RNG.normal(40, 10, NUM)
ORIGINAL = np.arange(NUM) // 2
LENGTH = 5.0


def sampler(values: np.ndarray = AGE, original: np.ndarray = ORIGINAL) -> PairSampler:
    labels = {"age": np.where(np.isfinite(values), 0, -1), "kind": np.arange(len(values)) % 3}
    return PairSampler(labels, original, 0, "test", {"age": values / LENGTH})


def test_pairs_are_apart_by_the_distance_of_their_values_and_never_of_one_original() -> None:
    pairs = sampler().draw(0, 20_000)
    graded = pairs.concept == 1
    assert pairs.distance[graded] == pytest.approx(np.abs(AGE[pairs.a] - AGE[pairs.b])[graded] / LENGTH)
    assert (pairs.distance[~graded] == 0).all()
    assert (ORIGINAL[pairs.a] != ORIGINAL[pairs.b]).all()


def test_half_of_them_are_near_and_half_are_anywhere() -> None:
    pairs = sampler().draw(0, 40_000)
    distance = pairs.distance[pairs.concept == 1]
    anywhere = np.abs(RNG.choice(AGE, 40_000) - RNG.choice(AGE, 40_000)) / LENGTH
    expected = 0.5 * (anywhere <= 1).mean() + 0.5 * 0.5  # uniform within two lengths: half within one
    assert (distance <= 1).mean() == pytest.approx(expected, abs=0.03)
    assert (distance > 2.5).mean() == pytest.approx(0.5 * (anywhere > 2.5).mean(), abs=0.03)
    near = pairs.near()
    assert (near.distance <= 1).all()
    assert len(near.a) < len(pairs.a)


def test_a_row_is_drawn_as_often_as_any_other() -> None:
    pairs = sampler().draw(0, 60_000)
    counts = np.bincount(pairs.a[pairs.concept == 1], minlength=NUM)
    assert counts.min() > 20
    assert counts.std() / counts.mean() < 0.2


def test_missing_values_take_no_part_and_are_counted() -> None:
    values = AGE.copy()
    values[100:350] = np.nan
    of = sampler(values)
    pairs = of.draw(0, 5000)
    mine = pairs.concept == 1
    for member in (pairs.a[mine], pairs.b[mine]):
        assert not ((member >= 100) & (member < 350)).any()
    assert of.num_missing == {"age": 250, "kind": 0}
    assert of.alone() == "rows whose value is missing: 250 in 'age'"


def test_missing_classes_take_no_part_and_are_counted() -> None:
    kind = np.arange(NUM) % 3
    kind[::4] = -1
    of = PairSampler({"kind": kind}, ORIGINAL, 0, "test")
    pairs = of.draw(0, 3000)
    assert (kind[pairs.a] >= 0).all()
    assert (kind[pairs.a] == kind[pairs.b]).all()
    assert of.num_missing == {"kind": 150}
    with pytest.raises(InputError, match="concept 'kind': no two originals share a value"):
        PairSampler({"kind": np.full(NUM, -1)}, ORIGINAL, 0, "test")


def test_one_original_alone_has_no_partner() -> None:
    with pytest.raises(InputError, match="concept 'age': no two originals share a value"):
        sampler(AGE[:4], np.zeros(4, np.int64))
