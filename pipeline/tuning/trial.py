"""Trials of a sweep: train a pack of flows, score the best step of each on the validation rows; and which to take.

What a trial finds is kept in its folder, so a sweep that was killed does not train it again.
"""

import gc
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TypedDict, final

import torch

from pipeline.basis import curves
from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.errors import InputError
from pipeline.files import read_json, write_json
from pipeline.flow_pack import FlowPack
from pipeline.flow_task import FlowData, FlowTask, FlowTaskConfig
from pipeline.params import Optimisation
from pipeline.scores.statistics.intervals import bootstrap_interval
from pipeline.storage.folder import Folder
from pipeline.training.best import Merit
from pipeline.training.loop import train_pack
from pipeline.training.task import Member
from pipeline.tuning.flow_file import Trial

__all__ = ["MOST", "Failure", "Figures", "TrialSetup", "choose", "known", "packs", "run_pack"]

FIGURES = "figures.json"

# Flows in a pack at most, by device. On one core of a busy CPU a step of a default flow (12 blocks of 64, N = 32, 256
# pairs) took 39 ms of CPU time alone, 71 in a pack of one, 42 in one of 2, 30 of 4, 26 of 8, and 23 of 16, which holds
# twice the memory (`python benchmarks/packs.py`). A GPU takes what its memory holds.
MOST = {"cpu": 8, "cuda": 64}
# Numbers of a hidden layer, of all flows of such a pack of 8. Where one flow has as many, its kernels are large enough
# that their start costs nothing, and several flows at once would take memory alone.
NUMBERS_ON_CPU = 8 * 512 * 64


@final
class Figures(TypedDict):
    """`probe/gap` of the best step with its interval and bootstrap resamples, None and no resamples where it can't be
    measured; and its mean held-out pair nats."""

    probe_gap: float | None
    gap_low: float | None
    gap_high: float | None
    gap_resamples: list[float]
    pair_nats: float


@final
class Failure(TypedDict):
    """Why a trial was frozen out, in one line."""

    failure: str


@dataclass(frozen=True)
class TrialSetup:
    """What a trial needs in its own process.

    Attributes:
        number: in the order of the search.
        task: what the flow learns from.
        train: its optimisation.
        folder: absolute, where it keeps its curves and figures.
    """

    number: int
    task: FlowTaskConfig
    train: Optimisation
    folder: Path


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
    return task.layout.names, replace(task, layout=one, seed=0, flow=own.changed(rho=0.5)), train


def _evenly(setups: list[TrialSetup], num: int) -> list[list[TrialSetup]]:
    ends = [len(setups) * index // num for index in range(num + 1)]
    return [setups[start:end] for start, end in pairwise(ends)]


def known(setup: TrialSetup) -> Figures | Failure | None:
    """What an earlier run of the same trial found; None where none did."""
    if not (setup.folder / FIGURES).is_file():
        return None
    kept: Figures | Failure = read_json(setup.folder / FIGURES)
    return kept


def run_pack(setups: Sequence[TrialSetup], device: torch.device) -> tuple[list[Figures | Failure], list[str]]:
    """Train and score flows that form a pack; those of which an earlier run is known are left alone.

    What does not fit into the memory of a GPU is halved and tried again.

    Returns:
        What each trial found, in the order of `setups`; and a line for each time that a pack was halved.

    Raises:
        InputError: not even one of them fits, or a flow refuses the latents.
    """
    said: list[str] = []
    waiting = [list(setups)]
    while waiting:
        pack = [setup for setup in waiting.pop(0) if not known(setup)]
        if pack and not _trained(pack, device):
            if len(pack) == 1:
                raise InputError(
                    f"machine.device: {device} has too little memory for one flow; accepted are smaller ones"
                )
            middle = len(pack) // 2
            waiting = [pack[:middle], pack[middle:], *waiting]
            said.append(
                f"{len(pack)} flows at once are too many for the memory of {device}; half of them fit, or fewer"
            )
    return [found for setup in setups if (found := known(setup))], said


def _trained(setups: Sequence[TrialSetup], device: torch.device) -> bool:
    """Train flows and write what each finds; whether they fit into the memory."""
    try:
        _train(setups, device)
    except torch.OutOfMemoryError:
        fits = False
    else:
        fits = True
    if not fits:  # not before, as the error holds on to what it met
        gc.collect()
        torch.cuda.empty_cache()
    return fits


def _train(setups: Sequence[TrialSetup], device: torch.device) -> None:
    data: dict[int, FlowData] = {}
    members, tasks = [], []
    for setup in setups:
        setup.folder.mkdir(parents=True, exist_ok=True)
        own = Folder(setup.folder)
        curves.cut(own, -1)
        if setup.task.seed not in data:
            data[setup.task.seed] = FlowData(setup.task, device)
        tasks.append(_Trial(setup.task, device, data[setup.task.seed]))
        members.append(Member(tasks[-1], setup.train, partial(curves.append, own)))
    failures = train_pack(FlowPack(members))
    for setup, task, failure in zip(setups, tasks, failures, strict=True):
        found: Figures | Failure = Failure(failure=failure) if failure else _score(task)
        write_json(setup.folder / FIGURES, found)


class _Trial(FlowTask):
    """A flow's task whose steps are judged by gap and nats alone: a trial is too short for the gain to come back."""

    def look(self) -> tuple[dict[str, float], Merit]:
        figures, merit = super().look()
        return figures, replace(merit, margin=0.0)


@torch.no_grad()
def _score(task: FlowTask) -> Figures:
    """What a look at the network that training ends as finds: its best step."""
    found, merit = task.look()
    if "probe_gap" not in found:
        return Figures(probe_gap=None, gap_low=None, gap_high=None, gap_resamples=[], pair_nats=merit.cost)
    low, high = bootstrap_interval(merit.resamples.numpy(), merit.score)
    return Figures(
        probe_gap=merit.score,
        gap_low=low,
        gap_high=high,
        gap_resamples=merit.resamples.tolist(),
        pair_nats=merit.cost,
    )


def choose(trials: Sequence[Trial]) -> Trial:
    """Among the trials level with the highest `probe/gap`, the one of the fewest pair nats; of equal ones the first.

    All trials are scored on the same rows, and most of what makes each one's own interval wide is common to them and
    cancels in the difference: two intervals may overlap although the difference is certain.
    """
    return min((trial for trial in trials if trial.level), key=lambda trial: (trial.pair_nats, trial.number))
