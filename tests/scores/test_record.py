import json
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.scores.record import (
    as_json,
    as_summary,
    as_text,
    read_scores,
    read_transitions,
    write_metrics,
    write_scores,
    write_transitions,
)
from pipeline.scores.statistics.score import PAIR_NATS, PROBE_GAP, PROBE_OWN, SWAP_SCORE, Score, probe_cell, probe_own

SCORES = {
    "probe/own": Score(0.961, 0.95, 0.97, chance=-0.0001, perfect=1.0),
    "probe/own/digit": Score(0.0, 0.0, 0.0, chance=0.0, perfect=1.0),
    "roundtrip/max": Score(3.21e-6),
}


def test_json_has_every_number_under_its_name() -> None:
    loaded = json.loads(json.dumps(as_json(SCORES)))
    assert list(loaded) == list(SCORES)
    assert loaded["probe/own"] == {"value": 0.961, "low": 0.95, "high": 0.97, "chance": -0.0001, "perfect": 1.0}
    assert loaded["roundtrip/max"] == {"value": 3.21e-6, "low": None, "high": None, "chance": None, "perfect": None}


def test_what_is_written_is_read_number_for_number(tmp_path: Path) -> None:
    scores = SCORES | {"swap/follow/digit": Score(1, 0.5, 1, 0.1, 1.0, {"pairs": 3, "factor": "digit", "share": 0.25})}
    write_scores(tmp_path / "scores.json", scores)
    read = read_scores(tmp_path / "scores.json")
    assert list(read) == list(scores)
    assert dict(read) == scores
    write_scores(tmp_path / "again.json", read)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "scores.json").read_bytes()


def test_scores_and_metrics_have_the_names_and_values_of_the_results_kept_in_the_repository(tmp_path: Path) -> None:
    kept = Path(__file__).parents[2] / "results/latent/metrics.json"
    values = json.loads(kept.read_text())
    write_scores(tmp_path / "scores.json", {name: Score(value) for name, value in values.items()})
    write_metrics(tmp_path / "metrics.json", read_scores(tmp_path / "scores.json"))
    assert (tmp_path / "metrics.json").read_bytes() == kept.read_bytes()
    assert {PROBE_GAP, PROBE_OWN, SWAP_SCORE, PAIR_NATS, probe_own("digit"), probe_cell("residual", "digit")} <= set(
        values
    )


def test_metrics_are_values_alone(tmp_path: Path) -> None:
    write_metrics(tmp_path / "metrics.json", SCORES)
    flat = json.loads((tmp_path / "metrics.json").read_text())
    assert flat == {"probe/own": 0.961, "probe/own/digit": 0.0, "roundtrip/max": 3.21e-6}


def test_transitions_are_read_as_they_were_written(tmp_path: Path) -> None:
    transitions = {"sample": {"residual": [[3, 1], [0, 4]], "digit": [[0, 4], [4, 0]]}}
    write_transitions(tmp_path / "transitions.json", transitions)
    assert read_transitions(tmp_path / "transitions.json") == transitions


def test_a_missing_score_is_named_with_its_file_and_the_others_are_there(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.json", SCORES)
    scores = read_scores(tmp_path / "scores.json")
    assert "probe/gap" not in scores
    assert scores.get("probe/gap") is None
    assert scores.get("probe/own") == SCORES["probe/own"]
    with pytest.raises(InputError) as error:
        scores["probe/gap"]
    assert str(error.value) == f"{tmp_path}/scores.json: no score 'probe/gap'; run `dvc repro`"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("[]", "found a list; scores by name are expected"),
        ('{"probe/gap": 0.9}', "'probe/gap' is no score"),
        ('{"probe/gap": {"low": 0.9}}', "'probe/gap' is no score"),
        ('{"probe/gap": {"value": "high"}}', "'probe/gap' is no score"),
        ('{"probe/gap": {"value": null}}', "'probe/gap' is no score"),
        ('{"probe/gap": {"value": 0.9, "error": 0.1}}', "'probe/gap' is no score"),
        ('{"probe/gap": {"value": 0.9, "low": 0.91, "high": 1}}', "lies outside its interval"),
    ],
)
def test_a_file_of_no_scores_is_refused_in_one_line(content: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(InputError, match=r"scores\.json: ") as error:
        read_scores(tmp_path / "scores.json")
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_summary_shows_what_a_person_asks_for_first() -> None:
    others = {name: Score(0.5) for name in ("probe/matrix/digit/digit", "swap/stay/digit/colour", "per_dimension/mig")}
    assert as_summary(SCORES | {"swap/score": Score(0.9)} | others).splitlines() == [
        "  probe/own                              0.961  [0.950, 0.970]",
        "  probe/own/digit                        0.000  [0.000, 0.000]",
        "  roundtrip/max                        3.2e-06",
        "  swap/score                             0.900",
    ]


def test_a_summary_says_what_is_a_change_and_what_chance_reaches_where_nothing_is_perfect() -> None:
    scores = {
        "preserve/accuracy": Score(0.0, -0.001, 0.001, chance=-0.6, perfect=0.0),
        "preserve/squared_error": Score(-3.7e-10, -4e-4, 0.0, chance=1.2, perfect=0.0),
        "preserve/agreement": Score(1.0, 1.0, 1.0, chance=0.1, perfect=1.0),
        "reconstruction/squared_error": Score(0.05, 0.04, 0.06, 2.0, 0.0, {"grey_levels": 12.34}),
        "block_tc": Score(0.216, 0.189, 0.243, chance=0.145),
        "response/sample/residual/total_variation": Score(0.5),
    }
    told = "of the images' variance; 12.3 grey levels of 255"
    assert as_summary(scores).splitlines() == [
        "  preserve/accuracy                           +0.000  [-0.001, +0.001]  a change, 0: nothing is lost",
        "  preserve/squared_error                    -3.7e-10  [-0.000, +0.000]  a change, 0: nothing is lost",
        "  preserve/agreement                           1.000  [1.000, 1.000]",
        f"  reconstruction/squared_error                 0.050  [0.040, 0.060]  {told}",
        "  block_tc                                     0.216  [0.189, 0.243]  chance 0.145",
        "  response/sample/residual/total_variation     0.500",
    ]


def test_a_summary_says_beside_a_probe_what_z_and_the_closed_form_tell() -> None:
    beside = {
        "probe/latent/digit": Score(0.98),
        "probe/closed_form/digit": Score(0.86),
        "closed_form/gap": Score(0.84),
        "probe/gap_over_closed_form": Score(0.1, 0.08, 0.12),
        "probe/own_over_closed_form/digit": Score(0.11, 0.1, 0.12),
    }
    named = {"probe/own/digit": Score(0.972, 0.96, 0.98), "probe/own/tint": Score(0.9), "probe/gap": Score(0.94)}
    assert as_summary(named | beside).splitlines() == [
        "  probe/own/digit                        0.972  [0.960, 0.980]  in z 0.980, closed form 0.860",
        "  probe/own/tint                         0.900",
        "  probe/gap                              0.940  closed form 0.840, over it +0.100 [+0.080, +0.120]",
    ]


def test_text_is_a_table_in_columns_of_equal_width() -> None:
    assert as_text(SCORES).splitlines() == [
        "score               value   95 % interval     chance  perfect",
        "probe/own           0.961  0.950 to 0.970  -1.00e-04    1.000",
        "probe/own/digit     0.000  0.000 to 0.000      0.000    1.000",
        "roundtrip/max    3.21e-06               –          –        –",
    ]
