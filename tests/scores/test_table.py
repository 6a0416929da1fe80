import json

from pipeline.scores.record import as_json, as_markdown, as_text, flat
from pipeline.scores.statistics.score import Score

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


def test_flat_has_values_alone() -> None:
    assert flat(SCORES) == {"probe/own": 0.961, "probe/own/digit": 0.0, "roundtrip/max": 3.21e-6}


def test_markdown_is_a_table_a_person_can_read() -> None:
    assert as_markdown(SCORES).splitlines() == [
        "| score | value | 95 % interval | chance | perfect |",
        "| --- | ---: | :---: | ---: | ---: |",
        "| `probe/own` | 0.961 | 0.950 to 0.970 | -1.00e-04 | 1.000 |",
        "| `probe/own/digit` | 0.000 | 0.000 to 0.000 | 0.000 | 1.000 |",
        "| `roundtrip/max` | 3.21e-06 | – | – | – |",
    ]


def test_text_has_the_same_cells_in_columns_of_equal_width() -> None:
    assert as_text(SCORES).splitlines() == [
        "score               value   95 % interval     chance  perfect",
        "probe/own           0.961  0.950 to 0.970  -1.00e-04    1.000",
        "probe/own/digit     0.000  0.000 to 0.000      0.000    1.000",
        "roundtrip/max    3.21e-06               –          –        –",
    ]
