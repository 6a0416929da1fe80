"""Disentanglement, completeness and informativeness, from what boosted trees use of a code.

For each concept gradient-boosted trees are fitted, and say how important each dimension is to them. Disentanglement:
1 − entropy (base K) of each dimension's importance over concepts, mean over dimensions weighted by importance.
Completeness: 1 − entropy (base N) of each concept's importance over dimensions. Informativeness: how well the trees
predict test rows. Eastwood and Williams, A framework for the quantitative evaluation of disentangled representations,
ICLR 2018, with the trees of disentanglement_lib.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import entropy
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own requirement

from pipeline.scores.literature.halves import Halves, checked_halves
from pipeline.scores.literature.plug_in import within_unit
from pipeline.scores.statistics.concepts import varying_dims
from pipeline.scores.statistics.intervals import jackknife_ends
from pipeline.scores.statistics.originals import original_index
from pipeline.scores.statistics.score import Score

__all__ = ["NUM_STAGES", "dci"]

NUM_STAGES = 20
_NUM_BLOCKS = 5  # of the jackknife: each refits all trees, as does the one permutation
_NOTHING = 1e-11  # added to importances, as there: an entropy of zeros is that of equal shares


def dci(
    codes_train: ArrayLike,
    concepts_train: Mapping[str, ArrayLike] | ArrayLike,
    codes_test: ArrayLike,
    concepts_test: Mapping[str, ArrayLike] | ArrayLike,
    stages: int = NUM_STAGES,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> dict[str, Score]:
    """`disentanglement`, `completeness` and `informativeness`, each between 0 and 1.

    None of them where every concept is constant, and no disentanglement with a single one, as there is nothing to tell
    it from. Chance, by one permutation: above 0 for the first two, the more the fewer rows; about the rate of the
    commonest class for the third. Perfect: about 1, less where concepts go together. Interval: delete-group jackknife
    of 5 blocks, which refits the trees.

    Values are fitted one component at a time by boosted regression: completeness and informativeness (R², at least 0)
    are means over components; disentanglement compares concepts, a concept's importance the mean over its components.
    A code of one dimension has a constant one beside it; a class without a train row is never predicted. Details:
    `concept/<name>`, the part of each; `train` of informativeness, the same in train rows; what is constant.
    Seven parameters: the two halves are plain arrays, as in the code of others, with which this compares.

    Args:
        codes_train, codes_test: [n, N], [m, N].
        concepts_train, concepts_test: by name integer categories or float values, or one array.
        stages: of boosting; disentanglement_lib has 100, at five times the cost. Measured on tables of 1,000 rows
            of 32 dimensions, a concept of ten classes and one of three values: where each concept keeps to its block,
            100 in place of 20 lower disentanglement by .02 to .03 and completeness by .02, and raise informativeness
            by .03 to .05; where all dimensions are mixed, by .05 to .08, by .03 to .05, and by .10 to .18.
        groups: original of each row, train rows first, for blocks and permutations; None where each row is its own.
        seed: of both, and of the choice between equal splits.

    Raises:
        ValueError: if codes are not finite, the halves do not match, an original is in both, a half has one original,
            or there is no stage.
    """
    if stages < 1:
        raise ValueError(f"stages: found {stages}; at least 1 is needed")
    halves = checked_halves(codes_train, concepts_train, codes_test, concepts_test, groups)
    if not halves.concepts:
        return {}
    with threadpool_limits(1):
        values, details = _measured(halves, stages, seed)
        chance, _ = _measured(halves.permuted(np.random.default_rng(seed)), stages, seed)
        perfect, _ = _measured(halves.perfect(seed), stages, seed)
        block = _blocks(halves, seed)
        without = [
            _measured(halves.of_rows(np.flatnonzero(block != number)), stages, seed)[0]
            for number in range(block.max() + 1)
        ]
    scores = {}
    for name, value in values.items():
        low, high = within_unit(*jackknife_ends([measured[name] for measured in without], value), value)
        scores[name] = Score(value, low, high, chance[name], perfect[name], {**details[name], **halves.notes})
    return scores


def _blocks(halves: Halves, seed: int) -> NDArray[np.intp]:
    """The block [n + m] of each row: the originals of each half are dealt by themselves, so that none is left empty."""
    rng = np.random.default_rng(seed)
    parts = [original_index(index, len(index)) for index in (halves.train(halves.index), halves.test(halves.index))]
    sizes = [int(part.max()) + 1 for part in parts]
    num_blocks = min(_NUM_BLOCKS, *sizes)
    if num_blocks < 2:
        raise ValueError("groups: a half has 1 original; at least 2 are needed in each")
    dealt = [rng.permutation(np.arange(size) % num_blocks)[part] for size, part in zip(sizes, parts, strict=True)]
    return np.concatenate(dealt)


def _measured(halves: Halves, stages: int, seed: int) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """The three numbers, and the details of each."""
    fits = {name: _fit(halves, concept, stages, seed) for name, concept in halves.concepts.items()}
    importance = np.stack([fit.importance.mean(axis=1) for fit in fits.values()], axis=1)  # [N, K]
    of_dims, of_concepts = importance.sum(axis=1), importance.sum(axis=0)
    complete = {
        name: float(_weighted(_certainty(fit.importance), fit.importance.sum(axis=0))) for name, fit in fits.items()
    }
    told = {name: fit.told for name, fit in fits.items()}
    values = {"disentanglement": _weighted(_certainty(importance.T), of_dims)} if len(fits) > 1 else {}
    values |= {
        "completeness": _weighted(np.array(list(complete.values())), of_concepts),
        "informativeness": float(np.mean(list(told.values()))),
    }
    details: dict[str, dict[str, float]] = {
        "disentanglement": {},
        "completeness": {f"concept/{name}": share for name, share in complete.items()},
        "informativeness": {
            **{f"concept/{name}": share for name, share in told.items()},
            "train": float(np.mean([fit.remembered for fit in fits.values()])),
        },
    }
    return values, details


@dataclass(frozen=True)
class _Fit:
    """Trees on one concept: importance [N, D] for each component (1 for classes), and how well they do."""

    importance: NDArray[np.float64]
    told: float  # in test rows
    remembered: float  # in train rows


def _fit(halves: Halves, concept: NDArray[Any], stages: int, seed: int) -> _Fit:
    """Boosted trees on a concept: accuracy for classes, R² for values."""
    # Trees read float32 and split nothing below 1e-7: standardised, no code is too small for them, or too far from 0.
    scaler = StandardScaler().fit(halves.train(halves.code))
    code, held = (scaler.transform(half(halves.code)) for half in (halves.train, halves.test))
    settings = {"n_estimators": stages, "random_state": seed % 2**32}
    truth_train, truth_test = halves.train(concept), halves.test(concept)
    if concept.ndim == 1:
        if (truth_train == truth_train[0]).all():  # no trees can be fitted to a single class
            return _Fit(np.zeros((code.shape[1], 1)), float((truth_test == truth_train[0]).mean()), 1.0)
        trees = GradientBoostingClassifier(**settings).fit(code, truth_train)
        return _Fit(trees.feature_importances_[:, None], trees.score(held, truth_test), trees.score(code, truth_train))
    scale = concept.std(axis=0)  # R² and trees are free of units, rounding is not
    truth_train, truth_test = truth_train / scale, truth_test / scale
    parts = [GradientBoostingRegressor(**settings).fit(code, component) for component in truth_train.T]
    told, remembered = (
        _r2(value, np.stack([part.predict(rows) for part in parts], axis=1))
        for value, rows in ((truth_test, held), (truth_train, code))
    )
    return _Fit(np.stack([part.feature_importances_ for part in parts], axis=1), told, remembered)


def _r2(value: NDArray[np.float64], prediction: NDArray[np.float64]) -> float:
    """R² of values [m, D], at least 0, mean over the components that vary there; 0 where none does."""
    varies = varying_dims(value)
    return max(0.0, r2_score(value[:, varies], prediction[:, varies])) if varies.any() else 0.0


def _certainty(importance: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 − entropy of each column [B] of importances [A, B], in base A."""
    return np.asarray(1 - entropy(importance + _NOTHING, base=len(importance)))


def _weighted(numbers: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Mean weighted by importance; plain where no tree found a split, and all importance is 0."""
    return float(np.average(numbers, weights=weights if weights.any() else None))
