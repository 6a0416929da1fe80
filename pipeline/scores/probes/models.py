"""Probes: what is fitted to a code to predict a concept, and how its out-of-fold predictions are scored.

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipeline.scores.statistics.targets import Classes, Fold, Values

__all__ = ["MAX_STEPS", "Kind", "counting_unconverged", "features_of", "out_of_fold"]

Kind = Literal["linear", "rbf"]

MAX_STEPS = 1000  # of a logistic regression
_OUTERMOST = 100  # one row in a hundred, at each end of a dimension, does not set its unit


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


@contextmanager
def counting_unconverged() -> Iterator[list[warnings.WarningMessage]]:
    """Collect the fits of the block that end at their last step, not at an optimum; nothing is warned of them.

    Of other warnings scikit-learn's own are dropped (a class of few rows, two columns that go together: the brackets of
    a score show what that costs), and all others are given when the block ends.
    """
    unconverged: list[warnings.WarningMessage] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield unconverged
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            unconverged.append(warning)
        elif "sklearn" not in Path(warning.filename).parts:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


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
    linear = LogisticRegression(C=1.0, class_weight="balanced", max_iter=MAX_STEPS) if classes else Ridge(alpha=1.0)
    return make_pipeline(StandardScaler(), linear)
