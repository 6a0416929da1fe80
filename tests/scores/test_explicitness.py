import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from pipeline.scores.literature.explicitness import explicitness
from pipeline.scores.statistics.score import Score

from .dims import Table, perfect_table


@pytest.fixture(scope="module")
def table() -> Table:
    return perfect_table(400)


def scored(table: Table, **more: object) -> Score:
    score = explicitness(*table.halves(), **more)
    assert score is not None
    return score


@pytest.mark.parametrize("spoil", ["rotated_across", "leaky", "noise"])
def test_definition_by_another_route(table: Table, spoil: str) -> None:
    spoilt = getattr(table, spoil)()
    train, of_train, test, of_test = spoilt.halves()
    scaler = StandardScaler().fit(train)
    areas = []
    for name in ("digit", "shape"):
        model = LogisticRegression().fit(scaler.transform(train), of_train[name])
        found = model.predict_proba(scaler.transform(test))
        areas.append(np.mean([roc_auc_score(of_test[name] == k, found[:, k]) for k in model.classes_]))
    assert scored(spoilt).value == pytest.approx(np.mean(areas), abs=1e-6)


def test_perfect_and_spoilt_codes_from_both_sides(table: Table) -> None:
    one_hot = np.hstack([np.eye(5)[table.concepts["digit"]], np.eye(4)[table.concepts["shape"]]])
    perfect = scored(table.with_code(one_hot))
    assert perfect.value == perfect.perfect == 1
    assert perfect.chance == pytest.approx(0.5, abs=0.05)
    mixed = scored(table.with_code(table.rotated_across().code))
    assert mixed.value == pytest.approx(scored(table).value, abs=0.02)
    assert mixed.value > 0.9  # all dimensions are read together
    noise = scored(table.noise())
    assert noise.value == pytest.approx(0.5, abs=0.06)
    assert noise.low < 0.5 < noise.high
    half = scored(table.with_code(one_hot + 1.5 * np.random.default_rng(0).normal(size=one_hot.shape)))
    assert 0.6 < half.low < half.value < half.high < 0.9


def test_the_interval_has_the_width_of_theory_and_is_by_original() -> None:
    """Hanley and McNeil's standard error of an area, and copies that do not narrow it."""
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=800)
    code = np.round(label + rng.normal(size=800), 1)[:, None]  # with ties
    score = explicitness(code[:400], {"smile": label[:400]}, code[400:], {"smile": label[400:]})
    assert score is not None
    area, ones = score.value, label[400:].sum()
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (ones - 1) * (q1 - area**2) + (399 - ones) * (q2 - area**2)
    error = np.sqrt(variance / (ones * (400 - ones)))
    assert (score.high - score.low) / 2 == pytest.approx(1.96 * error, rel=0.15)
    rows = np.repeat(np.arange(800), 3)
    train, test = rows[:1200], rows[1200:]
    copied = (code[train], {"smile": label[train]}, code[test], {"smile": label[test]})
    by_original, by_row = explicitness(*copied, groups=rows), explicitness(*copied)
    assert by_original is not None
    assert by_row is not None
    assert by_original.high - by_original.low == pytest.approx(score.high - score.low, rel=0.1)
    assert by_row.high - by_row.low < 0.7 * (score.high - score.low)


def test_values_have_no_classes(table: Table) -> None:
    assert scored(table).details["left_out"] == "colour"
    assert explicitness(*Table({"colour": table.concepts["colour"]}, table.code).halves()) is None
    assert scored(table.classes().with_code(table.code)).value == scored(table).value


def test_concepts_that_go_together_are_told_by_one_another_and_a_perfect_code_is_still_1() -> None:
    rng = np.random.default_rng(0)
    smile = rng.integers(2, size=400)
    glasses = np.where(rng.uniform(size=400) < 0.7, smile, rng.integers(2, size=400))
    both = Table({"smile": smile, "glasses": glasses}, np.stack([smile, glasses], axis=1) + 0.0)
    perfect, smile_alone = scored(both), scored(both.with_code(both.code[:, :1]))
    assert perfect.value == perfect.perfect == 1
    leak = roc_auc_score(glasses[1::2], smile[1::2])  # what the labels alone tell of each other
    assert leak > 0.75
    assert smile_alone.details["concept/glasses"] == pytest.approx(leak)
    assert smile_alone.details["concept/smile"] == smile_alone.perfect == 1
    assert smile_alone.chance == pytest.approx(0.5, abs=0.06)


def test_one_outlier_row_hides_its_dimension_from_the_fit_or_costs_one_test_row(table: Table) -> None:
    clean = scored(table)
    train, test = table.code.copy(), table.code.copy()
    train[4, 0] = test[5, 0] = 1e5
    fitted, asked = scored(table.with_code(train)), scored(table.with_code(test))
    assert fitted.details["concept/digit"] == pytest.approx(0.5, abs=0.1)  # all others are alike in the new unit
    assert clean.details["concept/digit"] - 0.02 < asked.details["concept/digit"] < clean.details["concept/digit"]
    for score in (fitted, asked):
        assert score.details["concept/shape"] == pytest.approx(clean.details["concept/shape"], abs=0.02)
        assert score.perfect == 1
        assert score.low <= score.value <= score.high


def test_a_class_without_a_train_row_is_one_half_and_one_without_a_test_row_does_not_count() -> None:
    label = np.r_[np.arange(40) % 2, np.arange(40) % 2]
    label[-10:] = 5
    code = np.eye(6)[label]
    score = explicitness(code[:40], {"smile": label[:40]}, code[40:], {"smile": label[40:]})
    assert score is not None
    assert score.value == score.perfect == pytest.approx((1 + 1 + 0.5) / 3, abs=0.15)
    assert score.value < 0.95
    assert score.details["classes_without_train_row"] == "smile 5"
    back = explicitness(code[40:], {"smile": label[40:]}, code[:40], {"smile": label[:40]})
    assert back is not None
    assert back.value == 1


def test_traps() -> None:
    rng = np.random.default_rng(0)
    code = rng.normal(size=(30, 3))
    code[:, 1] = 0.1
    label = np.r_[np.zeros(15, dtype=int), np.arange(15) % 2]
    single = explicitness(code[:15], {"smile": label[:15]}, code[15:], {"smile": label[15:]})
    assert single is not None
    assert single.value == single.perfect == single.low == single.high == 0.5  # no model of a single class
    assert explicitness(code[15:], {"smile": label[15:]}, code[:15], {"smile": label[:15]}) is None
    rare = np.zeros(30, dtype=int)
    rare[[3, 20]] = 1
    few = explicitness(rare[:15, None] + 0.0, {"smile": rare[:15]}, rare[15:, None] + 0.0, {"smile": rare[15:]})
    assert few is not None
    assert few.value == few.perfect == 1
    attributes = rng.integers(2, size=(60, 40))
    many = explicitness(attributes[:30] + 0.0, attributes[:30], attributes[30:] + 0.0, attributes[30:])
    assert many is not None
    assert many.value > 0.7 > many.chance
    with pytest.raises(ValueError, match="codes_test: row 0 holds nan"):
        explicitness(code, {"smile": label}, code * np.nan, {"smile": label})
