"""Which trial is chosen."""

import numpy as np
import pytest

from pipeline.basis.layout import Layout
from pipeline.scores.statistics.intervals import behind
from pipeline.tuning.choice import best_first, choose, compared
from pipeline.tuning.flow_file import Candidate, FlowChoice, Trial
from pipeline.tuning.trial import Failure, Figures

CANDIDATE = Candidate({"num_blocks": 6}, Layout(("residual", "digit", "colour"), (4, 1, 1)))


def trial(number: int, gap: float, nats: float, behind_low: float = 0.0) -> Trial:
    return Trial(number, CANDIDATE, gap, gap - 0.02, gap + 0.02, behind_low, behind_low + 0.04, nats)


def unmeasured(number: int, nats: float) -> Trial:
    return Trial(number, CANDIDATE, None, None, None, None, None, nats)


def test_the_highest_gap_wins_where_the_others_are_surely_behind():
    assert choose([trial(0, 0.5, 90.0, 0.3), trial(1, 0.9, 99.0), trial(2, 0.7, 80.0, 0.1)]).number == 1


def test_overlapping_intervals_do_not_make_a_trial_level():
    ahead, close = trial(0, 0.90, 99.0), trial(1, 0.88, 95.0, behind_low=0.005)
    assert close.gap_high > ahead.gap_low
    assert choose([ahead, close]).number == 0


def test_among_level_trials_the_fewest_nats_win():
    assert choose([trial(0, 0.90, 99.0), trial(1, 0.88, 95.0, -0.01), trial(2, 0.5, 10.0, 0.3)]).number == 1


def test_where_no_gap_was_measured_the_fewest_nats_win():
    assert choose([unmeasured(0, 99.0), unmeasured(1, 95.0), unmeasured(2, 97.0)]).number == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_equal_trials_go_by_number(order):
    trials = [trial(0, 0.9, 95.0), trial(1, 0.9, 95.0)]
    assert choose([trials[number] for number in order]).number == 0


def test_what_trials_have_in_common_cancels_in_the_difference():
    rng = np.random.default_rng(0)
    common, own = rng.normal(0, 0.05, 4000), rng.normal(0, 0.005, 4000)
    (best_low, best_high), (low, high) = behind([0.9, 0.88], [0.9 + common, 0.88 + common + own])
    assert (best_low, best_high) == (0.0, 0.0)
    assert low == pytest.approx(0.02 - 1.96 * 0.005, abs=5e-4)
    assert high == pytest.approx(0.02 + 1.96 * 0.005, abs=5e-4)


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([], ""),
        ([trial(0, 0.5, 90.0)], "as it is the only trial"),
        (
            [trial(0, 0.5, 90.0, 0.3), trial(1, 0.9, 99.0)],
            "as its probe/gap is the highest, and no other is level with it",
        ),
        (
            [trial(0, 0.558, 99.0), trial(1, 0.552, 95.0, -0.01), trial(2, 0.3, 10.0, 0.2)],
            "as it has the fewest nats a pair of the 2 trials that are level with the highest probe/gap, 0.558",
        ),
        (
            [unmeasured(0, 99.0), unmeasured(1, 95.0), unmeasured(2, 97.0)],
            "as it has the fewest nats a pair of the 3 trials",
        ),
    ],
)
def test_a_choice_says_why(trials: list[Trial], reason: str) -> None:
    chosen = choose(trials).number if trials else None
    assert FlowChoice(CANDIDATE, (4, 1, 1), tuple(trials), chosen).reason == reason


def figures(gap: float, nats: float) -> Figures:
    rng = np.random.default_rng(round(1000 * gap))
    resamples = (gap + rng.normal(0, 0.01, 200)).tolist()
    return Figures(probe_gap=gap, gap_low=gap - 0.02, gap_high=gap + 0.02, gap_resamples=resamples, pair_nats=nats)


FOUND: dict[int, Figures | Failure] = {
    0: figures(0.5, 80.0),
    1: Failure(failure="lost"),
    2: figures(0.99, 99.0),
    3: figures(0.9, 95.0),
    4: figures(0.89, 94.0),
}


def test_a_trial_that_failed_or_was_stopped_is_in_the_table_and_in_no_comparison():
    trials = compared(dict.fromkeys(FOUND, CANDIDATE), FOUND, {2: 167})
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4]
    assert [trial.finished for trial in trials] == [True, False, False, True, True]
    assert (trials[1].failure, trials[1].pair_nats) == ("lost", None)
    assert (trials[2].stopped, trials[2].probe_gap, trials[2].behind_low) == (167, 0.99, None)
    assert (trials[3].behind_low, trials[3].behind_high) == (0.0, 0.0), "the best of those that finished"
    assert trials[0].behind_low > 0.3
    assert choose(trials).number == 4
    assert FlowChoice(CANDIDATE, (4, 1, 1), tuple(trials), 4).reason.startswith("as it has the fewest nats a pair of")


def test_of_trials_that_took_as_many_steps_the_best_come_first():
    found = {number: row for number, row in FOUND.items() if "failure" not in row}
    candidates = dict.fromkeys(found, CANDIDATE)
    assert best_first(candidates, found, 9) == [2, 4, 3, 0]
    assert best_first(candidates, found, 2) == [2, 4]
    assert best_first(dict.fromkeys((0, 3, 4), CANDIDATE), found, 1) == [4]
    unmeasured = {number: {**row, "probe_gap": None, "gap_resamples": []} for number, row in found.items()}
    assert best_first(candidates, unmeasured, 9) == [0, 4, 3, 2], "by nats alone"
