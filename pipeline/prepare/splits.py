"""Train, validation and test rows, split by original and stratified, so that copies of one image stay together."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from pipeline.errors import InputError

__all__ = ["split_originals"]


def split_originals(
    strata: NDArray[np.int64], val_share: float, test_share: float, seed: int, max_images: int | None = None
) -> dict[str, NDArray[np.int64]]:
    """Row numbers of the originals of each split, sorted.

    Args:
        strata: one label an original [n]; each split keeps their shares.
        val_share: share of the validation split.
        test_share: share of the test split.
        seed: of the shuffle.
        max_images: use only so many originals, drawn with the same stratification.

    Raises:
        InputError: if a split would get fewer images than there are strata, or a stratum has too few to be split.
    """
    rows = np.arange(len(strata))
    state = seed % 2**32
    if max_images is not None and max_images < len(rows):
        rows, _ = _split(rows, strata, state, train_size=max_images)
    held, test_size = round((val_share + test_share) * len(rows)), round(test_share * len(rows))
    sizes = {"train": len(rows) - held, "val": held - test_size, "test": test_size}
    smallest, num_strata = min(sizes, key=lambda split: sizes[split]), len(np.unique(strata))
    if sizes[smallest] < num_strata:
        raise InputError(
            f"data.max_images: {len(rows)} images give split {smallest} {sizes[smallest]}, "
            f"expected at least {num_strata}, one a class"
        )
    train, rest = _split(rows, strata, state, test_size=held)
    val, test = _split(rest, strata, state, test_size=test_size)
    return {"train": np.sort(train), "val": np.sort(val), "test": np.sort(test)}


def _split(
    rows: NDArray[np.int64], strata: NDArray[np.int64], state: int, **size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two parts of rows with the shares of their strata."""
    try:
        first, second = train_test_split(rows, stratify=strata[rows], random_state=state, **size)
    except ValueError as error:  # a class of one image, or more classes than a part has images
        raise InputError(f"data: {len(rows)} images can't be split with the share of each class ({error})") from None
    return first, second
