"""Small explorers: an untrained network, a map that is not the identity, images of noise."""

from dataclasses import replace

import numpy as np
from interpret.subjects import Parts, parts

from pipeline.explore.explorer import Explorer
from pipeline.iin.values import Categories, Continuous
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
    stored = stored or parts()
    shapes = Categories(np.arange(4), np.arange(8.0).reshape(4, 2) - 4, 0.1 * np.eye(2), ("{a}", "b <c>", "d", "e"))
    hues = Continuous(np.zeros(3), np.ones(3), np.linspace(-2, 2, 20).reshape(10, 2), 0.1 * np.eye(2))
    stored = replace(stored, iin=replace(stored.iin, values={"shape": shapes, "hue": hues}))
    return Explorer(subject_of(stored.rows(), 0), scores)
