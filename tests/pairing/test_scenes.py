"""Pairs of a concept that two sketches give: those that share it, and those that show a change in it."""

import numpy as np
import pytest
import torch

from pipeline.errors import InputError
from pipeline.pairing.sampler import PairSampler
from pipeline.pairing.scenes import rows_of_a_scene, scenes_of

NUM = 40  # originals, two copies each


def table(num_sketched: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Ids, originals and styles of rows, as stage stylise writes them."""
    scene = rows_of_a_scene(num_sketched)
    ids = np.arange(2 * NUM * scene)
    style = ids % scene
    columns = [np.where((style - 1) // 2 == k, (style - 1) % 2 + 1, 0) * (style > 0) for k in range(num_sketched)]
    labels = {f"s{k}": column for k, column in enumerate(columns)}
    return ids, ids // scene // 2, {name: column.astype(np.int64) for name, column in labels.items()}


def drawn(num_sketched: int, seed: int = 0) -> tuple[PairSampler, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    ids, original, labels = table(num_sketched)
    digit = {"digit": original % 4}
    sampler = PairSampler(digit | labels, original, seed, "test", None, scenes_of(ids, labels, list(labels)))
    return sampler, ids, original, labels


def test_a_change_is_of_one_image_and_of_two_styles() -> None:
    sampler, ids, _, labels = drawn(1)
    pairs = sampler.draw(0, 6000)
    change = pairs.concept == -2
    a, b = pairs.a[change], pairs.b[change]
    assert (ids[a] // 3 == ids[b] // 3).all()
    assert (labels["s0"][a] != labels["s0"][b]).all()
    kinds = {tuple(sorted(pair)) for pair in zip(labels["s0"][a].tolist(), labels["s0"][b].tolist(), strict=True)}
    assert kinds == {(0, 1), (0, 2), (1, 2)}


def test_what_shares_a_style_is_two_images_in_it_alone() -> None:
    sampler, _, original, labels = drawn(1)
    pairs = sampler.draw(0, 6000)
    a, b = (rows[pairs.concept == 2] for rows in (pairs.a, pairs.b))
    assert (original[a] != original[b]).all()
    assert (labels["s0"][a] == labels["s0"][b]).all()
    assert set(labels["s0"][a].tolist()) == {1, 2}


def test_a_change_is_drawn_as_often_as_a_concept() -> None:
    sampler, *_ = drawn(2)
    numbers, counts = np.unique(sampler.draw(0, 25_000).concept, return_counts=True)
    assert numbers.tolist() == [-3, -2, 1, 2, 3]
    assert np.abs(counts - 5000).max() < 300


def test_a_change_in_one_sketch_is_none_in_the_other() -> None:
    sampler, _, _, labels = drawn(2)
    pairs = sampler.draw(0, 6000)
    for number, other in ((-2, "s1"), (-3, "s0")):
        change = pairs.concept == number
        assert change.any()
        assert (labels[other][pairs.a[change]] == 0).all()
        assert (labels[other][pairs.b[change]] == 0).all()


def test_pairs_are_the_same_however_they_are_cut() -> None:
    sampler, *_ = drawn(1)
    whole = sampler.tensors(5, torch.arange(90))
    parts = [sampler.tensors(5, torch.arange(90)[part]) for part in (slice(0, 20), slice(20, 90))]
    for column, *cut in zip(whole, *parts, strict=True):
        assert torch.equal(column, torch.cat(cut))


def test_changes_are_left_out_of_what_sizes_are_estimated_from() -> None:
    sampler, *_ = drawn(1)
    near = sampler.draw(0, 2000).near()
    assert set(near.concept.tolist()) == {1, 2}


def test_moments_are_those_of_shared_styles() -> None:
    """A sketched concept's rows as they were enter them no more than its changes do."""
    sampler, _, _, labels = drawn(1)
    x = np.stack([labels["s0"] == 0, labels["s0"] == 1, labels["s0"] == 2], axis=1).astype(float)
    found = sampler.second_moments(x)
    assert len(found) == 2
    assert found[1] == pytest.approx(np.diag([0, 0.5, 0.5]))


def test_without_sketches_nothing_is_a_scene() -> None:
    ids, original, labels = table(1)
    assert scenes_of(ids, labels, ()) == {}
    plain = PairSampler(labels, original, 0, "test").draw(0, 100)
    assert (plain.concept == 1).all()


def test_a_style_that_no_row_is_in_is_refused() -> None:
    ids, original, labels = table(1)
    nothing = {"s0": np.zeros_like(labels["s0"])}
    with pytest.raises(InputError, match="no two originals share a value"):
        PairSampler(nothing, original, 0, "test", None, scenes_of(ids, nothing, ["s0"]))
