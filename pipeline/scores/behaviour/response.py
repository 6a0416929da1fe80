"""How a decision over classes answers to edits: how often it changes, how far it moves, how widely it spreads.

A large response says that the classifier uses what the edited factor holds, a small one that it does not. Neither
is better, so chance and a perfect code have no meaning here.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from pipeline.scores.statistics.intervals import bootstrap_interval, bootstrap_sums
from pipeline.scores.statistics.score import Score

__all__ = ["ResponseTally", "response", "response_scores"]

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
    tally = ResponseTally(steps[0])
    for step in steps[1:]:
        tally.add(step)
    return {f"response/{name}": score for name, score in tally.scores(seed, groups).items()}


class ResponseTally:
    """The measures of `response` and the decisions, edit by edit: no more than a few numbers an input are kept.

    Args:
        unedited: probabilities of each class [n, classes] without an edit.
    """

    MEASURES = ("changed", "total_variation", "jensen_shannon", "class_deviation")

    def __init__(self, unedited: ArrayLike) -> None:
        self._unedited = _distribution(np.asarray(unedited, dtype=np.float64), 0)
        self._decision = self._unedited.argmax(axis=1)
        num, classes = self._unedited.shape
        self._edits = 0
        self._sums = np.zeros((num, 5))  # changed, variation, divergence, class, class²
        self.transitions: NDArray[np.int64] = np.zeros((classes, classes), np.int64)
        """How many edits turned a decision for the row's class into one for the column's."""

    def add(self, edited: ArrayLike) -> None:
        """Count one edit of every input: probabilities of each class [n, classes]."""
        self._edits += 1
        probabilities = _distribution(np.asarray(edited, dtype=np.float64), self._edits)
        decision = probabilities.argmax(axis=1)
        self._sums += np.stack(
            [
                decision != self._decision,
                0.5 * np.abs(probabilities - self._unedited).sum(axis=1),
                _jensen_shannon(probabilities, self._unedited),
                decision,
                decision.astype(np.float64) ** 2,
            ],
            axis=1,
        )
        np.add.at(self.transitions, (self._decision, decision), 1)

    def rows(self) -> NDArray[np.float64]:
        """The four measures of each input [n, 4]: its means over edits, and the deviation."""
        means = self._sums / self._edits
        deviation = np.sqrt(np.maximum(means[:, 4] - means[:, 3] ** 2, 0))  # classes are whole: exact but for rounding
        return np.column_stack([means[:, :3], deviation])

    def scores(self, seed: int = 0, groups: ArrayLike | None = None) -> dict[str, Score]:
        """As `response` has them, without the prefix."""
        return response_scores(self.rows(), self.MEASURES, seed, groups)


def response_scores(
    rows: NDArray[np.float64], measures: Sequence[str], seed: int, groups: ArrayLike | None
) -> dict[str, Score]:
    """Means over inputs of the rows of a tally [n, measures], or of several in a row, with their intervals."""
    # A ratio of sums, as resampled originals may have more or fewer inputs than those of the table.
    resamples = bootstrap_sums(np.column_stack([rows, np.ones(len(rows))]), seed, groups)
    scores = {}
    for number, name in enumerate(measures):
        value = float(rows[:, number].mean())
        scores[name] = Score(value, *bootstrap_interval(resamples[:, number] / resamples[:, -1], value))
    return scores


def _distribution(rows: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Rows [n, classes] that sum to 1, once they do nearly."""
    wrong = ~((rows.min(axis=1) >= 0) & (np.abs(rows.sum(axis=1) - 1) <= _SUM_ERROR))  # NaN is wrong, too
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"probabilities: step {step}, input {row} is {rows[row].tolist()}; numbers of at least 0 that sum "
            "to 1 are expected"
        )
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def _jensen_shannon(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Jensen-Shannon divergence [...] of distributions over the last axis, in bits."""
    middle = (p + q) / 2
    nats = 0.5 * (xlogy(p, p) + xlogy(q, q)) - xlogy(middle, middle)
    return np.asarray(np.clip(nats.sum(axis=-1) / np.log(2), 0, 1))  # rounding leaves the range by 1e-16
