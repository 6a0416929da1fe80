"""What scores and factors are when T is trained anew, by other seeds.

Of scores: mean and standard deviation over seeds, as papers of the field report them. An interval says how far a score
of one trained T depends on which test rows there are; this says how far it depends on chance in the training.

Of factors: how well that of one seed predicts that of another. What pairs tell leaves each factor free up
to a map inside it: another seed may turn it, or bend it. So no dimension is matched with another one; a ridge
regression of all of a factor on all of the other may use any linear map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from statistics import fmean, stdev

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own requirement

from pipeline.basis.layout import Layout
from pipeline.scores.probes.models import out_of_fold
from pipeline.scores.statistics.concepts import checked_codes
from pipeline.scores.statistics.intervals import bootstrap_interval, bootstrap_sums
from pipeline.scores.statistics.originals import original_index, permuted_rows, stratified_rows
from pipeline.scores.statistics.score import SEEDS, SEEDS_MEAN, SEEDS_STD, STABILITY, Score
from pipeline.scores.statistics.targets import Fold, Values, folds_by_original, target_of

__all__ = ["stability", "with_spread"]

_MAX_ROWS = 10_000


def with_spread(scores: Mapping[str, Score], others: Sequence[Mapping[str, float]]) -> dict[str, Score]:
    """Scores whose details also hold `seeds`, `seeds_mean` and `seeds_std`, the sample's (n − 1), where all have them.

    Args:
        scores: of the network that is kept; they stay what they are.
        others: values of the same scores of the networks of one other seed each, or of some of them.

    Example:
        >>> scores = {"probe/gap": Score(1.0), "closed_form/gap": Score(0.8)}
        >>> spread = with_spread(scores, [{"probe/gap": 0.5}, {"probe/gap": 0.0}])
        >>> spread["probe/gap"].over_seeds, spread["closed_form/gap"].over_seeds
        ((0.5, 0.5, 3), None)
    """
    spread = {}
    for name, score in scores.items():
        values = [score.value, *(other[name] for other in others if name in other)]
        if others and len(values) == 1 + len(others):
            mean, std = fmean(values), stdev(values)
            score = replace(score, details={**score.details, SEEDS: len(values), SEEDS_MEAN: mean, SEEDS_STD: std})
        spread[name] = score
    return spread


def stability(
    codes: Sequence[ArrayLike], layout: Layout, groups: ArrayLike | None = None, seed: int = 0
) -> dict[str, Score]:
    """`stability`, the mean over factors, and `stability/<factor>`: R² of a ridge regression, out of fold.

    Of each two codes both ways, uniform over the dimensions that vary, at least 0; the mean over all ordered pairs. It
    lies in [0, 1]. Chance hands the codes of whole originals to others; perfect predicts each factor from itself.

    Args:
        codes: of the same rows by S ≥ 2 seeds, [n, N] each; 10,000 rows at most are read, drawn by seed and original.
        layout: the factors, of all codes.
        groups: original of each row [n]; None where each row is its own.
        seed: of folds, resamples and the permutation.

    Raises:
        ValueError: there are fewer than two codes or five originals, codes are not finite, of another width, or of
            unlike numbers of rows, or all of a factor is constant.
    """
    every = [checked_codes(code, layout) for code in codes]
    if len(every) < 2 or len({len(code) for code in every}) > 1:
        raise ValueError(f"stability: two codes or more of the same rows are needed, found {[len(c) for c in every]}")
    index = original_index(groups, len(every[0]))
    details: dict[str, str | int | float] = {SEEDS: len(every)}
    if len(index) > _MAX_ROWS:
        rows = stratified_rows([], index, _MAX_ROWS, seed)
        every, index = [code[rows] for code in every], original_index(index[rows], len(rows))
        details["subset_rows"] = len(rows)
    source = permuted_rows(index, np.random.default_rng(seed))
    with threadpool_limits(1), config_context(assume_finite=True, skip_parameter_validation=True):
        parts = [
            _factor([code[:, where] for code in every], name, index, source, seed)
            for name, where in zip(layout.names, layout.slices, strict=True)
        ]
    value, resamples, chance, perfect = (np.stack(part) for part in zip(*parts, strict=True))
    scores = {STABILITY: _score(value.mean(), resamples.mean(axis=0), chance.mean(), perfect.mean(), details)}
    for k, name in enumerate(layout.names):
        scores[f"{STABILITY}/{name}"] = _score(value[k], resamples[k], chance[k], perfect[k], details)
    return scores


def _factor(
    codes: list[NDArray[np.float64]], name: str, index: NDArray[np.intp], source: NDArray[np.intp], seed: int
) -> tuple[NDArray[np.float64], ...]:
    """Of one factor the mean over ordered pairs of seeds, its resamples [B], chance and perfect."""
    targets = [_values(name, code) for code in codes]
    folds = folds_by_original(targets[0], index, seed)
    found = []
    for a, b in permutations(range(len(codes)), 2):
        sums, shuffled = _sums(codes[a], targets[b], folds), _sums(codes[a], targets[b], folds, source)
        of_both = sums.sum(axis=0), bootstrap_sums(sums, seed, index), shuffled.sum(axis=0)
        found.append([targets[b].score(part) for part in of_both])
    own = [target.score(_sums(code, target, folds).sum(axis=0)) for code, target in zip(codes, targets, strict=True)]
    return (*(np.mean(part, axis=0) for part in zip(*found, strict=True)), np.mean(own, axis=0))


def _values(name: str, code: NDArray[np.float64]) -> Values:
    target = target_of(f"stability of {name}", code, len(code))
    assert isinstance(target, Values)
    return target


def _sums(
    code: NDArray[np.float64], target: Values, folds: list[Fold], source: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    return target.sums(out_of_fold(code, target, folds, "linear", source))


def _score(
    value: float, resamples: NDArray[np.float64], chance: float, perfect: float, details: dict[str, str | int | float]
) -> Score:
    low, high = bootstrap_interval(resamples, float(value))
    return Score(float(value), low, high, float(chance), float(perfect), details)
