"""Which trial is chosen."""

import pytest

from pipeline.tuning import Trial, choose


def trial(number: int, gap: float, nats: float, margin: float = 0.02) -> Trial:
    return Trial(number, 6, (4, 1, 1), gap, gap - margin, gap + margin, nats)


def test_the_highest_gap_wins_where_intervals_are_apart():
    assert choose([trial(0, 0.5, 90.0), trial(1, 0.9, 99.0), trial(2, 0.7, 80.0)]).number == 1


def test_among_overlapping_intervals_the_fewest_nats_win():
    assert choose([trial(0, 0.90, 99.0), trial(1, 0.88, 95.0), trial(2, 0.5, 10.0)]).number == 1


def test_overlap_is_with_the_best_trial_alone():
    chain = [trial(0, 0.90, 99.0), trial(1, 0.87, 98.0), trial(2, 0.84, 90.0)]  # 2 overlaps 1, but not the best
    assert choose(chain).number == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_equal_trials_go_by_number(order):
    trials = [trial(0, 0.9, 95.0), trial(1, 0.9, 95.0)]
    assert choose([trials[number] for number in order]).number == 0
