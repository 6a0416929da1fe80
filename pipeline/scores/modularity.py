"""Modularity: does each dimension speak of one concept only?

For each dimension i, with I_if its mutual information with concept f and I_i the largest of them,
1 − Σ_{f other} I_if² / (I_i² (K − 1)); the mean over dimensions, 0 for a dimension that says nothing. Ridgeway and
Mozer, Learning deep disentangled embeddings with the F-statistic loss, NeurIPS 2018, arXiv 1802.05312, section 3, with
the 20 bins of disentanglement_lib.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.scores.discretise import bins_of, labels_of, mutual_information
from pipeline.scores.plug_in import Concepts, Found, plug_in_score
from pipeline.scores.result import Score

__all__ = ["modularity"]


def modularity(
    codes: ArrayLike, concepts: Mapping[str, ArrayLike] | ArrayLike, groups: ArrayLike | None = None, seed: int = 0
) -> Score | None:
    """`per_dimension/modularity`, between 0 and 1; None with fewer than two concepts that vary.

    Chance is far above 0: a dimension of noise has small informations, but never equal ones. Read the value against
    it. Perfect: 1 where concepts are independent, less where they go together. The information about a concept of
    values is the mean over its components, each in 20 bins, so that a dimension may mix them. Details: `dims/<name>`,
    how many dimensions say most of that concept; what is constant; dimensions that an outlier collapsed into one bin.

    Args:
        codes: [n, N].
        concepts: by name integer categories [n] or float values [n, D], or one array [n, K].
        groups: original of each row [n], for the jackknife and the permutations; None where each row is its own.
        seed: of both.

    Raises:
        ValueError: if codes are not finite, a concept is none, or there is one original only.
    """
    return plug_in_score(_mean_modularity, codes, concepts, groups, seed, least_concepts=2)


def _mean_modularity(code: NDArray[np.float64], concepts: Concepts) -> Found:
    """Mean over dimensions, and how many dimensions belong to each concept."""
    bins = bins_of(code)
    information = np.stack(
        [
            np.mean([mutual_information(bins, labels) for labels in labels_of(concept).T], axis=0)
            for concept in concepts.values()
        ],
        axis=1,
    )
    square = information**2
    largest = square.max(axis=1)
    informed = largest > 0
    others = square.sum(axis=1) - largest
    by_dim = np.where(informed, 1 - others / np.where(informed, largest * (len(concepts) - 1), 1), 0)
    owner = information.argmax(axis=1)[informed]
    return float(by_dim.mean()), {f"dims/{name}": int((owner == k).sum()) for k, name in enumerate(concepts)}
