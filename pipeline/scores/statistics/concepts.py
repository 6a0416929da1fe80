"""Where arrays enter the scores: shapes and finite numbers are checked once, so that the metrics can trust them.

Concepts are a mapping by name, or a plain array with one concept a column. Integers are categories, floats are values:
a digit is one of ten, a colour is three numbers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.basis.layout import Layout

__all__ = [
    "as_concepts",
    "checked_codes",
    "checked_concept",
    "checked_rows",
    "perfect_code",
    "varying_concepts",
    "varying_dims",
]

_ROUNDING = 1e-12  # of the largest number: a spread below it is rounding


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


def as_concepts(concepts: Mapping[str, ArrayLike] | ArrayLike, num_rows: int) -> dict[str, NDArray[Any]]:
    """Each concept by its name: int64 categories [n], or float64 values [n, D].

    Args:
        concepts: for each name integers (or booleans) [n], or floats [n] or [n, D]; or one array [n, K] whose columns
            are concepts named "0", "1", …, of categories where it holds integers, of one value each where it holds
            floats.
        num_rows: n.

    Raises:
        ValueError: if there is no concept, a shape or type is another, or a value is not finite.
    """
    if not isinstance(concepts, Mapping):
        table = np.asarray(concepts)
        if table.ndim != 2 or len(table) != num_rows:
            raise ValueError(
                f"concepts: found shape {table.shape}; a mapping of names, or one array ({num_rows}, K), is expected"
            )
        concepts = {str(number): column for number, column in enumerate(table.T)}
    if not concepts:
        raise ValueError("concepts: none is given; at least one is needed")
    return {name: checked_concept(name, concept, num_rows) for name, concept in concepts.items()}


def checked_concept(name: str, concept: ArrayLike, num_rows: int) -> NDArray[Any]:
    """One concept as int64 categories [n] or float64 values [n, D].

    Raises:
        ValueError: names the concept if its shape or type is another, or a value is not finite.
    """
    array = np.asarray(concept)
    if array.dtype.kind in "iub" and array.shape == (num_rows,):
        return array.astype(np.int64)
    if array.dtype.kind == "f" and array.ndim in (1, 2) and len(array) == num_rows and array.size:
        return checked_rows(array, f"concept '{name}'").reshape(num_rows, -1)
    raise ValueError(
        f"concept '{name}': found {array.dtype} of shape {array.shape}; integers ({num_rows},) or "
        f"floats ({num_rows}, D) are expected"
    )


def varying_dims(numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which columns [D] of numbers [n, D] vary by more than rounding."""
    return np.asarray(np.ptp(numbers, axis=0) > _ROUNDING * np.abs(numbers).max(axis=0))


def varying_concepts(concepts: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The concepts, as from `as_concepts`, without those of one value in all rows and without constant components."""
    kept = {}
    for name, concept in concepts.items():
        if concept.ndim == 1:
            if (concept != concept[0]).any():
                kept[name] = concept
        elif (varies := varying_dims(concept)).any():
            kept[name] = concept[:, varies]
    return kept


def perfect_code(concepts: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """A code made of the labels [n, dimensions]: one dimension for each categorical concept, one for each component.

    A category is its place among the sorted categories, which dimensions of equal width keep apart up to their number.
    """
    columns = [
        np.unique(concept, return_inverse=True)[1].astype(np.float64)[:, None] if concept.ndim == 1 else concept
        for concept in concepts.values()
    ]
    return np.hstack(columns)
