"""Where arrays enter the scores: shapes and finite numbers are checked once, so that the metrics can trust them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.layout import Layout

__all__ = ["checked_codes", "checked_rows"]


def checked_rows(rows: ArrayLike, name: str, num_rows: int | None = None) -> NDArray[np.float64]:
    """`rows` as float64 of the same shape.

    Args:
        rows: numbers [n, …].
        name: what to call them in an error.
        num_rows: n, where another array fixed it.

    Raises:
        ValueError: if there is no row, another number of rows, or a number that is not finite.
    """
    array = np.asarray(rows, dtype=np.float64)
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(f"{name}: found shape {array.shape}; at least one row is needed")
    if num_rows is not None and len(array) != num_rows:
        raise ValueError(f"{name}: found {len(array)} rows; {num_rows} are expected")
    if not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"{name}: row {where[0]} holds {array[tuple(where)]}; finite numbers are expected")
    return array


def checked_codes(codes: ArrayLike, layout: Layout, name: str = "codes") -> NDArray[np.float64]:
    """`codes` as float64 [n, N]; ValueError unless they are finite and N is that of the layout."""
    array = checked_rows(codes, name)
    if array.ndim != 2 or array.shape[1] != layout.num_dims:
        raise ValueError(f"{name}: found shape {array.shape}; the layout has {layout.num_dims} dimensions")
    return array
