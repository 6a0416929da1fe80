"""Sizes around the estimate, and the points of the search."""

import itertools
from typing import Any

import numpy as np
import pytest

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.params import FlowParams, Params, TrainParams, TuneParams
from pipeline.tuning.flow_file import SEARCHED, Candidate
from pipeline.tuning.sampler import Drawn, Sampler, scaled_sizes, shared_sizes
from pipeline.tuning.tpe import Known, next_drawn


@pytest.mark.parametrize("sizes", [(16, 7, 9), (1, 1, 1), (1, 15, 16), (30, 1, 1)])
def test_scaled_sizes_sum_to_the_same_and_are_at_least_one(sizes):
    for scales in itertools.product((0.1, 0.5, 1.0, 1.5, 9.0), repeat=2):
        scaled = scaled_sizes(sizes, scales)
        assert sum(scaled) == sum(sizes)
        assert min(scaled) >= 1


def sampler(own_blocks: int, num_blocks: tuple[int, ...], scale: tuple[float, ...]) -> Sampler:
    params = Params(flow=FlowParams(num_blocks=own_blocks), tune=TuneParams(num_blocks=num_blocks, scale=scale))
    return Sampler.of(params, Layout(("residual", "digit"), (4, 2)))


def drawn(found: list[Drawn]) -> list[Candidate]:
    return [each.candidate for each in found]


def test_the_candidates_are_different_the_own_first_and_all_where_more_are_asked():
    small = sampler(4, (4, 6), (1.0, 1.1, 2.0))
    candidates = drawn(small.candidates(50, seed=0))
    assert len(candidates) == len({candidate.name for candidate in candidates}) == 4  # 1.0 and 1.1 both give two
    assert candidates[:1] == drawn(small.begin())
    assert candidates[:3] == drawn(small.candidates(3, seed=0))
    names = {tuple(candidate.name for candidate in drawn(small.candidates(3, seed=seed))) for seed in range(9)}
    assert names > {tuple(candidate.name for candidate in candidates[:3])}


def test_the_sizes_of_the_spectrum_come_second_and_once():
    estimate, spectrum = (Layout(("residual", "digit", "colour"), sizes) for sizes in ((17, 7, 8), (19, 9, 4)))
    sampler = Sampler.of(Params(), estimate)
    plain, both = drawn(sampler.candidates(4, 0)), drawn(sampler.candidates(4, 0, spectrum))
    assert both == [plain[0], Candidate(sampler.own, spectrum), *plain[1:3]]
    assert drawn(sampler.candidates(1, 0, spectrum)) == plain[:1]
    assert drawn(sampler.candidates(4, 0, plain[0].layout)) == plain
    assert len(sampler.candidates(500, 0, spectrum)) == len(sampler.candidates(500, 0)) + 1


def test_the_default_study_tries_the_candidates_that_it_always_did():
    candidates = drawn(Sampler.of(Params(), Layout(("residual", "digit", "colour"), (16, 7, 9))).candidates(4, seed=0))
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
    assert drawn(between.begin()) == [Candidate({"num_blocks": 5}, layout)]
    assert between.candidate({"num_blocks": 8, "scale.digit": 0.5}) == Candidate({"num_blocks": 8}, layout)


ESTIMATE = Layout(("residual", "digit", "colour"), (16, 7, 9))


def of(**tune: Any) -> Sampler:
    return Sampler.of(Params(tune=TuneParams().changed(**tune)), ESTIMATE)


def test_what_is_listed_is_searched_beside_the_own_value_and_nothing_else():
    sampler = of(num_blocks=(8,), width=(32,), learning_rate=(1e-3,), rho=(0.5,), weight_decay=(0.0,))
    assert list(sampler.choices()) == [*SEARCHED, "scale.digit", "scale.colour"]
    assert sampler.choices()["weight_decay"] == [0.0, 0.1]
    assert list(of().choices()) == ["num_blocks", "scale.digit", "scale.colour"]
    found = drawn(sampler.candidates(40, 0))
    assert found[0].settings == {key: sampler.own[key] for key in SEARCHED}
    assert len({str(candidate.settings) for candidate in found}) > 10
    applied = found[-1].applied(Params())
    assert [getattr(applied.flow, key) for key in ("num_blocks", "width", "rho")] == [
        found[-1].settings[key] for key in ("num_blocks", "width", "rho")
    ]
    assert applied.train.learning_rate == found[-1].settings["learning_rate"]


