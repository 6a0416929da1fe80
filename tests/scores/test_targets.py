import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from pipeline.scores.statistics.intervals import bootstrap_sums
from pipeline.scores.statistics.originals import original_index
from pipeline.scores.statistics.targets import NUM_FOLDS, Classes, Values, folds_by_original, target_of


def test_classes_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice([3, 7, 11, 20], p=[0.7, 0.1, 0.1, 0.1], size=200)
    target = target_of("digit", labels, 200)
    assert isinstance(target, Classes)
    guess = np.where(rng.uniform(size=200) < 0.5, target.truth, rng.integers(4, size=200))
    expected = balanced_accuracy_score(target.truth, guess, adjusted=True)
    assert target.score(target.sums(guess).sum(axis=0)) == pytest.approx(expected)


def test_values_agree_with_scikit_learn_in_any_unit() -> None:
    rng = np.random.default_rng(0)
    colour = rng.uniform(size=(200, 3)) * [1, 100, 1e-3] + 5
    target = target_of("colour", colour, 200)
    assert isinstance(target, Values)
    guess = colour + rng.normal(size=(200, 3)) * [0.1, 30, 2e-4]
    standard = (guess - colour.mean(axis=0)) / colour.std(axis=0)
    assert target.score(target.sums(standard).sum(axis=0)) == pytest.approx(r2_score(colour, guess))


def test_resampled_sums_score_like_resampled_rows() -> None:
    """A bootstrap by products of sums equals scikit-learn on the rows of each resample, repeated as often as drawn."""
    rng = np.random.default_rng(0)
    groups = rng.integers(15, size=60)
    index = original_index(groups, 60)
    counts = bootstrap_sums(np.eye(60), 3, groups, 20).astype(int)  # how often each row is in each resample
    assert (counts[:, index == 0] == counts[:, index == 0][:, :1]).all()
    classes, values = target_of("c", rng.integers(3, size=60), 60), target_of("v", rng.normal(size=(60, 2)), 60)
    guess_c = np.where(rng.uniform(size=60) < 0.6, classes.truth, rng.integers(3, size=60))
    guess_v = values.truth + rng.normal(size=(60, 2)) * 0.5
    by_sums_c = classes.score(bootstrap_sums(classes.sums(guess_c), 3, groups, 20))
    by_sums_v = values.score(bootstrap_sums(values.sums(guess_v), 3, groups, 20))
    for number, count in enumerate(counts):
        rows = np.repeat(np.arange(60), count)
        by_rows_c = balanced_accuracy_score(classes.truth[rows], guess_c[rows], adjusted=True)
        assert by_sums_c[number] == pytest.approx(max(0, by_rows_c))
        assert by_sums_v[number] == pytest.approx(max(0, r2_score(values.truth[rows], guess_v[rows])))


def test_no_score_is_below_zero() -> None:
    classes, values = target_of("c", np.arange(20) % 2, 20), target_of("v", np.linspace(0, 1, 20), 20)
    assert classes.score(classes.sums(1 - classes.truth).sum(axis=0)) == 0
    assert values.score(values.sums(-3 * values.truth).sum(axis=0)) == 0


def test_a_class_missing_from_a_resample_does_not_count() -> None:
    target = target_of("c", np.array([0, 0, 1, 2]), 4)
    sums = target.sums(target.truth)[:3].sum(axis=0)  # no row of class 2
    assert target.score(sums) == 1


def test_a_resample_of_one_value_has_no_score_and_a_constant_component_does_not_count() -> None:
    target = target_of("v", np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]), 3)
    assert target.perfect_code().shape == (3, 1)
    assert np.isnan(target.score(4 * target.sums(target.truth)[0]))
    assert target.score(target.sums(target.truth).sum(axis=0)) == 1


@pytest.mark.parametrize(
    ("concept", "says"),
    [
        (np.full(9, 4), "all rows have the value 4"),
        (np.full((9, 2), 0.1), "all rows have the value"),
        (np.arange(8), "shape"),
        (np.zeros((9, 2), dtype=int), "shape"),
        (np.array(["a"] * 9), "<U1"),
        (np.where(np.arange(9) == 4, np.nan, 1.0), "row 4 holds nan"),
    ],
)
def test_what_is_no_concept_is_refused_by_name(concept: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match="concept 'smile'") as caught:
        target_of("smile", concept, 9)
    assert says in str(caught.value)


@pytest.mark.parametrize("num_classes", [0, 2, 3, 10, 40])  # 0: values
def test_folds_are_those_of_scikit_learn_to_the_row(num_classes: int) -> None:
    rng = np.random.default_rng(num_classes)
    for seed in range(12):
        num = int(rng.integers(40, 400))
        index = original_index(rng.integers(num // int(rng.integers(1, 4)), size=num), num)
        if num_classes:
            labels = rng.choice(num_classes, p=rng.dirichlet(np.ones(num_classes)), size=num)
            target = target_of("digit", labels, num)
            assert isinstance(target, Classes)
            folds = StratifiedGroupKFold(NUM_FOLDS, shuffle=True, random_state=seed)
        else:
            target = target_of("colour", rng.normal(size=(num, 3)), num)
            folds = GroupKFold(NUM_FOLDS, shuffle=True, random_state=seed)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # a class of fewer rows than folds
            expected = list(folds.split(np.zeros(num), getattr(target, "truth", None), index))
        for found, (fitted, held) in zip(folds_by_original(target, index, seed), expected, strict=True):
            assert np.array_equal(found[0], fitted)
            assert np.array_equal(found[1], held)


def test_a_class_of_fewer_rows_than_folds_is_in_no_fold_twice() -> None:
    labels = np.array([0] * 3 + [1] * 3 + [2] * 4)
    folds = folds_by_original(target_of("digit", labels, 10), np.arange(10), 0)
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(10))
