"""What the plug-in scores (MIG, modularity, IRS) share: numbers in bins, and a statistic that becomes a score.

Numbers go into 20 bins of equal width. This is the discretisation of Locatello et al., Challenging common assumptions
in the unsupervised learning of disentangled representations, ICML 2019 (disentanglement_lib): the edges of numpy's
histogram over each dimension's own range. One far outlier sets the range, and nearly all rows then share one bin: a
dimension where that happened is called collapsed, and the scores name it.

Value: the statistic of all rows. Interval: delete-group jackknife by original (a bootstrap repeats rows, which raises
mutual information). Chance: mean over codes handed to other originals, so that it holds the estimate's bias at this
number of rows. Perfect: the statistic of a code made of the labels, so that concepts which go together, or more
categories than bins, are not held against a code.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from pipeline.scores.statistics.concepts import as_concepts, checked_rows, perfect_code, varying_concepts, varying_dims
from pipeline.scores.statistics.intervals import jackknife_interval
from pipeline.scores.statistics.originals import original_index, permuted_rows
from pipeline.scores.statistics.score import Score

__all__ = [
    "NUM_BINS",
    "Concepts",
    "Measurement",
    "bins_of",
    "checked_table",
    "collapsed_dims",
    "labels_of",
    "listed",
    "mutual_information",
    "notes_on",
    "plug_in_score",
    "within_unit",
]

NUM_BINS = 20
_NEARLY_ALL = 0.95
_NO_INFORMATION = 1e-12  # nats; below it a sum of p log(p / q) is rounding

Concepts = Mapping[str, NDArray[Any]]

Measurement = tuple[float, dict[str, float]]  # a value, and what details say beside it

_NUM_PERMUTATIONS = 10
_LISTED = 10


def bins_of(numbers: NDArray[np.float64]) -> NDArray[np.intp]:
    """Bin [n, D], 0 to 19, of each number [n, D]; a dimension that does not vary is all in bin 0."""
    bins = np.zeros(numbers.shape, dtype=np.intp)
    varies = varying_dims(numbers)
    varying = numbers[:, varies]
    edges = np.linspace(varying.min(axis=0), varying.max(axis=0), NUM_BINS + 1)
    share = (varying - edges[0]) * (NUM_BINS / (edges[-1] - edges[0]))
    guess = np.clip(share.astype(np.intp), 0, NUM_BINS - 1)
    # The edges decide, not the division: rounding may have put a number on the wrong side of one.
    guess = guess - (varying < np.take_along_axis(edges, guess, axis=0))
    guess += (varying >= np.take_along_axis(edges, guess + 1, axis=0)) & (guess < NUM_BINS - 1)
    bins[:, varies] = guess
    return bins


def labels_of(concept: NDArray[Any]) -> NDArray[np.intp]:
    """Labels [n, D] of a concept as from `as_concepts`: its categories (D = 1), or each component in 20 bins."""
    return concept[:, None] if concept.ndim == 1 else bins_of(concept)


def mutual_information(bins: NDArray[np.intp], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Plug-in mutual information [d], in nats, of each dimension's bins [n, d] and one set of labels [n].

    It is biased upwards where cells outnumber rows; the scores measure by permutation how much.
    """
    classes, label = np.unique(labels, return_inverse=True)
    information = np.empty(bins.shape[1])
    for dim in range(bins.shape[1]):
        counts = np.bincount(bins[:, dim] * len(classes) + label, minlength=NUM_BINS * len(classes))
        joint = counts.reshape(NUM_BINS, -1) / len(label)
        product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
        information[dim] = rel_entr(joint, product).sum()
    return np.where(information > _NO_INFORMATION, information, 0)


def collapsed_dims(numbers: NDArray[np.float64]) -> list[int]:
    """Dimensions of numbers [n, D] that vary, but have more than 95 % of their rows in one of the 20 bins."""
    bins = bins_of(numbers)
    varies = varying_dims(numbers)
    largest = [np.bincount(bins[:, dim]).max() / len(bins) for dim in range(bins.shape[1])]
    return [dim for dim, share in enumerate(largest) if varies[dim] and share > _NEARLY_ALL]


def checked_table(
    codes: ArrayLike, concepts: Mapping[str, ArrayLike] | ArrayLike, name: str = "codes"
) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]]]:
    """Codes [n, N] and all concepts; ValueError where codes are not finite rows of numbers, or a concept is none."""
    code = checked_rows(codes, name)
    if code.ndim != 2 or code.shape[1] == 0:
        raise ValueError(f"{name}: found shape {code.shape}; rows of numbers (n, N) are expected")
    return code, as_concepts(concepts, len(code))


def plug_in_score(
    statistic: Callable[[NDArray[np.float64], Concepts], Measurement],
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
    varying = varying_concepts(everything)
    if len(varying) < least_concepts:
        return None
    index = original_index(groups, len(code))

    def of_rows(rows: NDArray[np.intp]) -> float:
        kept = varying_concepts({name: concept[rows] for name, concept in varying.items()})
        return statistic(code[rows], kept)[0] if len(kept) >= least_concepts else 0.0

    value, details = statistic(code, varying)
    low, high = within_unit(*jackknife_interval(of_rows, value, index, seed), value)
    rng = np.random.default_rng(seed)
    chance = [statistic(code[permuted_rows(index, rng)], varying)[0] for _ in range(_NUM_PERMUTATIONS)]
    perfect = statistic(perfect_code(varying), varying)[0]
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
    return {name: listed(things) for name, things in notes.items() if things}


def listed(things: Sequence[object]) -> str:
    """Numbers or names in one line, the first ten of them where there are more."""
    names = [str(thing) for thing in things]
    return ", ".join(names) if len(names) <= _LISTED else f"{', '.join(names[:_LISTED])}, … ({len(names)} in all)"


def within_unit(low: float, high: float, value: float) -> tuple[float, float]:
    """An interval cut to 0 … 1, as far as the value lies there."""
    return min(max(low, 0.0), value), max(min(high, 1.0), value)
