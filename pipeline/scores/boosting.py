"""Gradient-boosted trees, those of scikit-learn's `GradientBoostingClassifier` and `-Regressor` at their defaults.

Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 29, 2001: trees of depth 3,
learning rate .1, log loss or squared error, exact splits, importance by the decrease of squared error. They are written
out here for their speed alone: scikit-learn sorts every dimension anew in each node of each tree, this sorts once and
keeps the order, which makes the refits of a jackknife affordable. Codes are standardised, which trees do not see, so
that no threshold depends on units. Equal splits (a duplicated dimension) are chosen between by chance, as there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.scores.concepts import varying_dims

__all__ = ["Boosted", "boosted_classes", "boosted_values"]

_DEPTH = 3
_NUM_SPLITS = 2**_DEPTH - 1
_LEARNING_RATE = 0.1
_SAME = 1e-7  # of a standard deviation: two values that are no further apart are not split between
_TIE = 1e-10  # relative: improvements that are no further apart are equal


@dataclass(frozen=True)
class Boosted:
    """What a fitted ensemble says.

    Attributes:
        importance: of each dimension [N], with sum 1; all 0 where no tree found a split.
        fitted, held: predictions for the rows fitted to, and for the others; class numbers or values.
    """

    importance: NDArray[np.float64]
    fitted: NDArray[Any]
    held: NDArray[Any]


def boosted_classes(
    code: NDArray[np.float64],
    label: NDArray[np.intp],
    held: NDArray[np.float64],
    stages: int,
    rng: np.random.Generator,
) -> Boosted:
    """Boosted classification: one tree a stage for two classes, one a class and stage for more.

    Args:
        code: rows to fit to [n, N].
        label: their classes [n], any integers; where all are one class, that is the prediction.
        held: rows to predict [m, N].
        stages: of boosting.
        rng: chooses between equal splits.
    """
    classes, place = np.unique(label, return_inverse=True)
    num_classes = len(classes)
    if num_classes == 1:
        return Boosted(np.zeros(code.shape[1]), np.full(len(code), classes[0]), np.full(len(held), classes[0]))
    member = np.eye(num_classes)[place]
    prior = np.log(member.mean(axis=0))
    if num_classes == 2:  # one tree for the log odds of the second class
        member, prior = member[:, 1:], prior[1:] - prior[:1]

    def gradient(raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return member - _probability(raw)

    def leaf_value(residual: NDArray[np.float64], leaf: NDArray[np.intp], column: int) -> NDArray[np.float64]:
        probability = member[:, column] - residual
        curvature = _leaf_sums(leaf, probability * (1 - probability))
        share = 1 if num_classes == 2 else (num_classes - 1) / num_classes
        return share * _leaf_sums(leaf, residual) / np.where(curvature > 0, curvature, np.inf)

    importance, raw, raw_held = _boost(code, held, prior, gradient, leaf_value, stages, rng)
    chosen = [(r[:, 0] > 0).astype(int) if num_classes == 2 else r.argmax(axis=1) for r in (raw, raw_held)]
    return Boosted(importance, classes[chosen[0]], classes[chosen[1]])


def boosted_values(
    code: NDArray[np.float64],
    value: NDArray[np.float64],
    held: NDArray[np.float64],
    stages: int,
    rng: np.random.Generator,
) -> Boosted:
    """Boosted regression of one value [n], arguments as of `boosted_classes`."""

    def leaf_value(residual: NDArray[np.float64], leaf: NDArray[np.intp], _: int) -> NDArray[np.float64]:
        return _leaf_sums(leaf, residual) / np.maximum(_leaf_sums(leaf, np.ones(len(leaf))), 1)

    importance, raw, raw_held = _boost(
        code, held, np.array([value.mean()]), lambda raw: value[:, None] - raw, leaf_value, stages, rng
    )
    return Boosted(importance, raw[:, 0], raw_held[:, 0])


def _probability(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities [n, M] of raw predictions: a logistic for one column, a softmax for more."""
    if raw.shape[1] == 1:
        return np.asarray(1 / (1 + np.exp(-raw)))
    likelihood = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(likelihood / likelihood.sum(axis=1, keepdims=True))


