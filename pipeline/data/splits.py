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
        InputError: if a split would get fewer images than there are strata.
    """
    rows = np.arange(len(strata))
    state = seed % 2**32
    if max_images is not None and max_images < len(rows):
        rows, _ = train_test_split(rows, train_size=max_images, stratify=strata, random_state=state)
    held, test_size = round((val_share + test_share) * len(rows)), round(test_share * len(rows))
    sizes = {"train": len(rows) - held, "val": held - test_size, "test": test_size}
    smallest, num_strata = min(sizes, key=lambda split: sizes[split]), len(np.unique(strata))
    if sizes[smallest] < num_strata:
        raise InputError(
            f"data.max_images: {len(rows)} images give split {smallest} {sizes[smallest]}, "
            f"expected at least {num_strata}, one a class"
        )
    train, rest = train_test_split(rows, test_size=held, stratify=strata[rows], random_state=state)
    val, test = train_test_split(rest, test_size=test_size, stratify=strata[rest], random_state=state)
    return {"train": np.sort(train), "val": np.sort(val), "test": np.sort(test)}
