"""Probes: what is fitted to a code to predict a concept, and their out-of-fold predictions.

A linear probe asks what a reader finds by weighing the numbers of a factor; an RBF probe also finds what hides in a
radius or in a product. Regularisation is fixed, so that nothing is tuned on the rows that are scored.

Classes: multinomial logistic regression, or a support vector machine with an RBF kernel, both with C = 1 and classes
weighed equally (what balanced accuracy asks for: otherwise a rare class is never predicted, however plain it is).
Values: ridge, or kernel ridge with an RBF kernel, both with alpha = 1. A linear probe standardises the code on the rows
fitted to; a kernel compares standardised codes with gamma = 1 / (dimensions of the factor). It is computed once for
all rows, concepts, folds and permutations, so its code is standardised over all of them, without any label, the
outermost rows at each end of a dimension set to the next.

The models are scikit-learn's. That kind of model and control tasks decide what a probe says: Hewitt and Liang,
Designing and interpreting probes with control tasks, EMNLP 2019, arXiv 1909.03368; the permuted codes are such a task.
"""

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipeline.scores.targets import Classes, Values

__all__ = ["NUM_FOLDS", "Fold", "Kind", "features_of", "folds_by_original", "out_of_fold"]

Kind = Literal["linear", "rbf"]

NUM_FOLDS = 5
_OUTERMOST = 100  # one row in a hundred, at each end of a dimension, does not set its unit

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows to fit to, rows to predict


def folds_by_original(target: Classes | Values, index: NDArray[np.intp], seed: int) -> list[Fold]:
    """Five folds (rows to fit to, rows to predict), each original in one; stratified where there are classes.

    Args:
        target: what is predicted, n rows.
        index: original of each row [n], as from `original_index`.
        seed: of the shuffle.

    Raises:
        ValueError: if there are fewer than five originals.
    """
    num_originals = int(index.max()) + 1
    if num_originals < NUM_FOLDS:
        raise ValueError(
            f"a probe needs at least {NUM_FOLDS} originals for its {NUM_FOLDS} folds, found {num_originals}"
        )
    blank = np.zeros(len(index))
    # Where no class has a row for each fold, there is nothing to stratify.
    if isinstance(target, Classes) and np.bincount(target.truth).max() >= NUM_FOLDS:
        stratified = StratifiedGroupKFold(NUM_FOLDS, shuffle=True, random_state=seed % 2**32)
        with warnings.catch_warnings():
            # A class rarer than the folds is missing from some: no fault, and the perfect code shows what it costs.
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            folds = list(stratified.split(blank, target.truth, index))
    else:
        folds = list(GroupKFold(NUM_FOLDS, shuffle=True, random_state=seed % 2**32).split(blank, None, index))
    return [(fitted, held) for fitted, held in folds if len(held)]


def features_of(code: NDArray[np.float64], kind: Kind) -> NDArray[np.float64]:
    """What a probe reads of a factor [n, N_k]: the code itself, or for a kernel how alike its rows are [n, n]."""
    if kind == "linear":
        return code
    # Units without the outermost rows: one outlier would make all others alike, and the kernel blind.
    ordered, cut = np.sort(code, axis=0), max(1, len(code) // _OUTERMOST)
    inner = np.clip(code, ordered[cut], ordered[-1 - cut])
    standard = StandardScaler().fit(np.where(np.ptp(inner, axis=0) > 0, inner, code)).transform(code)
    return np.asarray(rbf_kernel(standard, gamma=1 / code.shape[1]))


def out_of_fold(
    features: NDArray[np.float64],
    target: Classes | Values,
    folds: list[Fold],
    kind: Kind,
    source: NDArray[np.intp] | None = None,
) -> NDArray[Any]:
    """Prediction of each row by the probe that was fitted without its fold.

    Args:
        features: of one factor, as from `features_of`.
        target: what is predicted, n rows.
        folds: as from `folds_by_original`.
        kind: "linear" or "rbf".
        source: the row [n] whose code each row is given; None where each has its own.

    Returns:
        Class numbers [n], or values [n, D].
    """
    given = np.arange(len(features)) if source is None else source
    prediction = np.empty_like(target.truth)
    for fitted, held in folds:
        if kind == "linear":
            known, asked = (features[given[rows]] for rows in (fitted, held))
        else:
            known, asked = (features[np.ix_(given[rows], given[fitted])] for rows in (fitted, held))
        prediction[held] = _fit_predict(known, target.truth[fitted], asked, kind, isinstance(target, Classes))
    return prediction


def _fit_predict(
    known: NDArray[np.float64], truth: NDArray[Any], asked: NDArray[np.float64], kind: Kind, classes: bool
) -> NDArray[Any]:
    """Predictions [m] or [m, D] at `asked` of a probe fitted to `known` and `truth`: codes, or rows of a kernel."""
    if classes and (truth == truth[0]).all():
        return np.full(len(asked), truth[0])  # neither probe can be fitted to a single class
    probe = _probe(kind, classes)
    if classes:
        return np.asarray(probe.fit(known, truth).predict(asked))
    mean = truth.mean(axis=0)  # a kernel ridge has no intercept
    return np.asarray(probe.fit(known, truth - mean).predict(asked).reshape(len(asked), -1) + mean)


def _probe(kind: Kind, classes: bool) -> Any:
    """A probe of a kind, not fitted yet."""
    if kind == "rbf":
        return (
            SVC(C=1.0, kernel="precomputed", class_weight="balanced")
            if classes
            else KernelRidge(alpha=1.0, kernel="precomputed")
        )
    linear = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000) if classes else Ridge(alpha=1.0)
    return make_pipeline(StandardScaler(), linear)
