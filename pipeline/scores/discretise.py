"""Numbers in 20 bins of equal width, and the information that such bins share with labels.

This is the discretisation of the plug-in scores in Locatello et al., Challenging common assumptions in the
unsupervised learning of disentangled representations, ICML 2019 (disentanglement_lib): the edges of numpy's histogram
over each dimension's own range. One far outlier sets the range, and nearly all rows then share one bin: a dimension
where that happened is called collapsed, and the scores name it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from pipeline.scores.concepts import varying_dims

__all__ = ["NUM_BINS", "bins_of", "collapsed_dims", "labels_of", "mutual_information"]

NUM_BINS = 20

_NEARLY_ALL = 0.95
_NO_INFORMATION = 1e-12  # nats; below it a sum of p log(p / q) is rounding


def bins_of(numbers: NDArray[np.float64]) -> NDArray[np.intp]:
    """Bin [n, D], 0 to 19, of each number [n, D]; a dimension that does not vary is all in bin 0."""
    bins = np.zeros(numbers.shape, dtype=np.intp)
    varies = varying_dims(numbers)
    known = numbers[:, varies]
    edges = np.linspace(known.min(axis=0), known.max(axis=0), NUM_BINS + 1)
    share = (known - edges[0]) * (NUM_BINS / (edges[-1] - edges[0]))
    guess = np.clip(share.astype(np.intp), 0, NUM_BINS - 1)
    # The edges decide, not the division: rounding may have put a number on the wrong side of one.
    guess = guess - (known < np.take_along_axis(edges, guess, axis=0))
    guess += (known >= np.take_along_axis(edges, guess + 1, axis=0)) & (guess < NUM_BINS - 1)
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
