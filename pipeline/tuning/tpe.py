"""Optuna's TPE over flows: what to try next, of what the trials before found.

References:
    Algorithms for hyper-parameter optimization (Bergstra, Bardenet, Bengio, Kégl, NeurIPS 2011). Several flows are
    drawn before one of them is tried; those that are drawn already count as poor ones (a constant liar: Ginsbourger, Le
    Riche, Carraro, Kriging is well-suited to parallelize optimization, 2010), so that the others lie elsewhere.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from pipeline.basis.draws import draw_seed
from pipeline.tuning.sampler import Drawn, Sampler

__all__ = ["Known", "next_drawn"]

MOST_ASKED = 20  # times for each flow; what TPE still asks for has been tried then, and the next is drawn at random


@dataclass(frozen=True)
class Known:
    """What is known of a flow that was tried.

    Attributes:
        drawn: the flow.
        value: `probe/gap`, or where none can be measured the negative of its nats; None of a flow that failed.
        stopped: step at which it was stopped; None where it took all.
    """

    drawn: Drawn
    value: float | None
    stopped: int | None


def next_drawn(sampler: Sampler, known: Sequence[Known], num: int, seed: int) -> list[Drawn]:
    """Flows to try next, `num` or fewer where all others were tried; a function of its arguments alone.

    Args:
        sampler: the space.
        known: all flows that were tried, by number.
        num: how many.
        seed: the study's.
    """
    seed = draw_seed(seed, "tune/tpe", len(known))
    seen = {each.drawn.candidate.name: each.drawn for each in known}
    num = sampler.num_different(len(seen) + num, seen) - len(seen)
    found: list[Drawn] = []
    learnt = itertools.islice(_asked(sampler, known, seed), MOST_ASKED * num)
    for drawn in itertools.chain(learnt, sampler.random(seed)):
        if len(found) == num:
            break
        if drawn.candidate.name not in seen:
            seen[drawn.candidate.name] = drawn
            found.append(drawn)
    return found


def _asked(sampler: Sampler, known: Sequence[Known], seed: int) -> Iterator[Drawn]:
    """What TPE asks for, without end; each stays unanswered, and a poor one for those that follow."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tpe = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=1)
    study, distributions = optuna.create_study(direction="maximize", sampler=tpe), sampler.distributions()
    study.add_trials([trial for each in known if (trial := _told(each, distributions))])
    while True:
        point = study.ask(distributions).params
        yield Drawn(sampler.candidate(point), point)


def _told(known: Known, distributions: dict[str, BaseDistribution]) -> FrozenTrial | None:
    """A trial as Optuna has it; None of a flow beside the searched values, and of one that failed."""
    if known.drawn.point is None or known.value is None:
        return None
    point = dict(known.drawn.point)
    if known.stopped is None:
        return create_trial(params=point, distributions=distributions, value=known.value)
    values = {known.stopped: known.value}
    return create_trial(state=TrialState.PRUNED, params=point, distributions=distributions, intermediate_values=values)
