"""Which trials train together: those that agree in what shapes tensors, as many as pay and as leave work for all."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import pairwise

from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.tuning.trial import TrialSetup

__all__ = ["MOST", "packs"]

# Flows in a pack at most, by device. On one core of a CPU a step of a default flow (12 blocks of 64, N = 32, 256 pairs)
# took CPUFIGURES
# what is wider than a pack of 8 leaves the caches. A GPU takes all that fit into its memory.
MOST = {"cpu": 8, "cuda": 64}


def packs(setups: Sequence[TrialSetup], most: int, concurrent: int) -> list[list[TrialSetup]]:
    """Cut trials into packs of at most `most`, the largest first, and into `concurrent` at least where they suffice.

    A flow is the same whichever pack it is in, so this decides about time alone.
    """
    alike: dict[Hashable, list[TrialSetup]] = {}
    for setup in setups:
        alike.setdefault(_shape(setup), []).append(setup)
    cut = [part for group in alike.values() for part in _evenly(group, math.ceil(len(group) / most))]
    while len(cut) < concurrent and (largest := max(cut, key=len, default=[]))[1:]:
        cut.remove(largest)
        cut += _evenly(largest, 2)
    return sorted(cut, key=len, reverse=True)


def _shape(setup: TrialSetup) -> Hashable:
    """All of a trial but its seed, factors, rho, learning rate and weight decay."""
    task, own = setup.task, setup.task.flow
    one = Layout((RESIDUAL,), (task.layout.num_dims,))
    train = setup.train.changed(learning_rate=1.0, weight_decay=0.0)
    return task.layout.names, replace(task, layout=one, seed=0, flow=own.changed(rho=0.5)), train


def _evenly(setups: list[TrialSetup], num: int) -> list[list[TrialSetup]]:
    ends = [len(setups) * index // num for index in range(num + 1)]
    return [setups[start:end] for start, end in pairwise(ends)]
