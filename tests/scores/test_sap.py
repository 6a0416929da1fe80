from importlib import import_module

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from pipeline.scores.literature.sap import sap
from pipeline.scores.statistics.score import Score

from .dims import Table, perfect_table


@pytest.fixture(scope="module")
def table() -> Table:
    return perfect_table(400)


def scored(table: Table, **more: object) -> Score:
    score = sap(*table.halves(), **more)
    assert score is not None
    return score


def test_definition_by_another_route(table: Table) -> None:
    leaky = table.leaky()
    train, of_train, test, of_test = leaky.halves()
    gaps = []
    for name in ("digit", "shape"):
        right = []
        for dim in range(train.shape[1]):
            machine = LinearSVC(C=0.01, class_weight="balanced").fit(train[:, [dim]], of_train[name])
            right.append(machine.score(test[:, [dim]], of_test[name]))
        gaps.append(np.diff(sorted(right))[-1])
    squares = [[np.corrcoef(z, v)[0, 1] ** 2 for z in test.T] for v in of_test["colour"].T]
    gaps.append(np.mean([np.diff(sorted(square))[-1] for square in squares]))
    score = scored(leaky)
    assert score.value == pytest.approx(np.mean(gaps), abs=1e-9)
    assert [score.details[f"concept/{name}"] for name in leaky.concepts] == pytest.approx(gaps, abs=1e-9)


def test_continuous_concepts_are_numpys_squared_covariance_in_any_unit(table: Table) -> None:
    spoilt = table.rotated_across()
    code = 1e5 + spoilt.code * [1, 1e-3, 1, 1e3, 1]
    columns = [spoilt.concepts["digit"], spoilt.concepts["shape"], *spoilt.concepts["colour"].T]
    gaps = []
    for column in columns:
        covariances = [np.cov(z, column, ddof=1) for z in code.T]
        gaps.append(np.diff(sorted(c[0, 1] ** 2 / (c[0, 0] * c[1, 1]) for c in covariances))[-1])
    expected = np.mean([gaps[0], gaps[1], np.mean(gaps[2:])])
    score = sap(code, spoilt.concepts, continuous=True)
    assert score is not None
    assert score.value == pytest.approx(expected, abs=1e-9)
    assert score.low <= score.value <= score.high


def test_perfect_and_spoilt_codes_from_both_sides(table: Table) -> None:
    perfect = scored(table)
    assert perfect.value == pytest.approx(perfect.perfect, abs=0.03)
    assert perfect.details["concept/colour"] > 0.9
    assert perfect.low <= perfect.value <= perfect.high < 1
    assert perfect.chance < 0.05
    within = scored(table.rotated_within_colour())
    assert within.details["concept/colour"] < 0.6
    assert within.details["concept/digit"] == pytest.approx(perfect.details["concept/digit"], abs=0.03)
    assert scored(table.rotated_across()).value < 0.5 * perfect.value
    assert scored(table.duplicated()).details["concept/colour"] == pytest.approx(0, abs=1e-9)
    assert scored(table.duplicated()).value < 0.1
    assert scored(table.leaky()).details["concept/digit"] < perfect.details["concept/digit"]
    noise = scored(table.noise())
    assert noise.value == pytest.approx(noise.chance, abs=0.04)


def test_binary_concepts_reach_one_half() -> None:
    attributes = np.random.default_rng(0).integers(2, size=(400, 3))
    score = sap(attributes[:200].astype(float), attributes[:200], attributes[200:].astype(float), attributes[200:])
    assert score is not None
    assert score.value == score.perfect == pytest.approx(0.5, abs=0.08)


def test_forty_binary_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("pipeline.scores.literature.sap"), "_NUM_PERMUTATIONS", 1)
    rng = np.random.default_rng(0)
    attributes = rng.integers(2, size=(200, 40))
    code = rng.normal(size=(200, 2))
    code[:, 1] += 4 * attributes[:, 7]
    score = scored(Table({str(k): column for k, column in enumerate(attributes.T)}, code))
    gaps = [score.details[f"concept/{k}"] for k in range(40)]
    assert score.value == pytest.approx(np.mean(gaps))
    assert gaps[7] > 0.3 > 2 * max(gaps[:7] + gaps[8:])
    assert 0 <= score.chance < 0.1 < 0.3 < score.perfect < 0.5
    assert 0 <= score.low <= score.value <= score.high < 0.1


