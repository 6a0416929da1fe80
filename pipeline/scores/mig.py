"""Mutual information gap: is each concept in one dimension, rather than spread over several?

For each concept v: (I(z_1; v) − I(z_2; v)) / H(v), z_1 and z_2 the two dimensions that say most of it; the mean over
concepts. Chen et al., Isolating sources of disentanglement in variational autoencoders, NeurIPS 2018, arXiv 1802.04942,
Eq. 6, with the 20 bins of disentanglement_lib. A rotation within a block lowers it, so it does not judge block codes.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import entropy

from pipeline.scores.discretise import bins_of, labels_of, mutual_information
from pipeline.scores.plug_in import Concepts, Found, plug_in_score
from pipeline.scores.result import Score

__all__ = ["mig"]


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


def _mean_gap(code: NDArray[np.float64], concepts: Concepts) -> Found:
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
