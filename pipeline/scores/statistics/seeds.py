"""What a score is over seeds of a training: mean and standard deviation, as papers of the field report it.

An interval says how far a score of one trained network depends on which test rows there are; this says how far it
depends on chance in the training. One does not hold the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev

from pipeline.scores.statistics.score import SEEDS, SEEDS_MEAN, SEEDS_STD, Score

__all__ = ["with_spread"]


def with_spread(scores: Mapping[str, Score], others: Sequence[Mapping[str, float]]) -> dict[str, Score]:
    """Scores whose details also hold `seeds`, `seeds_mean` and `seeds_std`, the sample's (n − 1), where all have them.

    Args:
        scores: of the network that is kept; they stay what they are.
        others: values of the same scores of the networks of one other seed each, or of some of them.

    Example:
        >>> scores = with_spread({"probe/gap": Score(0.9), "closed_form/gap": Score(0.8)}, [{"probe/gap": 0.8}])
        >>> scores["probe/gap"].over_seeds, scores["closed_form/gap"].over_seeds
        ((0.85, 0.0707..., 2), None)
    """
    spread = {}
    for name, score in scores.items():
        values = [score.value, *(other[name] for other in others if name in other)]
        if others and len(values) == 1 + len(others):
            mean, std = fmean(values), stdev(values)
            score = replace(score, details={**score.details, SEEDS: len(values), SEEDS_MEAN: mean, SEEDS_STD: std})
        spread[name] = score
    return spread
