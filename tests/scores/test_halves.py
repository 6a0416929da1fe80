import numpy as np
import pytest

from pipeline.scores.literature.halves import checked_halves, halves_of, split_rows
from pipeline.scores.statistics.concepts import as_concepts

from .dims import perfect_table


def test_a_class_of_two_originals_has_one_in_each_half_whatever_the_others_do() -> None:
    rng = np.random.default_rng(0)
    attributes = rng.integers(2, size=(200, 40))
    attributes[:, 3] = np.isin(np.arange(200), [17, 170])
    attributes[:, 8] = np.isin(np.arange(200), [5, 6])
    for seed in range(5):
        train, test = split_rows(as_concepts(attributes, 200), np.arange(200), seed)
        assert sorted([*train, *test]) == list(range(200))
        assert 90 <= len(train) <= 110
        for rows in (train, test):
            assert attributes[rows][:, [3, 8]].sum(axis=0).tolist() == [1, 1]
            assert attributes[rows].mean(axis=0) == pytest.approx(attributes.mean(axis=0), abs=0.1)


def test_originals_stay_whole_and_seeds_differ() -> None:
    index = np.repeat(np.arange(40), 3)
    concepts = as_concepts({"digit": index % 4, "angle": np.linspace(0, 1, 120)}, 120)
    first, again, other = (split_rows(concepts, index, seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not set(index[first]) & set(index[np.setdiff1d(np.arange(120), first)])
    assert np.bincount(index[first] % 4).tolist() == [15, 15, 15, 15]


def test_two_originals_are_the_least_of_a_half() -> None:
    index = np.array([0] * 50 + [1, 2, 3])
    for seed in range(5):
        train, test = split_rows({"digit": index % 2}, index, seed)
        assert min(len(set(index[train])), len(set(index[test]))) == 2
    with pytest.raises(ValueError, match="found 3 originals; at least 4"):
        split_rows({"digit": index[:52] % 2}, index[:52], 0)


def test_permuted_codes_stay_in_their_half_and_with_their_original() -> None:
    groups = np.repeat(np.arange(20), 2)
    code = np.stack([groups, np.arange(40)], axis=1).astype(float)
    halves = halves_of(code, {"digit": groups % 3}, groups, 20)
    permuted = halves.permuted(np.random.default_rng(0))
    assert sorted(halves.train(permuted.code)[:, 1]) == list(range(20))
    assert (permuted.code[::2, 0] == permuted.code[1::2, 0]).all()
    assert not np.array_equal(permuted.code, code)
    left = halves.of_rows(np.array([0, 1, 19, 20, 39]))
    assert left.num_train == 3
    assert left.test(left.code)[:, 1].tolist() == [20, 39]
    assert left.concepts["digit"].tolist() == [0, 0, 0, 1, 1]


def test_wrong_halves_are_refused() -> None:
    train, of_train, test, of_test = perfect_table(60).halves()
    cases = [
        ((train, of_train, test[:, :4], of_test), None, "codes_test: found 4 dimensions; codes_train has 5"),
        (
            (train, of_train, test, {"digit": of_test["digit"]}),
            None,
            r"concepts_test: found digit \(class\); .*3 values",
        ),
        ((train * np.nan, of_train, test, of_test), None, "codes_train: row 0 holds nan"),
        ((train, of_train, test * np.inf, of_test), None, "codes_test: row 0 holds"),
        ((train, of_train, test[:9], of_test), None, "concept 'digit': found int64"),
        ((train, of_train, test, of_test), np.r_[0:30, 100:129, 7], "original 7 has rows in both halves"),
        ((train, of_train, test, of_test), np.arange(30), "one original a row"),
    ]
    for arguments, groups, says in cases:
        with pytest.raises(ValueError, match=says):
            checked_halves(*arguments, groups)


def test_notes_name_what_is_constant_and_classes_without_a_train_row() -> None:
    code = np.stack([np.arange(12.0), np.ones(12)], axis=1)
    concepts = {"digit": np.array([1] * 8 + [1, 2, 7, 1]), "smile": np.ones(12, dtype=int)}
    halves = halves_of(code, concepts, None, 8)
    assert dict(halves.notes) == {
        "constant_concepts": "smile",
        "constant_dims": "1",
        "train_rows": 8,
        "test_rows": 4,
        "classes_without_train_row": "digit 2, digit 7",
    }
