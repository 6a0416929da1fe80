"""Interventional robustness: does a dimension stay where it is while its concept is held, whatever else changes?

For each dimension and concept: 1 − E_v[q_.99 |z − E(z | v)|] / max |z − E z|, the mean over the values v of the
concept and the .99 quantile over the rows of that value; for each dimension the largest over concepts; the mean over
dimensions weighted by max |z − E z|. Suter et al., Robustly disentangled causal mechanisms, ICML 2019,
arXiv 1811.00007, with the quantile and the 20 bins of disentanglement_lib. Constant dimensions are left out. Its
weights carry the units of the code: a dimension written in larger numbers counts for more.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.scores.literature.plug_in import Concepts, Measurement, labels_of, plug_in_score
from pipeline.scores.statistics.concepts import varying_dims
from pipeline.scores.statistics.score import Score

__all__ = ["irs"]

_QUANTILE = 0.99


def irs(
    codes: ArrayLike, concepts: Mapping[str, ArrayLike] | ArrayLike, groups: ArrayLike | None = None, seed: int = 0
) -> Score | None:
    """`per_dimension/irs`, 1 at most; 0 for a code that is constant, None where every concept is.

    Chance depends on the shape of a dimension: far above 0 where its tails are long or few rows share a value (a value
    with one row holds each dimension still), a little below 0 where it fills a range evenly.
    Perfect: 1 for categories, about .95 for values, as a bin of 20 leaves a dimension to move within it. Each
    component of a concept of values counts as a concept of its own. Details: `dims/<name>`, how many dimensions are
    robust to that concept most of all; what is constant; concepts that an outlier collapsed into one bin.

    Args:
        codes: [n, N].
        concepts: by name integer categories [n] or float values [n, D], or one array [n, K].
        groups: original of each row [n], for the jackknife and the permutations; None where each row is its own.
        seed: of both.

    Raises:
        ValueError: if codes are not finite, a concept is none, or there is one original only.
    """
    return plug_in_score(_weighted_robustness, codes, concepts, groups, seed)


def _weighted_robustness(code: NDArray[np.float64], concepts: Concepts) -> Measurement:
    """Mean over dimensions, and how many dimensions belong to each concept."""
    active = code[:, varying_dims(code)]
    if not active.shape[1]:
        return 0.0, {}
    largest = np.abs(active - active.mean(axis=0)).max(axis=0)
    robust = np.stack(
        [
            1 - np.min([_deviation(active, labels) for labels in labels_of(concept).T], axis=0) / largest
            for concept in concepts.values()
        ],
        axis=1,
    )
    owner = robust.argmax(axis=1)
    value = float(np.average(robust.max(axis=1), weights=largest))
    return value, {f"dims/{name}": int((owner == k).sum()) for k, name in enumerate(concepts)}


def _deviation(code: NDArray[np.float64], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """E_v[q_.99 |z − E(z | v)|] of each dimension, over the values v of labels [n] that are there."""
    order = np.argsort(labels, kind="stable")
    parts = np.split(code[order], np.flatnonzero(np.diff(labels[order])) + 1)
    held = [np.quantile(np.abs(part - part.mean(axis=0)), _QUANTILE, axis=0) for part in parts]
    return np.asarray(np.mean(held, axis=0))
