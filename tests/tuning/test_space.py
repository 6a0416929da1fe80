"""Sizes around the estimate, and the points of the search."""

import itertools

import pytest

from pipeline.basis.layout import Layout
from pipeline.tuning.space import Space, scaled_sizes


@pytest.mark.parametrize("sizes", [(16, 7, 9), (1, 1, 1), (1, 15, 16), (30, 1, 1)])
def test_scaled_sizes_sum_to_the_same_and_are_at_least_one(sizes):
    for scales in itertools.product((0.1, 0.5, 1.0, 1.5, 9.0), repeat=2):
        scaled = scaled_sizes(sizes, scales)
        assert sum(scaled) == sum(sizes)
        assert min(scaled) >= 1


def test_the_points_are_different_flows_the_own_first_and_all_where_more_are_asked():
    space = Space(
        own_blocks=4, num_blocks=(4, 6), scale=(1.0, 1.1, 2.0), estimate=Layout(("residual", "digit"), (4, 2))
    )
    points = space.points(50, seed=0)
    flows = [space.flow_of(point) for point in points]
    assert len(flows) == len(set(flows)) == 4  # 1.0 and 1.1 both round to two dimensions
    assert points[0] == space.own()
    assert points[:3] == space.points(3, seed=0)
    assert {tuple(map(str, space.points(3, seed=seed))) for seed in range(9)} > {tuple(map(str, points[:3]))}


def test_the_estimate_scaled_by_one_is_itself():
    assert scaled_sizes((16, 7, 9), (1.0, 1.0)) == (16, 7, 9)


def test_the_search_begins_at_the_own_blocks_and_the_sizes_closest_to_the_estimate():
    space = Space(own_blocks=5, num_blocks=(4, 8), scale=(0.5, 2.0), estimate=Layout(("residual", "digit"), (4, 2)))
    assert space.choices() == {"num_blocks": [4, 5, 8], "scale.digit": [0.5, 2.0]}
    assert space.flow_of(space.own()) == (5, Layout(("residual", "digit"), (5, 1)))
    assert space.flow_of({"num_blocks": 8, "scale.digit": 0.5}) == (8, Layout(("residual", "digit"), (5, 1)))