def test_a_grid_is_all_combinations_in_order_behind_what_is_tried_first():
    sampler = of(num_blocks=(8, 12), scale=(0.5, 1.0))
    found = drawn(sampler.grid(99))
    points = itertools.product((8, 12), (0.5, 1.0), (0.5, 1.0))
    in_order = [
        sampler.candidate({"num_blocks": blocks, "scale.digit": digit, "scale.colour": colour})
        for blocks, digit, colour in points
    ]
    first = drawn(sampler.begin())
    assert found == first + [candidate for candidate in in_order if candidate not in first]
    assert drawn(sampler.grid(3)) == found[:3]
    spectrum = Layout(ESTIMATE.names, (19, 9, 4))
    assert drawn(sampler.grid(3, spectrum)) == [found[0], Candidate({"num_blocks": 12}, spectrum), found[1]]


def test_sizes_of_the_simplex_keep_the_sum_and_spread_evenly():
    found = drawn(of(num_blocks=(12,), sizes="simplex").candidates(400, 0))
    assert found[0].layout == ESTIMATE
    assert all(candidate.layout.num_dims == 32 and min(candidate.layout.sizes) >= 1 for candidate in found)
    for factor in range(3):
        assert np.mean([candidate.layout.sizes[factor] for candidate in found]) == pytest.approx(32 / 3, abs=1)
    small = Sampler.of(Params(tune=TuneParams(num_blocks=(12,), sizes="simplex")), Layout(ESTIMATE.names, (2, 2, 1)))
    assert len(small.candidates(99, 0)) == 6, "all of 5 in three parts, each at least 1"


@pytest.mark.parametrize("sizes", [(16, 7, 9), (1, 1, 1), (30, 1, 1), (1, 15, 16)])
def test_the_estimate_has_a_point_in_the_simplex(sizes):
    sampler = Sampler.of(Params(tune=TuneParams(sizes="simplex")), Layout(ESTIMATE.names, sizes))
    (first,) = sampler.begin()
    assert sampler.candidate(first.point).layout.sizes == sizes
    assert sum(shared_sizes(32, (0.3, 0.3, 0.4))) == 32


def test_listed_sizes_are_tried_as_they_are_and_have_to_fit():
    sampler = of(num_blocks=(12,), sizes=((10, 11, 11), (20, 6, 6)))
    assert [each.layout.sizes for each in drawn(sampler.candidates(9, 0, ESTIMATE))] == [(10, 11, 11), (20, 6, 6)]
    layout = Layout(("residual", "digit", "colour"), (10, 3, 3))
    with pytest.raises(
        InputError, match=r"^tune.sizes.0: \[10, 11, 11\] sum to 32, but the layer gives the flow 16 dim"
    ):
        Sampler.of(Params(tune=TuneParams(sizes=((10, 11, 11),))), layout)


def test_a_large_space_is_not_counted_to_its_end():
    many = tuple(range(1, 200))
    sampler = of(num_blocks=many, width=many, scale=tuple(value / 100 for value in many))
    assert len(sampler.candidates(20, 0)) == len(sampler.grid(20)) == 20


def test_tpe_goes_where_flows_do_well_and_asks_for_none_twice():
    sampler = of(num_blocks=(2, 4, 8, 16), learning_rate=(1e-4, 1e-3, 1e-2), sizes="simplex")
    known = []
    while len(known) < 96:
        before = sampler.candidates(16, 0) if not known else next_drawn(sampler, known, 16, 0)
        assert known == [] or before == next_drawn(sampler, known, 16, 0), "a function of what is known"
        for each in before:
            failed = each.candidate.settings["num_blocks"] == 2
            value = -abs(each.candidate.layout.sizes[1] - 20) / 32 - (each.candidate.settings["num_blocks"] != 8)
            known.append(Known(each, None if failed else value, 5 if value < -1.2 else None))
    assert len({each.drawn.candidate.name for each in known}) == 96
    first, last = known[:16], known[-16:]  # the first are drawn at random
    good = [sum(each.drawn.candidate.settings["num_blocks"] == 8 for each in part) for part in (first, last)]
    near = [np.mean([abs(each.drawn.candidate.layout.sizes[1] - 20) for each in part]) for part in (first, last)]
    assert good[1] > 2 * good[0]
    assert near[1] < near[0]


def test_tpe_ends_where_all_was_tried():
    sampler = of(num_blocks=(8, 12), scale=(1.0,))
    known = [Known(each, 0.5, None) for each in sampler.candidates(1, 0)]
    rest = next_drawn(sampler, known, 16, 0)
    assert [each.candidate.settings["num_blocks"] for each in rest] == [8]
    assert next_drawn(sampler, [*known, Known(rest[0], 0.4, None)], 16, 0) == []
