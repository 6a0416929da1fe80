"""Explicitness: can each class of a concept be read off the code by a linear model?

A default logistic regression on standardised codes; for each class the area under the ROC curve of its probability in
test rows, against all other classes; the mean over classes, and over concepts. Ridgeway and Mozer, Learning deep
disentangled embeddings with the F-statistic loss, NeurIPS 2018, arXiv 1802.05312, section 3, as in disentanglement_lib
(the paper then maps .5 … 1 to 0 … 1). All dimensions are read together: a rotation changes little.
"""

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own requirement

from pipeline.scores.literature.halves import Halves, checked_halves
from pipeline.scores.literature.plug_in import listed
from pipeline.scores.statistics.intervals import bootstrap_counts, bootstrap_interval
from pipeline.scores.statistics.originals import original_index
from pipeline.scores.statistics.score import Score

__all__ = ["explicitness"]

_NUM_PERMUTATIONS = 3


def explicitness(
    codes_train: ArrayLike,
    concepts_train: Mapping[str, ArrayLike] | ArrayLike,
    codes_test: ArrayLike,
    concepts_test: Mapping[str, ArrayLike] | ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Score | None:
    """`per_dimension/explicitness`, between 0 and 1, or None where no concept has classes that test rows tell apart.

    Chance: .5. Perfect: a code that holds each class one-hot, 1 unless a class has no train row; such a class is given
    no probability, which is .5. A class without a test row does not count. Concepts of values have no classes and are
    left out. Details: `concept/<name>`, the mean over its classes; `left_out`, concepts without a score; what is
    constant.

    Args:
        codes_train, codes_test: [n, N], [m, N].
        concepts_train, concepts_test: by name integer categories or float values, or one array.
        groups: original of each row, train rows first, for resamples and permutations; None where each row is its own.
        seed: of both.

    Raises:
        ValueError: if codes are not finite, the halves do not match, or an original is in both.
    """
    halves = checked_halves(codes_train, concepts_train, codes_test, concepts_test, groups)
    scored = [
        name
        for name, concept in halves.concepts.items()
        if concept.ndim == 1 and len(np.unique(halves.test(concept))) > 1
    ]
    if not scored:
        return None
    with threadpool_limits(1):  # once: to limit the threads takes as long as to fit a small model
        return _score(halves, scored, seed)


def _score(halves: Halves, scored: list[str], seed: int) -> Score:
    """The area of the concepts `scored` with its bracket; resamples are of the originals of the test half."""
    index = halves.test(halves.index)
    test_index = original_index(index, len(index))
    probability = {name: _probability(halves, name, halves.code) for name in scored}
    areas = {name: float(np.mean(_areas(halves, name, probability[name]))) for name in scored}
    value = float(np.mean(list(areas.values())))
    resamples = np.concatenate(
        [
            _mean([_areas(halves, name, probability[name], counts[:, test_index]) for name in scored])
            for counts in bootstrap_counts(int(test_index.max()) + 1, seed)
        ]
    )
    rng = np.random.default_rng(seed)
    chance = [_value(halves, scored, [halves.permuted(rng).code] * len(scored)) for _ in range(_NUM_PERMUTATIONS)]
    one_hot = [np.eye(len(c))[p] for c, p in (np.unique(halves.concepts[n], return_inverse=True) for n in scored)]
    details: dict[str, str | int | float] = {f"concept/{name}": area for name, area in areas.items()}
    if left_out := [name for name in halves.concepts if name not in scored]:
        details["left_out"] = listed(left_out)
    low, high = bootstrap_interval(resamples, value)
    return Score(value, low, high, float(np.mean(chance)), _value(halves, scored, one_hot), {**details, **halves.notes})


def _value(halves: Halves, scored: list[str], codes: list[NDArray[np.float64]]) -> float:
    """The mean over concepts, each read off a code of its own."""
    return float(
        np.mean(
            [
                np.mean(_areas(halves, name, _probability(halves, name, c)))
                for name, c in zip(scored, codes, strict=True)
            ]
        )
    )


def _probability(halves: Halves, name: str, code: NDArray[np.float64]) -> dict[int, NDArray[np.float64]]:
    """For each class of a concept that has test rows, its probability in each of them [m]."""
    truth_train, truth_test = halves.train(halves.concepts[name]), halves.test(halves.concepts[name])
    probability = {int(category): np.zeros(len(truth_test)) for category in np.unique(truth_test)}
    if (truth_train == truth_train[0]).all():
        return probability  # no model can be fitted to a single class
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the default's 100 steps are part of the definition
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(halves.train(code), truth_train)
        predicted = model.predict_proba(halves.test(code))
    by_class = {int(category): predicted[:, column] for column, category in enumerate(model.classes_)}
    return {category: by_class.get(category, nothing) for category, nothing in probability.items()}


def _areas(
    halves: Halves,
    name: str,
    probability: Mapping[int, NDArray[np.float64]],
    counts: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Area under the ROC curve of each class [C, B], in B resamples that hold each test row `counts` [B, m] times."""
    truth = halves.test(halves.concepts[name])
    weights = np.ones((1, len(truth))) if counts is None else counts
    return np.stack([_area(truth == category, given, weights) for category, given in probability.items()])


def _area(positive: NDArray[np.bool_], given: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(a positive row is given more than a negative one), ties one half [B]; NaN where a resample lacks either."""
    order = np.argsort(given, kind="stable")
    starts = np.flatnonzero(np.diff(given[order], prepend=-np.inf))  # of each group of equal numbers
    weights, positive = weights[:, order], positive[order]
    above = np.add.reduceat(weights * positive, starts, axis=1)
    below = np.add.reduceat(weights * ~positive, starts, axis=1)
    won = (above * (np.cumsum(below, axis=1) - below / 2)).sum(axis=1)
    pairs = above.sum(axis=1) * below.sum(axis=1)
    return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1), np.nan)


def _mean(areas: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean over concepts [B] of means over classes of areas [C, B], of those that a resample has."""
    by_concept = []
    for area in areas:
        drawn = ~np.isnan(area)
        by_concept.append(np.where(drawn, area, 0).sum(axis=0) / np.where(drawn.any(axis=0), drawn.sum(axis=0), np.nan))
    return np.asarray(np.mean(by_concept, axis=0))
