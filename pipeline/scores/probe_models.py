"""Probes: what is fitted to a code to predict a concept, and their out-of-fold predictions.

A linear probe asks what a reader finds by weighing the numbers of a factor; an RBF probe also finds what hides in a
radius or in a product. Regularisation is fixed, so that nothing is tuned on the rows that are scored.

Classes: multinomial logistic regression, or a support vector machine with an RBF kernel, both with C = 1 and classes
weighed equally (what balanced accuracy asks for: otherwise a rare class is never predicted, however plain it is).
Values: ridge, or kernel ridge with an RBF kernel, both with alpha = 1. Codes are standardised on the rows fitted to,
so the kernel's gamma is 1 / (dimensions of the factor).
"""

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from sklearn.svm import SVC

from pipeline.scores.targets import Classes, Values

__all__ = ["NUM_FOLDS", "Fold", "Kind", "folds_by_original", "out_of_fold"]

Kind = Literal["linear", "rbf"]

NUM_FOLDS = 5
_MAX_KERNEL_ROWS = 2000  # a kernel of n rows costs n³; more rows than these are drawn from, and change little

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


def out_of_fold(
    code: NDArray[np.float64], target: Classes | Values, folds: list[Fold], kind: Kind, seed: int
) -> NDArray[Any]:
    """Prediction of each row by the probe that was fitted without its fold.

    Args:
        code: the dimensions of one factor [n, N_k].
        target: what is predicted, n rows.
        folds: as from `folds_by_original`.
        kind: "linear" or "rbf".
        seed: draws the rows that a kernel is fitted to, where there are more than 2,000.

    Returns:
        Class numbers [n], or values [n, D].
    """
    prediction = np.empty_like(target.truth)
    rng = np.random.default_rng(seed)
    for fitted, held in folds:
        rows = fitted
        if kind == "rbf" and len(rows) > _MAX_KERNEL_ROWS:
            rows = np.sort(rng.choice(rows, _MAX_KERNEL_ROWS, replace=False))
        loc, scale = code[rows].mean(axis=0), code[rows].std(axis=0)
        scale = np.where(scale > 0, scale, 1)
        prediction[held] = _fit_predict(
            (code[rows] - loc) / scale,
            target.truth[rows],
            (code[held] - loc) / scale,
            kind,
            isinstance(target, Classes),
        )
    return prediction


def _fit_predict(
    code: NDArray[np.float64], truth: NDArray[Any], held: NDArray[np.float64], kind: Kind, classes: bool
) -> NDArray[Any]:
    """Predictions [m] or [m, D] at `held` [m, N_k] of a probe fitted to standardised `code` and `truth`."""
    gamma = 1 / code.shape[1]
    if not classes:
        mean = truth.mean(axis=0)  # a kernel ridge has no intercept
        values = Ridge(alpha=1.0) if kind == "linear" else KernelRidge(alpha=1.0, kernel="rbf", gamma=gamma)
        return np.asarray(values.fit(code, truth - mean).predict(held).reshape(len(held), -1) + mean)
    if (truth == truth[0]).all():
        return np.full(len(held), truth[0])  # neither probe can be fitted to a single class
    if kind == "linear":
        probe = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000)
    else:
        probe = SVC(C=1.0, gamma=gamma, class_weight="balanced")
    return np.asarray(probe.fit(code, truth).predict(held))
