"""What a judge sees, concept by concept, checked where it enters a score."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.scores.statistics.concepts import checked_rows

__all__ = ["Judged", "harmonic_mean", "is_classes", "judged_rows", "nearer"]

Judged = dict[str, NDArray[np.float64]]
"""By concept, [n, D], a class as one number."""


def is_classes(judged: ArrayLike) -> bool:
    """Whether a concept is judged by class (integers) rather than by value (floats)."""
    return np.asarray(judged).dtype.kind in "iub"


def judged_rows(
    judged: Mapping[str, ArrayLike], name: str, like: Mapping[str, ArrayLike], concepts: Sequence[str]
) -> Judged:
    """What a judge sees of `concepts`, of the types and shapes of `like`.

    Raises:
        ValueError: a concept is missing, or of another type or shape; the line calls the whole `name`.
    """
    rows: Judged = {}
    for concept in concepts:
        if concept not in judged:
            raise ValueError(f"{name}: the concept '{concept}' is missing; found {', '.join(judged)}")
        seen, wanted = np.asarray(judged[concept]), np.asarray(like[concept])
        if seen.shape != wanted.shape or is_classes(seen) != is_classes(wanted):
            raise ValueError(
                f"{name}: concept '{concept}' is {seen.dtype} of shape {seen.shape}; "
                f"as for the recipient, {wanted.dtype} of shape {wanted.shape} is expected"
            )
        num_rows = len(next(iter(rows.values()))) if rows else None
        checked = checked_rows(seen, f"{name}, concept '{concept}'", num_rows)
        rows[concept] = checked.reshape(len(checked), -1)
    return rows


def nearer(
    seen: NDArray[np.float64], wanted: NDArray[np.float64], other: NDArray[np.float64], *, by_class: bool
) -> NDArray[np.bool_]:
    """Whether what is seen [n, D] is the wanted class, or is strictly nearer (Euclid) to the wanted value [n]."""
    near, far = (np.linalg.norm(seen - of_it, axis=1) for of_it in (wanted, other))
    return np.asarray(near == 0 if by_class else near < far)


def harmonic_mean(follow: NDArray[np.float64], stay: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of two shares [...]; 0 where both are."""
    total = follow + stay
    return np.asarray(np.where(total == 0, 0, 2 * follow * stay / np.where(total == 0, 1, total)))
