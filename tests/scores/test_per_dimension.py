import json

import numpy as np
import pytest

from pipeline.scores.literature.mutual_information import mig
from pipeline.scores.literature.per_dimension import per_dimension_scores
from pipeline.scores.record import as_json
from pipeline.scores.statistics.score import Score

from .dims import Table, perfect_table

NAMES = ["mig", "modularity", "irs", "sap", "dci_disentanglement", "dci_completeness", "dci_informativeness"]
NAMES = [f"per_dimension/{name}" for name in [*NAMES, "explicitness"]]


pytestmark = pytest.mark.usefixtures("few_blocks")


def scored(table: Table, **more: object) -> dict[str, Score]:
    return per_dimension_scores(table.code, table.concepts, dci_stages=2, **more)


def test_all_names_with_interval_and_bracket_and_a_better_code_is_better() -> None:
    table = perfect_table(200)
    perfect, noise = scored(table), scored(table.noise())
    assert list(perfect) == NAMES
    assert json.loads(json.dumps(as_json(perfect)))["per_dimension/sap"]["details"]["train_rows"] in range(95, 106)
    for name, score in perfect.items():
        assert score.low <= score.value <= score.high
        assert score.chance < score.perfect
        assert score.low > noise[name].value
        assert noise[name].value == pytest.approx(noise[name].chance, abs=0.12), name


def test_equal_seeds_give_equal_scores_and_the_code_is_taken_as_it_is() -> None:
    table = perfect_table(60).classes().leaky()
    first, again, other = (scored(table, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    whole = mig(table.code, table.concepts)
    assert whole is not None
    assert first["per_dimension/mig"].value == whole.value


def test_copies_stay_in_one_half_and_count_once() -> None:
    table = perfect_table(60).leaky()
    rows = np.repeat(np.arange(60), 4)
    copied = Table({name: c[rows] for name, c in table.concepts.items()}, table.code[rows])
    single, copies = scored(table), scored(copied, groups=rows + 1000)
    for name in NAMES[:2]:
        assert copies[name].value == pytest.approx(single[name].value)
        assert copies[name].high - copies[name].low == pytest.approx(single[name].high - single[name].low)
    details = copies["per_dimension/explicitness"].details
    assert details["train_rows"] + details["test_rows"] == 240
    assert details["train_rows"] % 4 == 0


def test_more_than_2000_rows_are_fitted_in_part_and_keep_a_rare_class() -> None:
    rng = np.random.default_rng(0)
    label = np.where(np.arange(4000) % 800 == 0, 2, rng.integers(2, size=4000))  # five rows of class 2
    code = np.eye(3)[label] + 0.1 * rng.normal(size=(4000, 3))
    scores = per_dimension_scores(code, {"smile": label}, dci_stages=1)
    details = scores["per_dimension/sap"].details
    assert details["train_rows"] + details["test_rows"] == 2000
    assert "classes_without_train_row" not in details
    assert scores["per_dimension/explicitness"].value > 0.95
    assert "train_rows" not in scores["per_dimension/mig"].details


def test_what_has_no_meaning_is_absent() -> None:
    table = perfect_table(60)
    values = scored(Table({"colour": table.concepts["colour"]}, table.code))
    lacking = {"per_dimension/modularity", "per_dimension/dci_disentanglement", "per_dimension/explicitness"}
    assert set(NAMES) - set(values) == lacking
    classes = scored(Table({"digit": table.concepts["digit"]}, table.code))
    assert set(NAMES) - set(classes) == lacking - {"per_dimension/explicitness"}
    assert per_dimension_scores(table.code, {}) == {}
    assert per_dimension_scores(table.code, {"smile": np.ones(60, dtype=int)}) == {}


def test_thirty_rows_with_attributes_of_one_value_an_outlier_and_dead_dimensions() -> None:
    rng = np.random.default_rng(0)
    attributes = rng.integers(2, size=(30, 8))
    attributes[:, [2, 5]] = 1
    attributes[:, 6] = np.arange(30) == 4
    code = np.hstack([rng.normal(size=(30, 4)), np.zeros((30, 2))])
    code[3, 1] = 1e9
    scores = per_dimension_scores(code, attributes, dci_stages=1)
    assert list(scores) == NAMES
    for name, score in scores.items():
        assert score.details["constant_dims"] == "4, 5", name
        assert score.details["constant_concepts"] == "2, 5", name
    for name in ("per_dimension/mig", "per_dimension/modularity"):
        assert scores[name].details["collapsed_dims"] == "1"


def test_wrong_arguments_are_refused() -> None:
    table = perfect_table(60)
    with pytest.raises(ValueError, match="codes: row 0 holds nan"):
        per_dimension_scores(table.code * np.nan, table.concepts)
    with pytest.raises(ValueError, match="found 3 originals; at least 4"):
        per_dimension_scores(table.code, table.concepts, groups=np.arange(60) % 3)
    with pytest.raises(ValueError, match="one original a row"):
        per_dimension_scores(table.code, table.concepts, groups=np.arange(59))
