"""What the plug-in scores (MIG, modularity, IRS) share: a statistic of a table becomes a score with its bracket.

Value: the statistic of all rows. Interval: delete-group jackknife by original (a bootstrap repeats rows, which raises
mutual information). Chance: mean over codes handed to other originals, so that it holds the estimate's bias at this
number of rows. Perfect: the statistic of a code made of the labels, so that concepts which go together, or more
categories than bins, are not held against a code.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.scores.checks import checked_rows
from pipeline.scores.concepts import as_concepts, perfect_code, varying_concepts, varying_dims
from pipeline.scores.discretise import collapsed_dims
from pipeline.scores.intervals import jackknife_interval
from pipeline.scores.originals import original_index, permuted_rows
from pipeline.scores.result import Score

__all__ = ["Concepts", "Found", "checked_table", "listed", "notes_on", "plug_in_score", "within_unit"]

Concepts = Mapping[str, NDArray[Any]]
Found = tuple[float, dict[str, float]]  # a value, and what details say beside it

_NUM_PERMUTATIONS = 10
_LISTED = 10


def checked_table(
    codes: ArrayLike, concepts: Mapping[str, ArrayLike] | ArrayLike, name: str = "codes"
) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]]]:
    """Codes [n, N] and all concepts; ValueError where codes are not finite rows of numbers, or a concept is none."""
    code = checked_rows(codes, name)
    if code.ndim != 2 or code.shape[1] == 0:
        raise ValueError(f"{name}: found shape {code.shape}; rows of numbers (n, N) are expected")
    return code, as_concepts(concepts, len(code))


def plug_in_score(
    statistic: Callable[[NDArray[np.float64], Concepts], Found],
    codes: ArrayLike,
    concepts: Mapping[str, ArrayLike] | ArrayLike,
    groups: ArrayLike | None,
    seed: int,
    least_concepts: int = 1,
) -> Score | None:
    """The score of a statistic, or None where fewer than `least_concepts` concepts vary.

    Args:
        statistic: of a code [n, N] and concepts that vary in its rows; 1 at most.
        codes: [n, N].
        concepts: as `as_concepts` reads them.
        groups: original of each row [n]; None where each row is its own.
        seed: of permutations and jackknife blocks.
        least_concepts: how many concepts the statistic compares.

    Raises:
        ValueError: if codes are not finite, a concept is none, or there is one original only.
    """
    code, everything = checked_table(codes, concepts)
    known = varying_concepts(everything)
    if len(known) < least_concepts:
        return None
    index = original_index(groups, len(code))

    def of_rows(rows: NDArray[np.intp]) -> float:
        kept = varying_concepts({name: concept[rows] for name, concept in known.items()})
        return statistic(code[rows], kept)[0] if len(kept) >= least_concepts else 0.0

    value, details = statistic(code, known)
    low, high = within_unit(*jackknife_interval(of_rows, value, index, seed), value)
    rng = np.random.default_rng(seed)
    chance = [statistic(code[permuted_rows(index, rng)], known)[0] for _ in range(_NUM_PERMUTATIONS)]
    perfect = statistic(perfect_code(known), known)[0]
    return Score(value, low, high, float(np.mean(chance)), perfect, {**details, **notes_on(code, everything)})


def notes_on(code: NDArray[np.float64], concepts: Concepts, binned: bool = True) -> dict[str, str]:
    """What a reader must know of the table: what is constant and so left out, and where nearly all rows share a bin."""
    varying = varying_concepts(concepts)
    notes: dict[str, Sequence[object]] = {
        "constant_concepts": [name for name in concepts if name not in varying],
        "constant_dims": np.flatnonzero(~varying_dims(code)).tolist(),
    }
    if binned:
        notes["collapsed_dims"] = collapsed_dims(code)
        notes["collapsed_concepts"] = [
            name for name, concept in varying.items() if concept.ndim == 2 and collapsed_dims(concept)
        ]
    return {name: listed(found) for name, found in notes.items() if found}


def listed(found: Sequence[object]) -> str:
    """Numbers or names in one line, the first ten of them where there are more."""
    names = [str(each) for each in found]
    return ", ".join(names) if len(names) <= _LISTED else f"{', '.join(names[:_LISTED])}, … ({len(names)} in all)"


def within_unit(low: float, high: float, value: float) -> tuple[float, float]:
    """An interval cut to 0 … 1, as far as the value lies there."""
    return min(max(low, 0.0), value), max(min(high, 1.0), value)
