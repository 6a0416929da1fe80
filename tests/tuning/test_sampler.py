"""Sizes around the estimate, and the points of the search."""

import itertools

import pytest

from pipeline.basis.layout import Layout
from pipeline.params import FlowParams, Params, TrainParams, TuneParams
from pipeline.tuning.sampler import Sampler, scaled_sizes
from pipeline.tuning.space import SEARCHED, Candidate


@pytest.mark.parametrize("sizes", [(16, 7, 9), (1, 1, 1), (1, 15, 16), (30, 1, 1)])
def test_scaled_sizes_sum_to_the_same_and_are_at_least_one(sizes):
    for scales in itertools.product((0.1, 0.5, 1.0, 1.5, 9.0), repeat=2):
        scaled = scaled_sizes(sizes, scales)
        assert sum(scaled) == sum(sizes)
        assert min(scaled) >= 1


def sampler(own_blocks: int, num_blocks: tuple[int, ...], scale: tuple[float, ...]) -> Sampler:
    params = Params(flow=FlowParams(num_blocks=own_blocks), tune=TuneParams(num_blocks=num_blocks, scale=scale))
    return Sampler.of(params, Layout(("residual", "digit"), (4, 2)))


def test_the_candidates_are_different_the_own_first_and_all_where_more_are_asked():
    small = sampler(4, (4, 6), (1.0, 1.1, 2.0))
    candidates = small.candidates(50, seed=0)
    assert len(candidates) == len({candidate.name for candidate in candidates}) == 4  # 1.0 and 1.1 both give two
    assert candidates[0] == small.first()
    assert candidates[:3] == small.candidates(3, seed=0)
    names = {tuple(candidate.name for candidate in small.candidates(3, seed=seed)) for seed in range(9)}
    assert names > {tuple(candidate.name for candidate in candidates[:3])}


def test_the_sizes_of_the_spectrum_come_second_and_once():
    estimate, spectrum = (Layout(("residual", "digit", "colour"), sizes) for sizes in ((17, 7, 8), (19, 9, 4)))
    sampler = Sampler.of(Params(), estimate)
    plain, both = sampler.candidates(4, 0), sampler.candidates(4, 0, spectrum)
    assert both == [plain[0], Candidate(sampler.own, spectrum), *plain[1:3]]
    assert sampler.candidates(1, 0, spectrum) == plain[:1]
    assert sampler.candidates(4, 0, plain[0].layout) == plain
    assert len(sampler.candidates(500, 0, spectrum)) == len(sampler.candidates(500, 0)) + 1


def test_the_default_study_tries_the_candidates_that_it_always_did():
    candidates = Sampler.of(Params(), Layout(("residual", "digit", "colour"), (16, 7, 9))).candidates(4, seed=0)
    assert [(candidate.settings["num_blocks"], candidate.layout.sizes) for candidate in candidates] == [
        (12, (12, 9, 11)),
        (12, (4, 12, 16)),
        (12, (6, 10, 16)),
        (16, (9, 9, 14)),
    ]


def test_what_is_searched_is_a_key_of_tune_and_of_either_flow_or_train():
    assert not set(FlowParams.model_fields) & set(TrainParams.model_fields)
    for key in SEARCHED:
        assert key in TuneParams.model_fields
        assert key in {**FlowParams.model_fields, **TrainParams.model_fields}


def test_the_estimate_scaled_by_one_is_itself():
    assert scaled_sizes((16, 7, 9), (1.0, 1.0)) == (16, 7, 9)


def test_the_search_begins_at_the_own_blocks_and_the_sizes_closest_to_the_estimate():
    between = sampler(5, (4, 8), (0.5, 2.0))
    layout = Layout(("residual", "digit"), (5, 1))
    assert between.choices() == {"num_blocks": [4, 5, 8], "scale.digit": [0.5, 2.0]}
    assert between.first() == Candidate({"num_blocks": 5}, layout)
    assert between.candidate({"num_blocks": 8, "scale.digit": 0.5}) == Candidate({"num_blocks": 8}, layout)
