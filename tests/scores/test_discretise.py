import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from pipeline.scores.literature.plug_in import bins_of, collapsed_dims, mutual_information


def test_bins_are_those_of_numpys_histogram_also_for_numbers_on_an_edge() -> None:
    rng = np.random.default_rng(0)
    columns = [
        rng.normal(size=500),
        rng.integers(21, size=500) / 20,
        np.linspace(-0.3, 0.7, 500),
        1e9 + rng.normal(size=500),
    ]
    columns += [rng.integers(21, size=500) * 0.1 * scale + shift for scale, shift in ((1, 0), (3, 1), (1 / 7, -0.3))]
    numbers = np.stack(columns, axis=1)
    expected = [np.digitize(column, np.histogram(column, 20)[1][:-1]) - 1 for column in columns]
    np.testing.assert_array_equal(bins_of(numbers), np.stack(expected, axis=1))


def test_a_constant_dimension_and_one_that_varies_by_rounding_are_one_bin() -> None:
    numbers = np.stack([np.full(30, 0.1), 1e6 + 1e-10 * np.arange(30), np.zeros(30)], axis=1)
    assert not bins_of(numbers).any()
    assert collapsed_dims(numbers) == []


def test_information_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    bins, labels = rng.integers(20, size=(300, 4)), rng.choice([-3, 5, 900], size=300)
    bins[:, 1] = np.searchsorted([-3, 5, 900], labels)
    expected = [mutual_info_score(labels, column) for column in bins.T]
    assert mutual_information(bins, labels) == pytest.approx(expected, abs=1e-12)


def test_no_information_is_exactly_zero() -> None:
    bins = np.stack([np.zeros(42, dtype=int), np.arange(42) % 3], axis=1)
    assert mutual_information(bins, np.arange(42) // 3).tolist() == [0, 0]  # constant, and every cell filled alike


def test_one_outlier_collapses_its_dimension() -> None:
    numbers = np.random.default_rng(0).normal(size=(30, 3))
    assert collapsed_dims(numbers) == []
    numbers[7, 1] = 1e6
    assert collapsed_dims(numbers) == [1]
