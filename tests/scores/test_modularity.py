import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from pipeline.scores.literature.mutual_information import modularity
from pipeline.scores.statistics.score import Score

from .dims import Table, perfect_table


@pytest.fixture(scope="module")
def table() -> Table:
    return perfect_table()


def scored(table: Table) -> Score:
    score = modularity(table.code, table.concepts)
    assert score is not None
    return score


@pytest.mark.parametrize("spoil", ["rotated_across", "leaky", "noise"])
def test_definition_by_another_route(table: Table, spoil: str) -> None:
    spoilt = getattr(table, spoil)()

    def binned(column: np.ndarray) -> np.ndarray:
        return np.digitize(column, np.histogram(column, 20)[1][:-1])

    by_dim = []
    for column in spoilt.code.T:
        told = []
        for concept in spoilt.concepts.values():
            labels = [concept] if concept.ndim == 1 else [binned(component) for component in concept.T]
            told.append(np.mean([mutual_info_score(label, binned(column)) for label in labels]))
        best = max(told)
        rest = sum(other**2 for k, other in enumerate(told) if k != int(np.argmax(told)))
        by_dim.append(1 - rest / (best**2 * (len(told) - 1)))
    assert scored(spoilt).value == pytest.approx(np.mean(by_dim), abs=1e-9)


def test_perfect_and_spoilt_codes_from_both_sides(table: Table) -> None:
    perfect = scored(table)
    assert perfect.value > 0.99
    assert perfect.value == pytest.approx(perfect.perfect, abs=0.01)
    assert scored(table.rotated_within_colour()).value > 0.98  # a dimension may mix the components of one concept
    assert scored(table.duplicated()).value == pytest.approx(perfect.value)
    assert scored(table.rotated_across()).value < 0.9
    leaky = scored(table.leaky())
    assert leaky.value < perfect.value - 0.02
    classes = table.classes()
    noise = scored(classes.with_code(np.random.default_rng(0).normal(size=(600, 40))))
    assert noise.value == pytest.approx(noise.chance, abs=0.1)
    assert noise.chance < 0.6 < scored(classes).value
    assert noise.low <= noise.value <= noise.high


def test_a_dimension_that_says_nothing_counts_as_0(table: Table) -> None:
    padded = scored(table.with_code(np.hstack([table.code, np.full((600, 5), 0.1)])))
    assert padded.value == pytest.approx(scored(table).value / 2)
    assert padded.details["constant_dims"] == "5, 6, 7, 8, 9"
    assert padded.details["dims/colour"] == 3


def test_one_concept_has_nothing_to_be_told_from(table: Table) -> None:
    assert modularity(table.code, {"digit": table.concepts["digit"]}) is None
    assert modularity(table.code, {"digit": table.concepts["digit"], "smile": np.ones(600, dtype=int)}) is None


def test_concepts_that_go_together_lower_the_perfect_code_alike() -> None:
    digit = np.random.default_rng(0).integers(5, size=400)
    score = scored(Table({"digit": digit, "parity": digit % 2}, np.stack([digit, digit % 2], axis=1).astype(float)))
    assert score.value == score.perfect < 0.9


def test_an_outlier_is_reported_and_costs_its_dimension_alone(table: Table) -> None:
    code = table.code.copy()
    code[4, 2] = 1e5
    clean, spoilt = scored(table), scored(table.with_code(code))
    assert spoilt.details["collapsed_dims"] == "2"
    assert "collapsed_dims" not in clean.details
    assert clean.value - 1 / 5 <= spoilt.value < clean.value - 0.02
    assert spoilt.perfect == clean.perfect


def test_few_rows_and_forty_attributes() -> None:
    attributes = np.random.default_rng(0).integers(2, size=(30, 40))
    score = scored(Table(attributes, attributes.astype(float)))
    assert score.value == score.perfect > 0.99
    assert 0.9 < score.chance < score.perfect  # of 40 small squares one is the largest


def test_a_code_that_is_not_finite_is_refused(table: Table) -> None:
    with pytest.raises(ValueError, match="codes: row 0 holds nan"):
        modularity(table.code * np.nan, table.concepts)
