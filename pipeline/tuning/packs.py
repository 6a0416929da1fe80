"""How trials of a sweep form packs: flows of one shape, as many as pay."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import pairwise

from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.tuning.trial import TrialSetup

__all__ = ["MOST", "packs"]

# Flows in a pack at most, by device. On one core of a busy CPU a step of a default flow (12 blocks of 64, N = 32, 256
# pairs) took 39 ms of CPU time alone, 71 in a pack of one, 42 in one of 2, 30 of 4, 26 of 8, and 23 of 16, which holds
# twice the memory (`python benchmarks/packs.py`). A GPU takes what its memory holds.
MOST = {"cpu": 8, "cuda": 64}
# Numbers of a hidden layer, of all flows of such a pack of 8. Where one flow has as many, its kernels are large enough
# that their start costs nothing, and several flows at once would take memory alone.
NUMBERS_ON_CPU = 8 * 512 * 64


def packs(setups: Sequence[TrialSetup], device: str, concurrent: int) -> list[list[TrialSetup]]:
    """Cut trials into packs that pay on "cpu" or "cuda", the largest first, and into `concurrent` at least.

    A flow is the same whichever pack it is in, so this decides about time alone.
    """
    alike: dict[Hashable, list[TrialSetup]] = {}
    for setup in setups:
        alike.setdefault(_shape(setup), []).append(setup)
    cut = [part for group in alike.values() for part in _evenly(group, math.ceil(len(group) / _most(group[0], device)))]
    while len(cut) < concurrent and (largest := max(cut, key=len, default=[]))[1:]:
        cut.remove(largest)
        cut += _evenly(largest, 2)
    return sorted(cut, key=len, reverse=True)


def _most(setup: TrialSetup, device: str) -> int:
    fits = NUMBERS_ON_CPU // (2 * setup.task.batch_size * setup.task.flow.width) if device == "cpu" else MOST[device]
    return max(1, min(MOST[device], fits))


def _shape(setup: TrialSetup) -> Hashable:
    """All of a trial but its seed, factors, rho, learning rate and weight decay."""
    task, own = setup.task, setup.task.flow
    one = Layout((RESIDUAL,), (task.layout.num_dims,))
    train = setup.train.changed(learning_rate=1.0, weight_decay=0.0)
    alike = replace(task, layout=one, seed=0, flow=own.changed(rho=0.5))
    return task.layout.names, alike, train, setup.until, setup.since


def _evenly(setups: list[TrialSetup], num: int) -> list[list[TrialSetup]]:
    ends = [len(setups) * index // num for index in range(num + 1)]
    return [setups[start:end] for start, end in pairwise(ends)]
