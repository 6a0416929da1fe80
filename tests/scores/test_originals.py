import numpy as np
import pytest

from pipeline.scores.statistics.originals import original_index, original_sums, permuted_rows


def test_index_has_no_gaps_and_follows_the_originals() -> None:
    assert original_index([70, -3, 70, 12], 4).tolist() == [2, 0, 2, 1]
    assert original_index(None, 3).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="one original a row"):
        original_index([1, 2], 3)


def test_sums_by_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    index = original_index(rng.integers(7, size=40), 40)
    rows = rng.normal(size=(40, 3))
    expected = [sum(rows[i] for i in range(40) if index[i] == g) for g in range(index.max() + 1)]
    np.testing.assert_allclose(original_sums(rows, index), expected)


def test_permutation_of_single_rows_takes_each_once_and_moves_them() -> None:
    source = permuted_rows(np.arange(50), np.random.default_rng(0))
    assert sorted(source) == list(range(50))
    assert (source != np.arange(50)).sum() > 40


def test_permutation_hands_whole_originals_over() -> None:
    rng = np.random.default_rng(0)
    index = original_index(rng.integers(12, size=60), 60)  # of unequal sizes
    source = permuted_rows(index, rng)
    donors = [set(index[source[index == g]]) for g in range(12)]
    assert all(len(donor) == 1 for donor in donors)
    assert set.union(*donors) == set(range(12))
    for g in range(12):  # as many different rows as the smaller of the two has
        rows = source[index == g]
        assert len(set(rows)) == min(len(rows), (index == index[rows[0]]).sum())


def test_permutation_breaks_what_tells_the_rows_of_an_original_apart() -> None:
    index, style = np.repeat(np.arange(400), 3), np.tile(np.arange(3), 400)
    source = permuted_rows(index, np.random.default_rng(0))
    assert (index[source].reshape(400, 3) == index[source].reshape(400, 3)[:, :1]).all()
    assert (np.sort(style[source].reshape(400, 3), axis=1) == np.arange(3)).all()
    assert 0.29 < (style[source] == style).mean() < 0.38, "a third by chance"
