import numpy as np
import pytest

from pipeline.interpret.subject import distinct_rows, rows_of_contrast


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_classes_have_each_class_once_before_any_twice(seed: int) -> None:
    labels = np.random.default_rng(1).integers(0, 10, 500)
    rows = distinct_rows(np.arange(500), [labels], 14, seed)
    assert len(set(rows)) == 14
    assert len(set(labels[rows[:10]])) == 10


def test_rows_of_values_are_far_apart() -> None:
    values = np.random.default_rng(1).random((500, 3)).astype(np.float32)
    rows = distinct_rows(np.arange(500), [values], 8, seed=0)
    distance = np.linalg.norm(values[rows][:, None] - values[rows][None], axis=-1)[~np.eye(8, dtype=bool)]
    at_random = np.linalg.norm(values[:8][:, None] - values[:8][None], axis=-1)[~np.eye(8, dtype=bool)]
    assert distance.min() > 0.5 > 2 * at_random.min()


def test_rows_follow_the_seed() -> None:
    labels = np.arange(500) % 10
    first = distinct_rows(np.arange(500), [labels], 8, seed=4)
    assert np.array_equal(first, distinct_rows(np.arange(500), [labels], 8, seed=4))
    assert not np.array_equal(first, distinct_rows(np.arange(500), [labels], 8, seed=5))


def test_only_given_rows_are_taken_and_no_more_than_there_are() -> None:
    rows = distinct_rows(np.array([3, 7, 11]), [np.arange(20)], 8, seed=0)
    assert sorted(rows) == [3, 7, 11]


def test_images_of_low_contrast_are_passed_over() -> None:
    pixels = np.full((6, 4, 4, 3), 128, dtype=np.uint8)
    pixels[[0, 2, 5], :2] = np.array([0, 40, 255], dtype=np.uint8)[:, None, None, None]
    pixels[1, 0, 0] = 130
    assert rows_of_contrast(pixels).tolist() == [0, 2, 5]
