import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from pipeline.errors import InputError
from pipeline.pairing.sampler import PairSampler

COPIES = 3


def _labels() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """100 originals in 3 copies each; a digit for each original, a colour for each copy."""
    rng = np.random.default_rng(0)
    original = np.repeat(np.arange(100), COPIES)
    rng.shuffle(original)
    labels = {"digit": rng.integers(10, size=100)[original], "colour": rng.integers(20, size=len(original))}
    return labels, original


def test_a_pair_shares_its_concept_and_never_its_original() -> None:
    labels, original = _labels()
    pairs = PairSampler(labels, original, 0, "test").draw(0, 5000)
    assert pairs.a.shape == pairs.b.shape == pairs.concept.shape == (5000,)
    assert {part.dtype for part in (pairs.a, pairs.b, pairs.concept)} == {np.dtype(np.int64)}
    assert set(pairs.concept) == {1, 2}
    for number, category in enumerate(labels.values(), start=1):
        mine = pairs.concept == number
        assert np.array_equal(category[pairs.a[mine]], category[pairs.b[mine]])
    assert not (original[pairs.a] == original[pairs.b]).any()


def test_the_draw_is_a_function_of_seed_purpose_and_step() -> None:
    labels, original = _labels()

    def drawn(seed: int, purpose: str, step: int, before: int = 0) -> list[int]:
        sampler = PairSampler(labels, original, seed, purpose)
        for other in range(before):
            sampler.draw(other, 7)
        pairs = sampler.draw(step, 200)
        return [*pairs.a, *pairs.b, *pairs.concept]

    first = drawn(0, "train", 5)
    assert drawn(0, "train", 5, before=3) == first  # whatever was drawn before
    assert drawn(0, "train", 6) != first
    assert drawn(1, "train", 5) != first
    assert drawn(0, "val", 5) != first


def test_the_concept_is_uniform() -> None:
    labels, original = _labels()
    labels["third"] = labels["digit"] // 2
    concept = PairSampler(labels, original, 0, "test").draw(0, 30_000).concept
    assert chisquare(np.bincount(concept)[1:]).pvalue > 0.01


def test_a_is_uniform_over_all_rows() -> None:
    labels, original = _labels()
    pairs = PairSampler(labels, original, 0, "test").draw(0, 60_000)
    for number in (1, 2):
        counts = np.bincount(pairs.a[pairs.concept == number], minlength=len(original))
        assert chisquare(counts).pvalue > 0.01


def test_b_is_uniform_over_the_rows_of_equal_value_without_as_own_copies() -> None:
    original = np.array([0, 0, 0, 1, 2, 2, 3, 4])  # copies in runs of different length, within one value
    value = np.array([5, 5, 5, 5, 5, 5, 9, 9])
    order = np.random.default_rng(1).permutation(8)
    original, value = original[order], value[order]
    pairs = PairSampler({"shape": value}, original, 0, "test").draw(0, 40_000)
    for a in range(8):
        partners = np.flatnonzero((value == value[a]) & (original != original[a]))
        counts = np.bincount(pairs.b[pairs.a == a], minlength=8)
        assert counts.sum() == counts[partners].sum()
        assert len(partners) == 1 or chisquare(counts[partners]).pvalue > 0.001  # six tests


def test_rows_without_a_partner_are_left_out_and_counted() -> None:
    original = np.array([0, 0, 1, 2, 3])
    labels = {"digit": np.array([1, 1, 2, 2, 2]), "colour": np.array([7, 8, 7, 8, 9])}
    sampler = PairSampler(labels, original, 0, "test")
    # both copies of original 0 share a digit with each other alone; only the last row has colour 9
    assert sampler.num_alone == {"digit": 2, "colour": 1}
    pairs = sampler.draw(0, 2000)
    for number, members in ((1, {2, 3, 4}), (2, {0, 1, 2, 3})):
        mine = pairs.concept == number
        assert set(pairs.a[mine]) == set(pairs.b[mine]) == members


def test_a_concept_without_any_pair_is_refused_by_name() -> None:
    labels = {"digit": np.array([1, 1, 1]), "colour": np.array([1, 1, 2])}
    with pytest.raises(InputError, match="concept 'colour': no two originals share a value, so there are no pairs"):
        PairSampler(labels, np.array([0, 0, 1]), 0, "test")


def _all_kinds() -> PairSampler:
    labels, original = _labels()
    age = np.random.default_rng(3).normal(size=len(original))
    return PairSampler({**labels, "age": np.zeros(len(age), np.int64)}, original, 0, "test", {"age": age})


def test_a_worker_draws_its_part_of_what_all_draw() -> None:
    sampler = _all_kinds()
    whole = sampler.tensors(4, torch.arange(100))
    for part in (slice(0, 40), slice(40, 100)):
        drawn = sampler.tensors(torch.tensor(4), torch.arange(100)[part])
        assert all(torch.equal(own, column[part]) for own, column in zip(drawn, whole, strict=True))
    assert torch.equal(torch.from_numpy(sampler.draw(4, 100).distance), whole[3])
    assert whole[3].count_nonzero() > 10


@pytest.mark.gpu
def test_pairs_are_the_same_bits_on_a_gpu() -> None:
    here = _all_kinds().tensors(4, torch.arange(5000))
    there = _all_kinds().to(torch.device("cuda")).tensors(torch.tensor(4, device="cuda"), torch.arange(5000).cuda())
    assert all(torch.equal(a, b.cpu()) for a, b in zip(here, there, strict=True))


def test_without_a_concept_a_pair_is_any_two_rows_of_two_originals() -> None:
    _, original = _labels()
    sampler = PairSampler({}, original, 0, "test")
    pairs = sampler.draw(0, 20_000)
    assert not (original[pairs.a] == original[pairs.b]).any()
    assert (pairs.concept == 0).all()
    assert (pairs.distance == 0).all()
    for member in (pairs.a, pairs.b):
        assert chisquare(np.bincount(member, minlength=len(original))).pvalue > 0.01
    assert np.corrcoef(pairs.a, pairs.b)[0, 1] < 0.02
    assert sampler.second_moments(np.zeros((len(original), 4))).shape == (0, 4, 4)
    assert sampler.alone() == ""


def test_rows_of_one_original_are_no_pair() -> None:
    with pytest.raises(InputError, match="3 rows are of one original, expected are two or more"):
        PairSampler({}, np.zeros(3, np.int64), 0, "test")