def test_concepts_that_go_together_are_not_held_against_a_perfect_code() -> None:
    rng = np.random.default_rng(0)
    smile, free = rng.integers(2, size=(2, 400))
    glasses = np.where(rng.uniform(size=400) < 0.7, smile, free)
    together, apart = (
        scored(Table({"smile": smile, "other": other}, np.stack([smile, other], axis=1) + 0.0))
        for other in (glasses, free)
    )
    same = (smile == glasses)[1::2].mean()  # what the other dimension tells in test rows
    assert together.value == together.perfect == pytest.approx(1 - same)
    assert together.value < 0.25 < 0.4 < apart.perfect


def test_one_outlier_row_costs_its_dimension_a_machine_or_a_correlation(table: Table) -> None:
    """In a train row it sets the threshold of its dimension, in a test row the correlation of its values."""
    clean = scored(table)
    for row, dim, concept, low, high in ((4, 0, "digit", 0, 0.25), (5, 2, "colour", 0.6, 0.7)):
        code = table.code.copy()
        code[row, dim] = 1e5
        spoilt = scored(table.with_code(code))
        assert low < spoilt.details[f"concept/{concept}"] < high < clean.details[f"concept/{concept}"]
        for other in {*table.concepts} - {concept}:
            assert spoilt.details[f"concept/{other}"] == pytest.approx(clean.details[f"concept/{other}"], abs=0.05)
        assert spoilt.perfect == clean.perfect
        assert spoilt.chance < spoilt.low <= spoilt.value <= spoilt.high


def test_the_interval_is_the_bootstrap_of_the_test_originals() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=1000)
    code = np.stack([label + rng.normal(size=1000), np.zeros(1000)], axis=1)
    label_only = {"smile": label[:500]}, {"smile": label[500:]}
    score = sap(code[:500], label_only[0], code[500:], label_only[1])
    assert score is not None
    accuracy, other = score.value + 0.5, 0.5  # of the constant dimension, about
    width = 1.96 * np.sqrt((accuracy * (1 - accuracy) + other * (1 - other)) / 500)
    assert (score.high - score.low) / 2 == pytest.approx(width, rel=0.35)
    rows = np.repeat(np.arange(1000), 3)
    train, test = rows[:1500], rows[1500:]
    copied = [code[train], {"smile": label[train]}, code[test], {"smile": label[test]}]
    by_original, by_row = sap(*copied, groups=rows), sap(*copied)
    assert by_original is not None
    assert by_row is not None
    assert by_original.high - by_original.low == pytest.approx(score.high - score.low, rel=0.15)
    assert by_row.high - by_row.low < 0.75 * (score.high - score.low)


def test_traps() -> None:
    rng = np.random.default_rng(0)
    code = rng.normal(size=(30, 3))
    code[:, 2] = 0.1
    label = np.r_[np.zeros(15, dtype=int), np.ones(14, dtype=int), 2]  # 0 alone in the train half, 1 and 2 in the test
    score = sap(code[:15], {"smile": label[:15]}, code[15:], {"smile": label[15:]})
    assert score is not None
    assert score.value == score.perfect == 0  # 0 is said of every row by every dimension
    assert score.details["classes_without_train_row"] == "smile 1, smile 2"
    assert score.details["constant_dims"] == "2"
    constant = {"smile": np.ones(15, dtype=int)}
    assert sap(code[:15], constant, code[15:], constant) is None
    single = sap(np.arange(30.0)[:, None], {"angle": np.arange(30.0)}, continuous=True)
    assert single is not None
    assert single.value == pytest.approx(1)  # against a constant dimension
    rare = (np.arange(300) % 50 < 2).astype(int)
    imbalanced = scored(Table({"smile": rare}, np.stack([rare, rng.normal(size=300)], axis=1)))
    assert imbalanced.value > 0.3  # classes weigh equally: a machine of noise does not say 0 of every row
    assert imbalanced.perfect == pytest.approx(imbalanced.value, abs=0.2)


def test_wrong_arguments_are_refused(table: Table) -> None:
    train, of_train, test, of_test = table.halves()
    with pytest.raises(ValueError, match="codes_test: none is given"):
        sap(train, of_train)
    with pytest.raises(ValueError, match="no test half is expected"):
        sap(train, of_train, test, of_test, continuous=True)
    with pytest.raises(ValueError, match="codes_train: row 0 holds nan"):
        sap(train * np.nan, of_train, test, of_test)
