"""What the backbone loses when its latent is replaced by T⁻¹(T(z)): nothing, if T is as invertible as it says.

And what an autoencoder has lost before: T can sort, and an edit can show, no more than its latent holds.

A decoder is measured by its squared error, a classifier by its decisions. In both, chance hands each row the output of
another row, and perfect is the output of z itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.scores.statistics.concepts import checked_rows
from pipeline.scores.statistics.intervals import bootstrap_interval, bootstrap_sums
from pipeline.scores.statistics.score import (
    ACCURACY_CHANGE,
    AGREEMENT,
    ERROR_CHANGE,
    GREY_LEVELS,
    NEVER_DECIDED,
    RECONSTRUCTION,
    Score,
)

__all__ = ["preservation", "reconstruction", "round_trip"]

_ROWS_A_CLASS = 20
_SHOWN = 5  # names of classes in a line


def preservation(
    outputs: ArrayLike,
    outputs_back: ArrayLike,
    labels: ArrayLike | None,
    seed: int = 0,
    groups: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
) -> dict[str, Score]:
    """How much worse the backbone does its own task with T⁻¹(T(z)) in place of z.

    Labels of the shape of the outputs are what these should be, as images are for a decoder:

    - `preserve/squared_error`: relative change of the squared error, Σ ‖G(T⁻¹(T(z))) − x‖² / Σ ‖G(z) − x‖² − 1, sums
      over all rows; 0 if nothing is lost.

    Labels of one class a row are for a classifier, whose outputs are logits; so is None, where nobody knows the class:

    - `preserve/accuracy`: change of the accuracy over rows of known class, 0 if nothing is lost; not without labels.
    - `preserve/agreement`: share of rows with the same decision, 1 if nothing is lost. Its details name the classes
      that are never decided for, though rows are labelled so, or, without labels, though rows are many.
    - `preserve/largest_logit_difference`: over all rows and classes, in the units of the logits, without an interval.

    Intervals: bootstrap by original.

    Args:
        outputs: G(z), logits [n, C] or numbers [n, …].
        outputs_back: G(T⁻¹(T(z))), of the same shape.
        labels: the true class of each row [n], an index of its logits or −1 where it is not known, true numbers of the
            shape of the outputs, or None.
        seed: of resamples and of the rows handed round.
        groups: original of each row [n]; None where each row is its own.
        class_names: of a classifier, in the order of its logits; None: classes go by their number.

    Raises:
        ValueError: if shapes differ, a number is not finite, a label is no index of the logits, or G(z) equals the
            labels exactly, where no relative change is known.
    """
    before, after = checked_rows(outputs, "outputs"), checked_rows(outputs_back, "outputs_back")
    truth = np.full(len(before), -1) if labels is None else np.asarray(labels)
    if after.shape != before.shape:
        raise ValueError(f"outputs_back: found shape {after.shape}; {before.shape}, as of outputs, is expected")
    source = np.random.default_rng(seed).permutation(len(after))
    if truth.dtype.kind in "iu" and truth.shape == before.shape[:1] and before.ndim == 2:
        if truth.min() < -1 or truth.max() >= before.shape[1]:
            wrong = truth.min() if truth.min() < -1 else truth.max()
            raise ValueError(f"labels: found {wrong}; an index of {before.shape[1]} logits is expected")
        scores = _of_decisions(before, after, truth, source, seed, groups)
        if never := _never_decided(before.argmax(axis=1), truth, class_names or [*map(str, range(before.shape[1]))]):
            scores[AGREEMENT] = replace(scores[AGREEMENT], details={NEVER_DECIDED: never})
        return scores
    if truth.shape != before.shape:
        raise ValueError(
            f"labels: found {truth.dtype} of shape {truth.shape} for outputs of shape {before.shape}; integers (n,) "
            "for logits (n, C), or numbers of the shape of the outputs, are expected"
        )
    wanted = checked_rows(truth, "labels")
    return _of_numbers(_flat(before), _flat(after), _flat(wanted), source, seed, groups)


def _flat(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows [n, …] as [n, numbers a row]."""
    return rows.reshape(len(rows), -1)


