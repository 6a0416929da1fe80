"""Pairs of rows that share a concept, drawn from any table of codes: what `pair_correlation` is measured on.

Rows share a concept where its category or value is equal and their originals differ, as in training. A concept of
values that never repeat has no pairs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SharedPairs", "shared_pairs"]


@dataclass(frozen=True)
class SharedPairs:
    """Row numbers of both members [P], the name of the concept that they share [P], and the rows that have no partner.

    Attributes:
        a, b: row numbers [P].
        concept: names [P].
        alone: for each concept how many rows share it with no other original.
    """

    a: NDArray[np.intp]
    b: NDArray[np.intp]
    concept: NDArray[np.str_]
    alone: Mapping[str, int]


def shared_pairs(
    concepts: Mapping[str, NDArray[Any]], index: NDArray[np.intp], pairs_each: int, seed: int
) -> SharedPairs:
    """`pairs_each` pairs of each concept that has any: a uniform over rows with a partner, b uniform over a's partners.

    Args:
        concepts: categories [n] or values [n, D] by name.
        index: original of each row [n], as from `original_index`.
        pairs_each: pairs of a concept.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    drawn_a, drawn_b, names, alone = [], [], [], {}
    for name, concept in concepts.items():
        group = np.unique(concept, axis=0, return_inverse=True)[1].ravel()
        order = np.lexsort((index, group))
        run = np.unique(np.stack([group, index], axis=1)[order], axis=0, return_inverse=True)[1].ravel()
        group_start, group_size = _spans(group[order])
        run_start, run_size = _spans(run)
        partners = group_size - run_size
        able = np.flatnonzero(partners)
        alone[name] = len(order) - len(able)
        if not len(able):
            continue
        place = able[rng.integers(len(able), size=pairs_each)]
        other = group_start[place] + rng.integers(partners[place])
        other += np.where(other >= run_start[place], run_size[place], 0)  # skips the copies of a's own original
        drawn_a.append(order[place])
        drawn_b.append(order[other])
        names += [name] * pairs_each
    nothing = [np.empty(0, np.intp)]
    return SharedPairs(np.concatenate(drawn_a or nothing), np.concatenate(drawn_b or nothing), np.array(names), alone)


def _spans(sorted_numbers: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each place in a sorted array where the span of equal numbers begins, and how long it is."""
    starts = np.flatnonzero(np.r_[True, sorted_numbers[1:] != sorted_numbers[:-1]])
    sizes = np.diff(np.r_[starts, len(sorted_numbers)])
    return np.repeat(starts, sizes), np.repeat(sizes, sizes)
