"""What a score is over seeds."""

import pytest

from pipeline.scores.probes.stability import with_spread
from pipeline.scores.record import as_summary
from pipeline.scores.statistics.score import Score

SCORES = {
    "probe/gap": Score(0.94, 0.92, 0.95, 0.0, 1.0, {"subset_rows": 9}),
    "closed_form/gap": Score(0.84, 0.8, 0.88),
    "roundtrip/max": Score(3e-6),
}


def test_the_spread_is_that_of_the_sample_and_the_score_stays() -> None:
    others = [{"probe/gap": 0.90, "roundtrip/max": 4e-6}, {"probe/gap": 0.95, "closed_form/gap": 0.8}]
    found = with_spread(SCORES, others)
    assert list(found) == list(SCORES)
    gap = found["probe/gap"]
    assert gap.over_seeds == (pytest.approx(0.93), pytest.approx(0.0264575), 3)
    assert gap.details["subset_rows"] == 9
    assert (gap.value, gap.interval, gap.chance, gap.perfect) == (0.94, (0.92, 0.95), 0.0, 1.0)
    assert Score.from_dict(gap.as_dict()) == gap
    for name in ("closed_form/gap", "roundtrip/max"):
        assert found[name] == SCORES[name], "not every seed has it"


def test_without_other_seeds_there_is_none() -> None:
    assert with_spread(SCORES, []) == SCORES


def test_a_summary_says_it_beside_the_interval() -> None:
    scores = with_spread(SCORES, [{"probe/gap": 0.90, "roundtrip/max": 4e-6}])
    gap, error = as_summary(scores).splitlines()
    assert gap.startswith("  probe/gap                              0.940  [0.920, 0.950]  0.920 ± 0.028 over 2 seeds")
    assert error == "  roundtrip/max                        3.0e-06  3.50e-06 ± 7.1e-07 over 2 seeds"
