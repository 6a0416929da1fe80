"""What single dimensions say of a concept, in nats: the mutual information gap and modularity.

MIG: is each concept in one dimension, rather than spread over several? For each concept v: (I(z_1; v) − I(z_2; v)) /
H(v), z_1 and z_2 the two dimensions that say most of it; the mean over concepts. Chen et al., Isolating sources of
disentanglement in variational autoencoders, NeurIPS 2018, arXiv 1802.04942, Eq. 6. A rotation within a block lowers it,
so it does not judge block codes.

Modularity: does each dimension speak of one concept only? For each dimension i, with I_if its mutual information with
concept f and I_i the largest of them, 1 − Σ_{f other} I_if² / (I_i² (K − 1)); the mean over dimensions, 0 for a
dimension that says nothing. Ridgeway and Mozer, Learning deep disentangled embeddings with the F-statistic loss,
NeurIPS 2018, arXiv 1802.05312, section 3.

Both with the 20 bins of disentanglement_lib.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import entropy

from pipeline.scores.literature.plug_in import (
    Concepts,
    Measurement,
    bins_of,
    labels_of,
    mutual_information,
    plug_in_score,
)
from pipeline.scores.statistics.score import Score

__all__ = ["mig", "modularity"]


def mig(
    codes: ArrayLike, concepts: Mapping[str, ArrayLike] | ArrayLike, groups: ArrayLike | None = None, seed: int = 0
) -> Score | None:
    """`per_dimension/mig`, between 0 and 1.

    Chance: near 0, above it at few rows. Perfect: 1 where concepts are independent, less where they go together
    (0 if two are the same), as another concept's dimension then says the first one too. Values: each component in 20
    bins, mean over components. A code of one dimension is compared with a constant one. Details: `concept/<name>`,
    the gap of each; what is constant, and left out; dimensions that an outlier collapsed into one bin. None where
    every concept is constant.

    Args:
        codes: [n, N].
        concepts: by name integer categories [n] or float values [n, D], or one array [n, K].
        groups: original of each row [n], for the jackknife and the permutations; None where each row is its own.
        seed: of both.

    Raises:
        ValueError: if codes are not finite, a concept is none, or there is one original only.
    """
    return plug_in_score(_mean_gap, codes, concepts, groups, seed)


def _mean_gap(code: NDArray[np.float64], concepts: Concepts) -> Measurement:
    """Mean over concepts of the mean over components of the gap, and the gap of each concept."""
    bins = bins_of(code)
    gaps = {}
    for name, concept in concepts.items():
        of_components = []
        for labels in labels_of(concept).T:
            second, first = np.sort(np.append(mutual_information(bins, labels), 0))[-2:]
            of_components.append((first - second) / entropy(np.unique(labels, return_counts=True)[1]))
        gaps[f"concept/{name}"] = float(np.mean(of_components))
    return float(np.mean(list(gaps.values()))), gaps


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


def _mean_modularity(code: NDArray[np.float64], concepts: Concepts) -> Measurement:
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