def _of_numbers(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    truth: NDArray[np.float64],
    source: NDArray[np.intp],
    seed: int,
    groups: ArrayLike | None,
) -> dict[str, Score]:
    """Change of the squared error, all arrays [n, numbers a row]; `source` hands rows round."""
    error, error_back = ((before - truth) ** 2).sum(axis=1), ((after - truth) ** 2).sum(axis=1)
    if not error.any():
        raise ValueError("outputs: they equal the labels exactly; a relative change of their error is not defined")
    other = ((after[source] - truth) ** 2).sum(axis=1)

    def change(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return sums[..., 1] / sums[..., 0] - 1

    rows = np.stack([error, error_back], axis=1)
    chance = change(np.array([error.sum(), other.sum()]))
    return {ERROR_CHANGE: _score(change, rows, seed, groups, float(chance), perfect=0.0)}


def reconstruction(
    outputs: ArrayLike, images: ArrayLike, seed: int = 0, groups: ArrayLike | None = None
) -> dict[str, Score]:
    """`reconstruction/squared_error`: Σ ‖G(z) − x‖² / Σ ‖x − x̄‖², x̄ the mean image: the share of variance that is lost.

    0 for exact images, 1 for a network that draws the mean image, whatever it is shown. Details give the root mean
    square error in grey levels of 255. Chance hands each row the output of another row. Interval: bootstrap by
    original, x̄ as it is.

    Args:
        outputs: G(z) [n, …], of values in [−1, 1].
        images: x, of the same shape and range.
        seed: of resamples and of the rows handed round.
        groups: original of each row [n]; None where each is its own.

    Raises:
        ValueError: shapes differ, a number is not finite, or all images are equal.
    """
    drawn, truth = checked_rows(outputs, "outputs"), checked_rows(images, "images")
    if drawn.shape != truth.shape:
        raise ValueError(f"images: found shape {truth.shape}; {drawn.shape}, as of outputs, is expected")
    flat, wanted = _flat(drawn), _flat(truth)
    error, spread = ((flat - wanted) ** 2).sum(axis=1), ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=1)
    if not spread.any():
        raise ValueError("images: all are equal; they have no variance that could be lost")
    source = np.random.default_rng(seed).permutation(len(flat))
    chance = float(((flat[source] - wanted) ** 2).sum() / spread.sum())
    rows = np.stack([error, spread], axis=1)
    score = _score(lambda sums: sums[..., 0] / sums[..., 1], rows, seed, groups, chance, perfect=0.0)
    return {RECONSTRUCTION: replace(score, details={GREY_LEVELS: float(127.5 * np.sqrt(error.mean() / flat.shape[1]))})}


def _never_decided(decision: NDArray[np.intp], truth: NDArray[np.integer], names: Sequence[str]) -> str:
    """Which classes no row [n] is decided for, in words, of those that rows are labelled as; empty: none.

    Where no label is known, those of all classes for which twenty rows a class are enough to expect one.
    """
    expected = truth[truth >= 0]
    if not len(expected) and len(decision) >= _ROWS_A_CLASS * len(names):
        expected = np.arange(len(names))
    never = [names[entry] for entry in np.setdiff1d(expected, decision)]
    shown = [f"'{name}'" for name in never[:_SHOWN]]
    if len(never) > _SHOWN:
        return f"{', '.join(shown)} or one of {len(never) - _SHOWN} more classes"
    return " or ".join(shown)


def _of_decisions(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    truth: NDArray[np.integer],
    source: NDArray[np.intp],
    seed: int,
    groups: ArrayLike | None,
) -> dict[str, Score]:
    """Change of decisions, logits [n, C] and classes [n]; `source` hands rows round."""
    decision, decision_back = before.argmax(axis=1), after.argmax(axis=1)

    labelled = (truth >= 0).astype(np.float64)

    def rows(back: NDArray[np.intp]) -> NDArray[np.float64]:
        """[n, 4]: gain in correctness where the class is known, whether it is, agreement, and a one."""
        gained = ((back == truth).astype(np.float64) - (decision == truth)) * labelled
        return np.stack([gained, labelled, back == decision, np.ones(len(back))], axis=1)

    measured, by_chance = rows(decision_back), rows(decision_back[source]).mean(axis=0)
    scores = {}
    if labelled.any():
        drop, weight = measured[labelled > 0], by_chance[0] / by_chance[1]
        labelled_groups = None if groups is None else np.asarray(groups)[labelled > 0]
        scores[ACCURACY_CHANGE] = _score(lambda s: s[..., 0] / s[..., 1], drop, seed, labelled_groups, weight, 0.0)
    return scores | {
        AGREEMENT: _score(lambda s: s[..., 2] / s[..., 3], measured, seed, groups, by_chance[2], 1.0),
        "preserve/largest_logit_difference": Score(
            float(np.abs(after - before).max()), chance=float(np.abs(after[source] - before).max()), perfect=0.0
        ),
    }


def _score(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    rows: NDArray[np.float64],
    seed: int,
    groups: ArrayLike | None,
    chance: float,
    perfect: float,
) -> Score:
    """Score of a statistic of summed rows, with its bootstrap interval."""
    value = float(statistic(rows.sum(axis=0)))
    low, high = bootstrap_interval(statistic(bootstrap_sums(rows, seed, groups)), value)
    return Score(value, low, high, float(chance), perfect)


def round_trip(latents: ArrayLike, latents_back: ArrayLike) -> Score:
    """`roundtrip/max`: largest absolute error of T⁻¹(T(z)) over the standard deviation of all entries of z.

    At least 0, and 0 for an exact inverse; float32 leaves some 1e-6. The score is defined here. No interval: a largest
    value has none that a resample could give.

    Args:
        latents: z [n, N], all test rows.
        latents_back: T⁻¹(T(z)) [n, N].

    Raises:
        ValueError: if shapes differ, a number is not finite, or all entries of z are equal.
    """
    there, back = checked_rows(latents, "latents"), checked_rows(latents_back, "latents_back")
    if there.shape != back.shape:
        raise ValueError(f"latents_back: found shape {back.shape}; {there.shape} is expected")
    scale = float(there.std())
    if scale == 0:
        raise ValueError("latents: all entries are equal; an error has no scale to be measured by")
    return Score(float(np.abs(back - there).max()) / scale)
