import json

import pytest

from pipeline.scores.statistics.score import Score


def test_as_dict_has_the_five_numbers_and_nulls() -> None:
    assert json.loads(json.dumps(Score(0.5).as_dict())) == {
        "value": 0.5,
        "low": None,
        "high": None,
        "chance": None,
        "perfect": None,
    }


def test_details_are_there_only_where_a_score_has_any() -> None:
    assert Score(0.5, details={"pairs": 3}).as_dict()["details"] == {"pairs": 3}
    assert "details" not in Score(0.5).as_dict()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("field", ["value", "chance", "perfect"])
def test_a_number_that_is_not_finite_is_refused(number: float, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Score(**{"value": 0.5, field: number})


def test_an_interval_holds_its_value_and_has_two_ends() -> None:
    with pytest.raises(ValueError, match="outside"):
        Score(0.5, 0.6, 0.7)
    with pytest.raises(ValueError, match="both ends"):
        Score(0.5, low=0.4)
