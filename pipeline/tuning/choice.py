"""Which trial of a sweep is taken, and which go on at a rung: the highest `probe/gap`, then the fewest nats."""

from collections.abc import Mapping, Sequence

from pipeline.scores.statistics.intervals import behind
from pipeline.tuning.flow_file import Candidate, Trial
from pipeline.tuning.trial import Failure, Figures

__all__ = ["best_first", "choose", "compared"]

LOST = (None, None, None, None, None, None)  # figures of a trial that failed


def choose(trials: Sequence[Trial]) -> Trial:
    """Among the trials level with the highest `probe/gap`, the one of the fewest pair nats; of equal ones the first.

    All trials are scored on the same rows, and most of what makes each one's own interval wide is common to them and
    cancels in the difference: two intervals may overlap although the difference is certain.
    """
    level = [(trial.pair_nats, trial.number, trial) for trial in trials if trial.level and trial.pair_nats is not None]
    return min(level, key=lambda each: each[:2])[2]


def compared(
    candidates: Mapping[int, Candidate], found: Mapping[int, Figures | Failure], stopped: Mapping[int, int]
) -> list[Trial]:
    """The trials by number, those that took all their steps compared with the one of the highest `probe/gap`.

    Args:
        candidates: by number.
        found: of each.
        stopped: step at which a trial was stopped early, by number.
    """
    figures = {number: found[number] for number in sorted(candidates)}
    finished = {number: row for number, row in figures.items() if "failure" not in row and number not in stopped}
    gaps = [row["probe_gap"] for row in finished.values() if row["probe_gap"] is not None]  # of all, or of none
    resamples = [row["gap_resamples"] for row in finished.values()]
    intervals = dict(zip(finished, behind(gaps, resamples), strict=True)) if gaps else {}
    trials = []
    for number, row in figures.items():
        if "failure" in row:
            trials.append(Trial(number, candidates[number], *LOST, failure=row["failure"]))
        else:
            gap = (row["probe_gap"], row["gap_low"], row["gap_high"])
            low, high = intervals.get(number, (None, None))
            own = Trial(number, candidates[number], *gap, low, high, row["pair_nats"], stopped.get(number))
            trials.append(own)
    return trials


def best_first(candidates: Mapping[int, Candidate], found: Mapping[int, Figures], num: int) -> list[int]:
    """Numbers of the best `num` trials: the one that would be chosen, then the one that would be without it, and so on.

    Args:
        candidates: of the trials that took as many steps, by number.
        found: of each.
        num: how many.
    """
    rest = dict(candidates)
    best: list[int] = []
    while rest and len(best) < num:
        best.append(choose(compared(rest, found, {})).number)
        del rest[best[-1]]
    return best
