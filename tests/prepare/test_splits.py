import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.prepare.splits import split_originals

STRATA = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 100))


def test_each_original_is_in_one_split_and_each_split_sorted() -> None:
    splits = split_originals(STRATA, 0.1, 0.2, seed=0)
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 700, "val": 100, "test": 200}
    assert np.array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(1000))
    assert all((np.diff(rows) > 0).all() for rows in splits.values())


@pytest.mark.parametrize("max_images", [None, 400])
def test_each_split_keeps_the_shares_of_the_strata(max_images: int | None) -> None:
    splits = split_originals(STRATA, 0.1, 0.2, seed=0, max_images=max_images)
    for share, name in ((0.7, "train"), (0.1, "val"), (0.2, "test")):
        expected = share * (max_images or 1000) / 10
        assert np.abs(np.bincount(STRATA[splits[name]], minlength=10) - expected).max() <= 1
    assert sum(map(len, splits.values())) == (max_images or 1000)


def test_the_seed_decides() -> None:
    first, again, other = (split_originals(STRATA, 0.1, 0.2, seed)["test"] for seed in (2**62, 2**62, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("val_share", "test_share", "message"),
    [
        (0.05, 0.2, "data.max_images: 100 images give split val 5, expected at least 10, one a class"),
        (0.2, 0.05, "data.max_images: 100 images give split test 5, expected at least 10, one a class"),
        (0.5, 0.45, "data.max_images: 100 images give split train 5, expected at least 10, one a class"),
    ],
)
def test_a_split_too_small_to_show_each_class_is_refused(val_share: float, test_share: float, message: str) -> None:
    with pytest.raises(InputError) as caught:
        split_originals(STRATA, val_share, test_share, seed=0, max_images=100)
    assert str(caught.value) == message


def test_a_class_of_one_image_is_one_line() -> None:
    strata = np.r_[np.zeros(99, np.int64), 1]
    with pytest.raises(InputError, match="data: 100 images can't be split with the share of each class"):
        split_originals(strata, 0.1, 0.2, seed=0)


GIVEN = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], (600, 150, 250)))


@pytest.mark.parametrize("max_images", [None, 400])
def test_what_is_in_a_split_stays_there(max_images: int | None) -> None:
    splits = split_originals(STRATA, 0.1, 0.2, seed=0, max_images=max_images, given=GIVEN)
    assert sum(map(len, splits.values())) == (max_images or 1000)
    for number, name in enumerate(("train", "val", "test")):
        assert (GIVEN[splits[name]] == number).all()
        assert abs(len(splits[name]) - (600, 150, 250)[number] * (max_images or 1000) / 1000) <= 2
        assert (np.diff(splits[name]) > 0).all()


@pytest.mark.parametrize(("absent", "share"), [("val", 0.1), ("test", 0.2)])
def test_a_split_that_is_not_given_is_drawn_from_train(absent: str, share: float) -> None:
    number = ("train", "val", "test").index(absent)
    given = np.where(number == GIVEN, 0, GIVEN)
    num = int((given == 0).sum())
    splits = split_originals(STRATA, 0.1, 0.2, seed=0, given=given)
    assert len(splits[absent]) == round(share * num)
    assert (given[splits[absent]] == 0).all()
    assert np.array_equal(np.sort(np.r_[splits["train"], splits[absent]]), np.flatnonzero(given == 0))
    per_class = np.bincount(STRATA[splits[absent]], minlength=10) / np.bincount(STRATA[given == 0], minlength=10)
    assert np.abs(per_class - share).max() < 0.02


def test_folders_of_train_alone_are_split_like_no_folders() -> None:
    splits = split_originals(STRATA, 0.1, 0.2, seed=0, given=np.zeros_like(STRATA))
    expected = split_originals(STRATA, 0.1, 0.2, seed=0)
    assert all(np.array_equal(splits[name], expected[name]) for name in expected)


def test_splits_without_train_are_refused() -> None:
    with pytest.raises(InputError, match=r"data\.path: folders of the splits val, test, but none for train"):
        split_originals(STRATA, 0.1, 0.2, seed=0, given=1 + GIVEN % 2)
