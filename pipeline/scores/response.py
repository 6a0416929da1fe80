"""How a decision over classes answers to edits: how often it changes, how far it moves, how widely it spreads.

A large response says that the classifier uses what the edited factor holds, a small one that it does not. Neither
is better, so chance and a perfect code have no meaning here.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from pipeline.scores.intervals import bootstrap_interval, bootstrap_sums
from pipeline.scores.result import Score

__all__ = ["response"]

_SUM_ERROR = 1e-3  # what rounding to float16 may do to the sum of a softmax


def response(probabilities: ArrayLike, seed: int = 0, groups: ArrayLike | None = None) -> dict[str, Score]:
    """Four measures of the edited decisions against the unedited one, each the mean over edits and then over inputs.

    - `response/changed`: share of edits after which another class is the likeliest, 0 to 1.
    - `response/total_variation`: ½ Σ_c |p_c − q_c|, 0 to 1.
    - `response/jensen_shannon`: divergence of p and q in bits, 0 to 1 (Lin, Divergence measures based on the Shannon
      entropy, IEEE Transactions on Information Theory 37, 1991).
    - `response/class_deviation`: standard deviation, over the edits of an input, of the index of the likeliest class,
      in classes (Esser, Rombach, Ommer, CVPR 2020). It depends on how the classes are numbered.

    Intervals: bootstrap of inputs, by original.

    Args:
        probabilities: of each class [steps + 1, n, classes]; step 0 is the decision without an edit.
        seed: of the resamples.
        groups: original of each input [n]; None where each is its own.

    Raises:
        ValueError: if the shape is another, there is no edit, or a row is no distribution over classes.
    """
    steps = np.asarray(probabilities, dtype=np.float64)
    if steps.ndim != 3 or len(steps) < 2 or steps.shape[1] < 1 or steps.shape[2] < 2:
        raise ValueError(
            f"probabilities: found shape {steps.shape}; (steps + 1, n, classes) with at least one step after the "
            "unedited decision, one input and two classes is expected"
        )
    wrong = ~((steps.min(axis=2) >= 0) & (np.abs(steps.sum(axis=2) - 1) <= _SUM_ERROR))  # NaN is wrong, too
    if wrong.any():
        step, row = np.argwhere(wrong)[0]
        raise ValueError(
            f"probabilities: step {step}, input {row} is {steps[step, row].tolist()}; numbers of at least 0 that sum "
            "to 1 are expected"
        )
    steps = steps / steps.sum(axis=2, keepdims=True)
    unedited, edited = steps[0], steps[1:]
    decisions = edited.argmax(axis=2)
    rows = {
        "response/changed": (decisions != unedited.argmax(axis=1)).mean(axis=0),
        "response/total_variation": 0.5 * np.abs(edited - unedited).sum(axis=2).mean(axis=0),
        "response/jensen_shannon": _jensen_shannon(edited, unedited).mean(axis=0),
        "response/class_deviation": decisions.std(axis=0),
    }
    # A ratio of sums, as resampled originals may have more or fewer inputs than those of the table.
    sums = np.stack([*rows.values(), np.ones(len(unedited))], axis=1)
    resamples = bootstrap_sums(sums, seed, groups)
    scores = {}
    for number, (name, row) in enumerate(rows.items()):
        value = float(row.mean())
        scores[name] = Score(value, *bootstrap_interval(resamples[:, number] / resamples[:, -1], value))
    return scores


def _jensen_shannon(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Jensen-Shannon divergence [...] of distributions over the last axis, in bits."""
    middle = (p + q) / 2
    nats = 0.5 * (xlogy(p, p) + xlogy(q, q)) - xlogy(middle, middle)
    return np.asarray(np.clip(nats.sum(axis=-1) / np.log(2), 0, 1))  # rounding leaves the range by 1e-16
