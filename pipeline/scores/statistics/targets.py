"""What of a concept is predicted, how predictions are scored, and which rows a probe is fitted to.

A concept is predicted as classes or as values; both scores are functions of sums over rows, which makes a bootstrap of
predictions one matrix product. The folds are those of scikit-learn's StratifiedGroupKFold and GroupKFold, to the row.
They are made here, as each process that trains a flow would else import it for them alone, 1.3 s of CPU time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.scores.statistics.concepts import checked_concept

__all__ = ["NUM_FOLDS", "Classes", "Fold", "Values", "folds_by_original", "target_of"]

NUM_FOLDS = 5

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
    rng = np.random.RandomState(seed % 2**32)  # as scikit-learn draws
    # Where no class has a row for each fold, there is nothing to stratify.
    if isinstance(target, Classes) and np.bincount(target.truth).max() >= NUM_FOLDS:
        fold = _stratified_fold(target, index, rng)[index]
    else:
        fold = np.empty(num_originals, np.intp)
        for number, originals in enumerate(np.array_split(rng.permutation(num_originals), NUM_FOLDS)):
            fold[originals] = number
        fold = fold[index]
    folds = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(NUM_FOLDS)]
    return [(fitted, held) for fitted, held in folds if len(held)]


def _stratified_fold(target: Classes, index: NDArray[np.intp], rng: np.random.RandomState) -> NDArray[np.intp]:
    """Fold of each original: one after another, the least even in its classes first, goes where the folds' shares of
    each class end the most alike; of folds that are level in that, to the one of fewest rows."""
    num_originals = int(index.max()) + 1
    counts = np.zeros((num_originals, target.num_classes))
    np.add.at(counts, (index, target.truth), 1)
    order = np.arange(num_originals)
    rng.shuffle(order)
    order = order[np.argsort(-counts[order].std(axis=1), kind="stable")]
    total, held = counts.sum(axis=0), np.zeros((NUM_FOLDS, target.num_classes))
    fold = np.empty(num_originals, np.intp)
    for original in order:
        tried = held + np.eye(NUM_FOLDS)[:, :, None] * counts[original]  # [fold that takes it, fold, class]
        unevenness = (tried / total).std(axis=1).mean(axis=1)
        best, fewest = 0, np.inf
        for number, rows in enumerate(held.sum(axis=1)):
            level = abs(unevenness[number] - unevenness[best]) <= 1e-8 + 1e-5 * unevenness[best]
            if number == 0 or unevenness[number] < unevenness[best] or (level and rows < fewest):
                best, fewest = number, rows
        fold[original] = best
        held[best] += counts[original]
    return fold
