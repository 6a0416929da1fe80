from importlib import import_module

import numpy as np
import pytest
from scipy.stats import t as student_t
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.metrics import r2_score

from pipeline.scores.literature.dci import dci
from pipeline.scores.statistics.score import Score

from .dims import Table, perfect_table

STAGES = 4
module = import_module("pipeline.scores.literature.dci")  # the package has the function under this name


@pytest.fixture(scope="module")
def table() -> Table:
    return perfect_table(300)


def scored(table: Table, stages: int = STAGES, **more: object) -> dict[str, Score]:
    return dci(*table.halves(), stages=stages, **more)


def certainty(shares: np.ndarray) -> float:
    """1 − entropy of shares that need not sum to 1, in the base of their number."""
    shares = shares[shares > 0] / shares.sum(), len(shares)
    return float(1 + (shares[0] * np.log(shares[0])).sum() / np.log(shares[1]))


def test_definition_by_scikit_learns_trees() -> None:
    rng = np.random.default_rng(0)
    code = rng.normal(size=(3000, 4)).astype(np.float32).astype(np.float64)
    told = code[:, 0] * code[:, 1] + rng.normal(size=3000)
    digit, shape = np.digitize(told, [-1, 0, 1]), np.digitize(code[:, 2] + rng.normal(size=3000), [0])
    colour = np.stack([code[:, 0] + rng.normal(size=3000), 9 * code[:, 3] + 9 * rng.normal(size=3000)], axis=1)
    train, test = slice(0, 2000), slice(2000, None)
    importance, accuracy, components = [], [], []
    for label in (digit, shape):
        trees = GradientBoostingClassifier(n_estimators=3).fit(code[train], label[train])
        importance.append(trees.feature_importances_)
        accuracy.append(trees.score(code[test], label[test]))
    predictions = []
    for column in colour.T:
        trees = GradientBoostingRegressor(n_estimators=3).fit(code[train], column[train])
        components.append(trees.feature_importances_)
        predictions.append(trees.predict(code[test]))
    accuracy.append(r2_score(colour[test], np.stack(predictions, axis=1)))
    by_concept = np.stack([*importance, np.mean(components, axis=0)], axis=1)
    weights = by_concept.sum(axis=1) / by_concept.sum()
    table = Table({"digit": digit, "shape": shape, "colour": colour}, code)
    halves = [code[train], {k: v[train] for k, v in table.concepts.items()}]
    halves += [code[test], {k: v[test] for k, v in table.concepts.items()}]
    scores = dci(*halves, stages=3)
    expected = {
        "disentanglement": weights @ [certainty(row) for row in by_concept],
        "completeness": np.mean([*map(certainty, importance), np.mean([*map(certainty, components)])]),
        "informativeness": np.mean(accuracy),
    }
    assert list(scores) == list(expected)
    for name, value in expected.items():
        assert scores[name].value == pytest.approx(value, abs=1e-8), name
    assert scores["informativeness"].details["concept/digit"] == pytest.approx(accuracy[0])


@pytest.mark.usefixtures("few_blocks")
def test_a_perfect_code(table: Table) -> None:
    scores = scored(table, stages=20)
    for name, score in scores.items():
        assert score.value > 0.95, name
        assert score.perfect == pytest.approx(score.value, abs=0.03)
        assert score.low <= score.value <= score.high
        assert score.chance < 0.3
    assert scores["informativeness"].details["train"] > 0.97
    assert scores["completeness"].details["concept/colour"] > 0.95


@pytest.mark.usefixtures("few_blocks")
def test_spoilt_codes_from_both_sides(table: Table) -> None:
    perfect = {name: score.value for name, score in scored(table).items()}
    within, across, leaky, double, noise = (
        scored(getattr(table, name)())
        for name in ("rotated_within_colour", "rotated_across", "leaky", "duplicated", "noise")
    )
    assert within["disentanglement"].value > 0.95  # a dimension that serves colour alone, whatever its components
    assert within["completeness"].details["concept/colour"] < 0.8
    assert across["disentanglement"].value < 0.5
    assert across["completeness"].value < 0.5
    assert across["informativeness"].value > noise["informativeness"].value + 0.2
    assert leaky["completeness"].value < perfect["completeness"] - 0.03
    assert double["completeness"].value < 0.8  # equal dimensions share the importance
    assert double["disentanglement"].value > 0.95
    for name, score in noise.items():
        assert score.value == pytest.approx(score.chance, abs=0.1), name
        assert score.value < 0.3


