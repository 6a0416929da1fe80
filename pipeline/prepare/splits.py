"""Train, validation and test rows, split by original and stratified, so that copies of one image stay together."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from pipeline.errors import InputError
from pipeline.tables.parquet import SPLITS

__all__ = ["split_originals"]


def split_originals(
    strata: NDArray[np.int64],
    val_share: float,
    test_share: float,
    seed: int,
    max_images: int | None = None,
    given: NDArray[np.int64] | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Row numbers of the originals of each split, sorted.

    Args:
        strata: one label an original [n]; each split keeps their shares.
        val_share: share of the validation split.
        test_share: share of the test split.
        seed: of the shuffle.
        max_images: use only so many originals, drawn with the same stratification.
        given: the split that each original is in already [n], by its number in `SPLITS`; a share is then one of the
            training images, and counts where no image is in that split. None: none is in one.

    Raises:
        InputError: if a split would get fewer images than there are strata, a stratum has too few to be split, or none
            of the images is given for training.
    """
    rows = np.arange(len(strata))
    state = seed % 2**32
    if max_images is not None and max_images < len(rows):
        both = strata if given is None else strata * len(SPLITS) + given
        rows, _ = _split(rows, both, state, train_size=max_images)
    splits: dict[str, NDArray[np.int64]] = {}
    if given is not None:
        splits = {name: rows[given[rows] == number] for number, name in enumerate(SPLITS)}
        rows = splits.pop("train")
        splits = {name: part for name, part in splits.items() if len(part)}
        if not len(rows):
            raise InputError(f"data.path: folders of the splits {', '.join(splits)}, but none for train")
    shares = {"val": val_share, "test": test_share}
    shares = {name: share for name, share in shares.items() if name not in splits}
    held, test_size = round(sum(shares.values()) * len(rows)), round(shares.get("test", 0) * len(rows))
    sizes = {"train": len(rows) - held, "val": held - test_size, "test": test_size}
    sizes = {name: size for name, size in sizes.items() if name not in splits}
    smallest, num_strata = min(sizes, key=lambda split: sizes[split]), len(np.unique(strata[rows]))
    if sizes[smallest] < num_strata:
        raise InputError(
            f"data.max_images: {len(rows)} images give split {smallest} {sizes[smallest]}, "
            f"expected at least {num_strata}, one a class"
        )
    if held:
        rows, drawn = _split(rows, strata, state, test_size=held)
        for name in ("val", "test"):
            if name in shares:
                splits[name] = drawn
        if len(shares) == 2:
            splits["val"], splits["test"] = _split(drawn, strata, state, test_size=test_size)
    return {"train": np.sort(rows)} | {name: np.sort(splits[name]) for name in ("val", "test")}


def _split(
    rows: NDArray[np.int64], strata: NDArray[np.int64], state: int, **size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two parts of rows with the shares of their strata."""
    try:
        first, second = train_test_split(rows, stratify=strata[rows], random_state=state, **size)
    except ValueError as error:  # a class of one image, or more classes than a part has images
        raise InputError(f"data: {len(rows)} images can't be split with the share of each class ({error})") from None
    return first, second
