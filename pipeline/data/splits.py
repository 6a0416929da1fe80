"""Train, validation and test rows, split by original and stratified, so that copies of one image stay together."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

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
    """
    rows = np.arange(len(strata))
    state = seed % 2**32
    if max_images is not None and max_images < len(rows):
        rows, _ = train_test_split(rows, train_size=max_images, stratify=strata, random_state=state)
    held = round((val_share + test_share) * len(rows))
    train, rest = train_test_split(rows, test_size=held, stratify=strata[rows], random_state=state)
    test_size = round(test_share * len(rows))
    val, test = train_test_split(rest, test_size=test_size, stratify=strata[rest], random_state=state)
    return {"train": np.sort(train), "val": np.sort(val), "test": np.sort(test)}
