"""What the backbone loses when its latent is replaced by T⁻¹(T(z)): nothing, if T is as invertible as it says.

A decoder is measured by its squared error, a classifier by its decisions. In both, chance hands each row the output of
another row, and perfect is the output of z itself.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.scores.checks import checked_rows
from pipeline.scores.intervals import bootstrap_interval, bootstrap_sums
from pipeline.scores.result import Score

__all__ = ["preservation_of_decisions", "preservation_of_images"]


def preservation_of_images(
    images: ArrayLike, outputs: ArrayLike, outputs_back: ArrayLike, seed: int = 0, groups: ArrayLike | None = None
) -> dict[str, Score]:
    """`preserve/squared_error`: relative change of the mean squared error of reconstruction, 0 if nothing is lost.

    Σ ‖G(T⁻¹(T(z))) − x‖² / Σ ‖G(z) − x‖² − 1, sums over all rows. Interval: bootstrap by original.

    Args:
        images: what went into the encoder, x [n, …].
        outputs: G(z), of the same shape.
        outputs_back: G(T⁻¹(T(z))), of the same shape.
        seed: of resamples and of the rows handed round.
        groups: original of each row [n]; None where each row is its own.

    Raises:
        ValueError: if shapes differ, a number is not finite, or G(z) = x exactly, where no relative change is known.
    """
    truth = _flat(images, "images")
    before, after = _flat(outputs, "outputs"), _flat(outputs_back, "outputs_back")
    for name, rows in (("outputs", before), ("outputs_back", after)):
        if rows.shape != truth.shape:
            raise ValueError(f"{name}: found {rows.shape}; {truth.shape} numbers, as in images, are expected")
    error, error_back = ((before - truth) ** 2).sum(axis=1), ((after - truth) ** 2).sum(axis=1)
    if not error.any():
        raise ValueError("outputs: they equal the images exactly; a relative change of their error is not defined")
    other = ((after[np.random.default_rng(seed).permutation(len(after))] - truth) ** 2).sum(axis=1)

    def change(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return sums[..., 1] / sums[..., 0] - 1

    rows = np.stack([error, error_back], axis=1)
    chance = change(np.array([error.sum(), other.sum()]))
    return {"preserve/squared_error": _score(change, rows, seed, groups, float(chance), perfect=0.0)}


def preservation_of_decisions(
    labels: ArrayLike, logits: ArrayLike, logits_back: ArrayLike, seed: int = 0, groups: ArrayLike | None = None
) -> dict[str, Score]:
    """`preserve/accuracy`, `preserve/agreement` and `preserve/largest_logit_difference`.

    Accuracy: its change when z is replaced, 0 if nothing is lost. Agreement: share of rows with the same decision.
    Largest logit difference: over all rows and classes, in the units of the logits, without an interval. Intervals of
    the others: bootstrap by original.

    Args:
        labels: true class of each row, an index of the logits [n].
        logits: G(z) [n, C].
        logits_back: G(T⁻¹(T(z))) [n, C].
        seed: of resamples and of the rows handed round.
        groups: original of each row [n]; None where each row is its own.

    Raises:
        ValueError: if shapes differ, or a number is not finite.
    """
    before, after = checked_rows(logits, "logits"), checked_rows(logits_back, "logits_back")
    truth = np.asarray(labels)
    if before.ndim != 2 or before.shape != after.shape or truth.shape != (len(before),):
        raise ValueError(
            f"labels, logits, logits_back: found shapes {truth.shape}, {before.shape}, {after.shape}; "
            "(n,), (n, C), (n, C) are expected"
        )
    decision, decision_back = before.argmax(axis=1), after.argmax(axis=1)
    source = np.random.default_rng(seed).permutation(len(after))

    def rows(back: NDArray[np.intp]) -> NDArray[np.float64]:
        """[n, 3]: gain in correctness, agreement, and a one."""
        gained = (back == truth).astype(np.float64) - (decision == truth)
        return np.stack([gained, back == decision, np.ones(len(back))], axis=1)

    measured, by_chance = rows(decision_back), rows(decision_back[source]).mean(axis=0)
    return {
        "preserve/accuracy": _score(lambda s: s[..., 0] / s[..., 2], measured, seed, groups, by_chance[0], 0.0),
        "preserve/agreement": _score(lambda s: s[..., 1] / s[..., 2], measured, seed, groups, by_chance[1], 1.0),
        "preserve/largest_logit_difference": Score(
            float(np.abs(after - before).max()), chance=float(np.abs(after[source] - before).max()), perfect=0.0
        ),
    }


def _flat(rows: ArrayLike, name: str) -> NDArray[np.float64]:
    """Rows [n, …] as [n, numbers a row]."""
    array = checked_rows(rows, name)
    return array.reshape(len(array), -1)


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