def _leaf_sums(leaf: NDArray[np.intp], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums [leaves] of rows [n] over the rows of each leaf."""
    return np.asarray(np.bincount(leaf, rows, minlength=_NUM_SPLITS + 1), dtype=np.float64)


def _boost(
    code: NDArray[np.float64],
    held: NDArray[np.float64],
    start: NDArray[np.float64],
    gradient: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    leaf_value: Callable[[NDArray[np.float64], NDArray[np.intp], int], NDArray[np.float64]],
    stages: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Importance [N], and raw predictions [n, M] and [m, M] of M trees a stage that start from `start` [M]."""
    scale = np.where(varying_dims(code), code.std(axis=0), np.inf)
    loc = code.mean(axis=0)
    columns, columns_held = (
        np.ascontiguousarray(((code - loc) / scale).T),
        np.ascontiguousarray(((held - loc) / scale).T),
    )
    order = np.argsort(columns, axis=1, kind="stable")
    ordered = np.take_along_axis(columns, order, axis=1)
    importance, space = np.zeros(len(columns)), np.empty(2 * order.size)
    raw, raw_held = np.tile(start, (len(code), 1)), np.tile(start, (len(held), 1))
    for _ in range(stages):
        residuals = gradient(raw)
        for column in range(len(start)):
            residual = np.ascontiguousarray(residuals[:, column])
            feature, threshold, gain = _grown(order, ordered, residual, space, rng)
            np.add.at(importance, feature, gain)
            leaf = _leaves(columns, feature, threshold)
            value = _LEARNING_RATE * leaf_value(residual, leaf, column)
            raw[:, column] += value[leaf]
            raw_held[:, column] += value[_leaves(columns_held, feature, threshold)]
    total = importance.sum()
    return importance / total if total > 0 else importance, raw, raw_held


def _grown(
    order: NDArray[np.intp],
    ordered: NDArray[np.float64],
    residual: NDArray[np.float64],
    space: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """A tree as dimension, threshold and gain of each split, breadth first; where there is none, all rows go left.

    Args:
        order: row numbers [N, n], sorted by each dimension.
        ordered: the values [N, n] in that order.
        residual: what the tree is fitted to [n].
        space: overwritten [2 · N · n]; arrays of this size are dear to ask for anew in each node.
        rng: chooses between equal splits.
    """
    feature = np.zeros(_NUM_SPLITS, dtype=np.intp)
    threshold, gain = np.full(_NUM_SPLITS, np.inf), np.zeros(_NUM_SPLITS)
    goes_left = np.empty(len(residual), dtype=bool)
    nodes = {0: (order, ordered)}
    for node in range(_NUM_SPLITS):
        if node not in nodes:
            continue
        rows, values = nodes.pop(node)
        found = _best_split(residual, rows, values, space, rng)
        if found is None:
            continue
        dim, left, gain[node] = found
        feature[node], threshold[node] = dim, (values[dim, left - 1] + values[dim, left]) / 2
        if 2 * node + 2 < _NUM_SPLITS:
            goes_left[rows[dim]] = np.arange(rows.shape[1]) < left
            of_left = goes_left[rows]
            for child, mask in ((2 * node + 1, of_left), (2 * node + 2, ~of_left)):
                places = np.flatnonzero(mask)  # faster than the mask itself
                nodes[child] = (rows.take(places).reshape(len(rows), -1), values.take(places).reshape(len(rows), -1))
    return feature, threshold, gain


def _best_split(
    residual: NDArray[np.float64],
    rows: NDArray[np.intp],
    values: NDArray[np.float64],
    space: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[int, int, float] | None:
    """The dimension, how many rows go left, and by how much the squared error of a node's residuals falls.

    `rows` and `values` [N, m] are the node's, sorted by each dimension; `space` is overwritten. None where no split is.
    """
    num_rows = rows.shape[1]
    here = residual[rows[0]]
    if num_rows < 2 or here.var() <= np.finfo(np.float64).eps:
        return None
    left = np.arange(1, num_rows)
    gain = np.take(residual, rows, out=space[: rows.size].reshape(rows.shape), mode="clip")
    gain = np.cumsum(gain, axis=1, out=gain)[:, :-1]
    gain -= here.mean() * left
    gain *= gain
    gain *= num_rows / (left * (num_rows - left))
    step = space[rows.size : rows.size + gain.size].reshape(gain.shape)
    gain[np.subtract(values[:, 1:], values[:, :-1], out=step) <= _SAME] = -1
    best = gain.max(axis=1)
    largest = best.max()
    if largest < 0:
        return None
    dim = int(rng.choice(np.flatnonzero(best >= largest * (1 - _TIE))))
    return dim, int(gain[dim].argmax()) + 1, float(gain[dim].max())


def _leaves(
    columns: NDArray[np.float64], feature: NDArray[np.intp], threshold: NDArray[np.float64]
) -> NDArray[np.intp]:
    """The leaf [n], 0 to 7, of each row of columns [N, n]."""
    rows = np.arange(columns.shape[1])
    node = np.zeros(len(rows), dtype=np.intp)
    for _ in range(_DEPTH):
        node = 2 * node + 1 + (columns[feature[node], rows] > threshold[node])
    return np.asarray(node - _NUM_SPLITS)
