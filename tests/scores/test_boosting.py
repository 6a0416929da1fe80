import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from pipeline.scores.boosting import Boosted, boosted_classes, boosted_values


@pytest.fixture(scope="module")
def problem() -> tuple[np.ndarray, np.ndarray]:
    """Enough rows in every node that no two splits are equally good."""
    rng = np.random.default_rng(0)
    code = rng.normal(size=(6000, 4)).astype(np.float32).astype(np.float64)  # scikit-learn's trees read float32
    value = code[:, 0] * code[:, 1] + np.sin(3 * code[:, 2]) + rng.normal(size=6000)
    return code, value


def of_classes(code: np.ndarray, label: np.ndarray, stages: int = 5, seed: int = 0) -> Boosted:
    return boosted_classes(code, label, code[:50], stages, np.random.default_rng(seed))


@pytest.mark.parametrize("num_classes", [2, 4])
def test_classes_are_scikit_learns(problem: tuple[np.ndarray, np.ndarray], num_classes: int) -> None:
    code, value = problem
    label = 3 * np.digitize(value, np.quantile(value, np.arange(1, num_classes) / num_classes)) - 1
    trees = boosted_classes(code[:4000], label[:4000], code[4000:], 4, np.random.default_rng(0))
    known = GradientBoostingClassifier(n_estimators=4).fit(code[:4000], label[:4000])
    assert trees.importance == pytest.approx(known.feature_importances_, abs=1e-9)
    assert (trees.fitted == known.predict(code[:4000])).all()
    assert (trees.held == known.predict(code[4000:])).all()


def test_values_are_scikit_learns(problem: tuple[np.ndarray, np.ndarray]) -> None:
    code, value = problem
    trees = boosted_values(code[:4000], value[:4000], code[4000:], 10, np.random.default_rng(0))
    known = GradientBoostingRegressor(n_estimators=10).fit(code[:4000], value[:4000])
    assert trees.importance == pytest.approx(known.feature_importances_, abs=1e-9)
    assert trees.fitted == pytest.approx(known.predict(code[:4000]), abs=1e-9)
    assert trees.held == pytest.approx(known.predict(code[4000:]), abs=1e-9)


def test_few_rows_with_many_equal_splits_agree_with_scikit_learn_closely() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=200)
    code = np.column_stack([label + 0.5 * rng.normal(size=200), rng.normal(size=(200, 5))])
    trees = of_classes(code, label, stages=20)
    known = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(code, label)
    assert trees.importance == pytest.approx(known.feature_importances_, abs=0.02)
    assert (trees.fitted == known.predict(code)).mean() > 0.98


def test_equal_dimensions_share_the_importance_by_chance() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=300)
    column = label + 0.2 * rng.normal(size=300)
    trees = of_classes(np.stack([column, 5 * column - 3, -column], axis=1), label, stages=40)
    assert trees.importance.sum() == pytest.approx(1)
    assert (trees.importance > 0.15).all()
    again, other = (of_classes(np.stack([column, column], axis=1), label, 5, seed).importance for seed in (0, 1))
    assert not np.array_equal(again, other)
    assert np.array_equal(again, of_classes(np.stack([column, column], axis=1), label, 5, 0).importance)


def test_units_do_not_matter(problem: tuple[np.ndarray, np.ndarray]) -> None:
    code, value = problem
    label = (value > 0).astype(int)
    plain, tiny = of_classes(code, label), of_classes(1e-9 * code, label)
    assert tiny.importance == pytest.approx(plain.importance)


def test_nothing_to_split_and_nothing_to_tell() -> None:
    label = np.arange(30) % 2
    constant = of_classes(np.full((30, 2), 0.1), label)
    assert constant.importance.tolist() == [0, 0]
    single = of_classes(np.arange(60.0).reshape(30, 2), np.full(30, 7))
    assert single.importance.tolist() == [0, 0]
    assert set(single.held) == set(single.fitted) == {7}
    flat = boosted_values(np.arange(30.0)[:, None], np.full(30, 2.0), np.zeros((3, 1)), 5, np.random.default_rng(0))
    assert flat.importance.tolist() == [0]
    assert flat.held.tolist() == [2, 2, 2]
