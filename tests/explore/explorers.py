"""Small explorers: an untrained network, a map that is not the identity, images of noise."""

from interpret.subjects import Parts, parts, with_values

from pipeline.explore.explorer import Explorer
from pipeline.interpret.subject import subject_of
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import Score

SCORES = Scores(
    {
        "probe/own/shape": Score(0.91),
        "swap/follow/shape": Score(0.87),
        "probe/matrix/residual/shape": Score(0.06),
        "probe/matrix/residual/hue": Score(0.02),
    }
)


def explorer_of(stored: Parts | None = None, scores: Scores | None = SCORES) -> Explorer:
    stored = with_values(stored or parts())
    return Explorer(subject_of(stored.rows(), 0), scores)
