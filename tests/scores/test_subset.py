import numpy as np
import pytest

from pipeline.scores.statistics.originals import stratified_rows


def test_a_table_that_fits_is_taken_whole() -> None:
    assert stratified_rows([np.arange(30) % 3], np.arange(30), 30, 0).tolist() == list(range(30))


def test_the_part_is_sorted_drawn_by_seed_and_has_the_asked_size() -> None:
    rng = np.random.default_rng(0)
    classes = [rng.integers(10, size=5000), rng.integers(4, size=5000)]
    first, again, other = (stratified_rows(classes, np.arange(5000), 2000, seed) for seed in (3, 3, 4))
    assert (np.diff(first) > 0).all()
    assert len(first) == len(other) == 2000
    assert (first == again).all()
    assert (first != other).any()


def test_each_class_and_each_combination_keeps_its_share() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.choice(4, p=[0.4, 0.3, 0.2, 0.1], size=8000), rng.integers(5, size=8000)
    rows = stratified_rows([a, b], np.arange(8000), 2000, 0)
    assert np.bincount(a[rows]) / 2000 == pytest.approx(np.bincount(a) / 8000, abs=0.01)
    both = 5 * a + b
    wanted = np.bincount(both) / 4
    assert np.abs(np.bincount(both[rows]) - wanted).max() <= 13  # 10 rows kept of each class, and rounding
    by_chance = np.bincount(both[rng.choice(8000, 2000, replace=False)])
    assert np.abs(by_chance - wanted).max() > 13  # what an unstratified draw misses by


def test_a_rare_class_keeps_ten_rows_and_many_rare_classes_half_of_the_part() -> None:
    rare = np.where(np.arange(20000) < 12, 1, 0)
    rows = stratified_rows([np.arange(20000) % 7, rare], np.arange(20000), 2000, 0)
    assert rare[rows].sum() >= 10
    names = np.r_[np.repeat(np.arange(900), 2), np.full(18200, 900)]  # 900 classes of two rows and a common one
    drawn = stratified_rows([names], np.arange(20000), 2000, 0)
    assert set(names[drawn]) == set(range(901))
    assert (names[drawn] == 900).sum() >= 900


def test_a_row_of_each_original_comes_before_a_second_of_any() -> None:
    index = np.r_[np.repeat(np.arange(600), 5), np.arange(600, 900)]
    rows = stratified_rows([index % 3], index, 2000, 0)
    copies = np.bincount(index[rows], minlength=900)
    assert len(rows) == 2000
    assert set(copies[:600]) == {2, 3}  # 900 first rows, 600 second ones, and 500 of the third
    assert (copies[600:] == 1).all()
    few = stratified_rows([index % 3], index, 500, 0)
    assert np.bincount(index[few]).max() == 1


def test_values_alone_draw_at_random() -> None:
    rows = stratified_rows([], np.arange(5000), 2000, 0)
    assert len(set(rows)) == 2000
    assert rows.mean() == pytest.approx(2500, abs=150)
