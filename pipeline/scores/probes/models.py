"""Probes: what is fitted to a code to predict a concept, and how its out-of-fold predictions are scored.

A concept is predicted as classes or as values; both scores are functions of sums over rows, which makes a bootstrap of
predictions one matrix product.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipeline.scores.statistics.concepts import checked_concept

__all__ = [
    "MAX_STEPS",
    "NUM_FOLDS",
    "Classes",
    "Fold",
    "Kind",
    "Values",
    "counting_unconverged",
    "features_of",
    "folds_by_original",
    "out_of_fold",
    "target_of",
]

Kind = Literal["linear", "rbf"]

NUM_FOLDS = 5
MAX_STEPS = 1000  # of a logistic regression
_OUTERMOST = 100  # one row in a hundred, at each end of a dimension, does not set its unit

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows to fit to, rows to predict


@dataclass(frozen=True)
class Classes:
    """A concept of C classes, scored by balanced accuracy corrected for chance.

    Attributes:
        truth: class number of each row [n], 0 to C − 1.
        num_classes: C, at least 2, each in at least one row.
    """

    truth: NDArray[np.intp]
    num_classes: int

    def sums(self, prediction: NDArray[Any]) -> NDArray[np.float64]:
        """[n, 2 C]: for each class, whether the row is of it and was predicted so, and whether it is of it."""
        member = np.eye(self.num_classes)[self.truth]
        return np.hstack([member * (prediction == self.truth)[:, None], member])

    def score(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """max(0, (acc − 1/C) / (1 − 1/C)) of summed rows [..., 2 C], acc the mean recall of the classes present."""
        hits, totals = sums[..., : self.num_classes], sums[..., self.num_classes :]
        present = totals > 0
        recall = np.where(present, hits / np.where(present, totals, 1), 0)
        accuracy = recall.sum(-1) / present.sum(-1)
        chance = 1 / self.num_classes
        return np.asarray(np.maximum((accuracy - chance) / (1 - chance), 0))

    def perfect_code(self) -> NDArray[np.float64]:
        """A code that says the class and no more: one-hot [n, C]."""
        return np.eye(self.num_classes)[self.truth]


@dataclass(frozen=True)
class Values:
    """A concept of D continuous components, scored by R², uniform over the components that vary.

    Attributes:
        truth: [n, D], each component of mean 0 and variance 1 over the rows.
    """

    truth: NDArray[np.float64]

    def sums(self, prediction: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n, 3 D + 1]: squared error, value, squared value of each component, and a one."""
        error = prediction - self.truth
        return np.hstack([error**2, self.truth, self.truth**2, np.ones((len(error), 1))])

    def score(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """max(0, mean over components of 1 − Σ error² / Σ (value − mean)²) of summed rows [..., 3 D + 1].

        A resample may repeat one value only; a component that is constant in it does not count, and where none is
        left the score is NaN.
        """
        error, value, square = np.split(sums[..., :-1], 3, axis=-1)
        spread = square - value**2 / sums[..., -1:]
        varies = spread > 1e-9 * sums[..., -1:]  # the variance over all rows is 1
        share = np.where(varies, 1 - error / np.where(varies, spread, 1), 0)
        count = varies.sum(-1)
        mean = share.sum(-1) / np.maximum(count, 1)
        return np.asarray(np.where(count > 0, np.maximum(mean, 0), np.nan))

    def perfect_code(self) -> NDArray[np.float64]:
        """A code that says the values and no more [n, D]."""
        return self.truth


def target_of(name: str, concept: ArrayLike, num_rows: int) -> Classes | Values:
    """The target of a concept: integers [n] (or booleans) are classes, floats [n, D] or [n] are values.

    Raises:
        ValueError: names the concept if its shape or type is another, a value is not finite, or all rows are equal.
    """
    array = checked_concept(name, concept, num_rows)
    if array.dtype.kind == "i":
        classes, truth = np.unique(array, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"concept '{name}': all rows have the value {classes[0]}; at least two are needed")
        return Classes(truth.astype(np.intp), len(classes))
    scale = array.std(axis=0)
    varies = scale > 1e-9 * (1 + np.abs(array).max(axis=0))
    if not varies.any():
        raise ValueError(f"concept '{name}': all rows have the value {array[0].tolist()}; two are needed")
    return Values((array[:, varies] - array[:, varies].mean(axis=0)) / scale[varies])


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