def test_the_interval_is_a_jackknife_that_refits_by_original(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NUM_BLOCKS", 4)
    spoilt = table.rotated_across()
    train, of_train, test, of_test = spoilt.halves()
    groups = np.r_[np.repeat(np.arange(30), 5), 30 + np.repeat(np.arange(30), 5)]
    block = module._blocks(module.checked_halves(train, of_train, test, of_test, groups), seed=0)
    for half in (block[:150], block[150:]):
        assert (half.reshape(30, 5) == half[::5, None]).all()
        assert sorted(np.bincount(half)) == [35, 35, 40, 40]
    left = []
    for number in range(4):
        rest, asked = block[:150] != number, block[150:] != number
        without = [train[rest], {k: v[rest] for k, v in of_train.items()}]
        without += [test[asked], {k: v[asked] for k, v in of_test.items()}]
        left.append(dci(*without, stages=1)["informativeness"].value)
    half = student_t.ppf(0.975, 3) * np.sqrt(3 / 4 * np.sum((np.array(left) - np.mean(left)) ** 2))
    score = scored(spoilt, stages=1, groups=groups)["informativeness"]
    assert score.high - score.value == pytest.approx(half, abs=1e-9)
    assert score.value - score.low == pytest.approx(half, abs=1e-9)


@pytest.mark.usefixtures("few_blocks")
def test_a_single_concept_has_completeness_alone(table: Table) -> None:
    for concepts in ({"digit": table.concepts["digit"]}, {"colour": table.concepts["colour"]}):
        assert list(scored(Table(concepts, table.code))) == ["completeness", "informativeness"]
    single = scored(Table({"digit": table.concepts["digit"]}, table.code[:, :1]))
    assert single["completeness"].value == pytest.approx(1)  # against a constant dimension


def test_concepts_that_go_together_are_not_held_against_a_perfect_code() -> None:
    rng = np.random.default_rng(0)
    digit = rng.integers(4, size=300)
    shape = np.where(rng.uniform(size=300) < 0.8, digit, rng.integers(4, size=300))
    together = Table({"digit": digit, "shape": shape}, np.stack([digit, shape], axis=1) + 0.0)
    for name, score in scored(together).items():
        assert score.value == pytest.approx(score.perfect), name


@pytest.mark.usefixtures("few_blocks")
def test_constant_dimensions_and_codes_that_say_nothing(table: Table) -> None:
    padded = scored(table.with_code(np.hstack([table.code, np.full((300, 5), 0.1)])))
    assert padded["disentanglement"].value > 0.95
    assert padded["completeness"].details["constant_dims"] == "5, 6, 7, 8, 9"
    nothing = scored(table.with_code(np.full((300, 3), 0.1)))
    assert nothing["disentanglement"].value == pytest.approx(0)
    assert nothing["completeness"].value == pytest.approx(0)
    constant = {"smile": np.ones(150, dtype=int)}
    assert dci(table.code[:150], constant, table.code[150:], constant) == {}


@pytest.mark.usefixtures("few_blocks")
def test_neither_units_nor_an_offset_matter(table: Table) -> None:
    plain, far = scored(table, stages=1), scored(table.with_code(1e6 + 1e-3 * table.code), stages=1)
    tiny = scored(table.with_code(1e-9 * table.code), stages=1)
    for name, score in plain.items():
        assert far[name].value == pytest.approx(score.value, abs=1e-3), name
        assert tiny[name].value == pytest.approx(score.value, abs=1e-3), name


@pytest.mark.usefixtures("few_blocks")
def test_one_outlier_row_matters_only_beyond_what_trees_can_split(table: Table) -> None:
    clean = scored(table)
    near, far = table.code.copy(), table.code.copy()
    near[4, 0], far[4, 0] = 1e5, 1e12
    spoilt, lost = scored(table.with_code(near)), scored(table.with_code(far))
    for name, score in clean.items():
        assert spoilt[name].value == pytest.approx(score.value, abs=0.02), name
        assert lost[name].low <= lost[name].value <= lost[name].high, name
        assert lost[name].perfect == score.perfect, name
    told = lost["informativeness"].details
    assert told["concept/digit"] < 0.5
    assert told["concept/shape"] == pytest.approx(clean["informativeness"].details["concept/shape"], abs=0.02)


def test_thirty_rows_with_a_class_in_the_test_half_alone() -> None:
    rng = np.random.default_rng(0)
    label = np.r_[np.zeros(15, dtype=int), np.arange(15) % 3]
    code = np.column_stack([label, rng.normal(size=30)])
    angle = rng.normal(size=30)
    concepts = [{"digit": label[rows], "angle": angle[rows]} for rows in (slice(15), slice(15, None))]
    scores = dci(code[:15], concepts[0], code[15:], concepts[1], stages=STAGES)
    assert scores["informativeness"].details["concept/digit"] == pytest.approx(1 / 3)
    assert scores["informativeness"].details["classes_without_train_row"] == "digit 1, digit 2"
    assert scores["completeness"].details["concept/digit"] == pytest.approx(0)  # no tree, no importance
    assert all(score.low <= score.value <= score.high for score in scores.values())


@pytest.mark.usefixtures("few_blocks")
def test_forty_attributes_and_heavy_imbalance() -> None:
    attributes = (np.random.default_rng(0).uniform(size=(80, 40)) < np.linspace(0.03, 0.5, 40)).astype(int)
    scores = dci(attributes[:40] + 0.0, attributes[:40], attributes[40:] + 0.0, attributes[40:], stages=2)
    for name, score in scores.items():
        assert score.value == pytest.approx(score.perfect, abs=0.02), name
    assert scores["informativeness"].chance > 0.6  # the rate of the commonest class
    assert scores["disentanglement"].value > scores["disentanglement"].chance + 0.2


def test_wrong_arguments_are_refused(table: Table) -> None:
    train, of_train, test, of_test = table.halves()
    with pytest.raises(ValueError, match="stages: found 0"):
        dci(train, of_train, test, of_test, stages=0)
    with pytest.raises(ValueError, match="codes_test: row 0 holds nan"):
        dci(train, of_train, test * np.nan, of_test)
    with pytest.raises(ValueError, match="a half has 1 original"):
        dci(train, of_train, test, of_test, groups=np.r_[np.zeros(150, dtype=int), 1 + np.arange(150)], stages=1)
