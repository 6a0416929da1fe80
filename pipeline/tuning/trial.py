"""Trials of a sweep: to train a pack of them and score the best step of each flow.

What a trial finds is kept in its folder, so that it is not trained again by a sweep that was killed, nor by another one
that tries more flows, or searches otherwise, and meets the same:

    trials/<candidate>/
      metrics.jsonl                 its curves
      figures-00000167.json         what it found at a rung, and
      step-00000167/                what it goes on from there, until its generation has ended; after that, who goes on
                                    begins anew, and stops at each rung on the way
      figures.json                  what it found after all steps, or why it was frozen out
      error.txt                     of an unexpected error
"""

import gc
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypedDict, final

import torch

from pipeline.basis import curves
from pipeline.errors import InputError, one_line
from pipeline.files import read_json, write_atomic, write_json
from pipeline.flow_pack import FlowPack
from pipeline.flow_task import FlowData, FlowTask, FlowTaskConfig
from pipeline.params import Optimisation, Params
from pipeline.scores.statistics.intervals import bootstrap_interval
from pipeline.storage.folder import Folder, Storage
from pipeline.training.best import Merit
from pipeline.training.checkpoints import State, read_checkpoint, write_checkpoint
from pipeline.training.loop import train_pack
from pipeline.training.optimiser import apart, joined
from pipeline.training.task import Member
from pipeline.tuning.flow_file import SEARCHED, Candidate

__all__ = ["CHOOSING", "Failure", "Figures", "TrialSetup", "TrialSetups", "figures_file", "known", "run_pack"]

# Keys of params.yaml that say which flows are tried and when, and nothing of how one of them is trained.
CHOOSING = tuple(
    f"tune.{key}" for key in ("trials", "minutes", "concurrent", "search", "generation", *SEARCHED, "sizes", "scale")
)


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
    """Why a trial has no figures, in one line."""

    failure: str


def figures_file(until: int | None) -> str:
    """Name of the file of what a flow finds at a rung; None: after all steps."""
    return "figures.json" if until is None else f"figures-{until:08d}.json"


@dataclass(frozen=True)
class TrialSetup:
    """What a trial needs in its own process.

    Attributes:
        number: in the order of the search.
        task: what the flow learns from.
        train: its optimisation.
        folder: absolute, where it keeps its curves and figures.
        until: step of the rung that it is trained to; None: all its steps.
        since: step of the rung before, from whose state it goes on; 0: it begins.
        rungs: steps of all of them, the last of which are all steps.
    """

    number: int
    task: FlowTaskConfig
    train: Optimisation
    folder: Path
    until: int | None = None
    since: int = 0
    rungs: tuple[int, ...] = ()

    @property
    def figures(self) -> Path:
        """What it finds there."""
        return self.folder / figures_file(self.until)

    @property
    def begins_from(self) -> Path:
        """The state that it goes on from."""
        return self.folder / f"step-{self.since:08d}"

    @property
    def passed(self) -> list[int]:
        """Rungs on the way: it stops at each, as a look there may find its best step."""
        return [step for step in self.rungs if self.since < step < (self.until or self.train.steps)]


@dataclass(frozen=True)
class TrialSetups:
    """What the trials of a sweep have in common.

    Attributes:
        params: all sections.
        latents: absolute, folder of the latents table.
        folder: absolute, of the sweep.
        trials: absolute, of what is kept of each flow; other sweeps may share it.
        store: where other machines find what is kept; None: there.
    """

    params: Params
    latents: Path
    folder: Path
    trials: Path
    store: Storage | None = None

    def of(self, number: int, candidate: Candidate, until: int | None = None, since: int = 0) -> TrialSetup:
        """What trains a candidate; its folder bears its name, as two trials of one candidate are the same trial."""
        own = candidate.applied(self.params)
        train = own.train.changed(steps=self.params.tune.steps)
        task = replace(FlowTaskConfig.of(own, self.latents, candidate.layout), patience=None)
        return TrialSetup(number, task, train, self.trials / candidate.name, until, since, self.params.tune.rungs)


def known(setup: TrialSetup) -> Figures | Failure | None:
    """What an earlier run of the same trial found; None where none did."""
    whole = replace(setup, until=None).figures
    if setup.figures.is_file():
        kept: Figures | Failure = read_json(setup.figures)
        return kept
    failed: Failure | None = read_json(whole) if whole.is_file() else None
    return failed if failed and "failure" in failed else None  # it was frozen out on the way


def run_pack(setups: Sequence[TrialSetup], device: torch.device) -> tuple[dict[int, str], list[str]]:
    """Train and score flows that form a pack; those of which an earlier run is known are left alone.

    What does not fit into the memory of a GPU is halved and tried again, and so is a pack in which there is any error:
    then the flow that meets it has it alone.

    Returns:
        By number why a flow has found nothing: it refuses its input, does not fit alone, or met an unexpected error;
        and a line for each time that a pack was too large. What the others found is in their folders.
    """
    lost: dict[int, str] = {}
    said: list[str] = []
    alike: dict[int, list[TrialSetup]] = {}
    for setup in map(_sound, setups):
        alike.setdefault(setup.since, []).append(setup)
    waiting = list(alike.values())
    while waiting:
        pack = [setup for setup in waiting.pop(0) if not known(setup)]
        fits, failure = _trained(pack, device) if pack else (True, "")
        if not failure:
            continue
        if len(pack) == 1:
            lost[pack[0].number] = failure
            continue
        middle = len(pack) // 2
        waiting = [pack[:middle], pack[middle:], *waiting]
        if not fits:
            said.append(
                f"{len(pack)} flows at once are too many for the memory of {device}; half of them fit, or fewer"
            )
    return lost, said


def _sound(setup: TrialSetup) -> TrialSetup:
    """The same, from its beginning where the state that it would go on from is damaged."""
    try:
        if setup.since:
            read_checkpoint(Folder(setup.begins_from))
    except InputError:
        return replace(setup, since=0)
    return setup


def _trained(setups: Sequence[TrialSetup], device: torch.device) -> tuple[bool, str]:
    """Train flows and write what each finds; whether they fit into the memory, and the line of an error."""
    try:
        stops = [setups[0].since, *setups[0].passed]
        for since, until in zip(stops, [*stops[1:], setups[0].until], strict=True):
            if going := [replace(setup, since=since, until=until) for setup in setups if not known(setup)]:
                _train(going, device)
    except InputError as error:
        return True, str(error)
    except torch.OutOfMemoryError:
        failure = f"machine.device: {device} has too little memory for one flow; accepted are smaller ones"
    except Exception as error:  # of one flow; a sweep of hundreds goes on without it
        for setup in setups:
            write_atomic(setup.folder / "error.txt", traceback.format_exc())
        return True, f"unexpected {type(error).__name__}: {one_line(error)}"
    else:
        return True, ""
    gc.collect()  # not before, as the error holds on to what it met
    torch.cuda.empty_cache()
    return False, failure


def _train(setups: Sequence[TrialSetup], device: torch.device) -> None:
    data: dict[int, FlowData] = {}
    members, tasks = [], []
    for setup in setups:
        setup.folder.mkdir(parents=True, exist_ok=True)
        own = Folder(setup.folder)
        curves.cut(own, setup.since or -1)
        if setup.task.seed not in data:
            data[setup.task.seed] = FlowData(setup.task, device)
        tasks.append(_Trial(setup.task, device, data[setup.task.seed]))
        members.append(Member(tasks[-1], setup.train, partial(curves.append, own)))
    configs, (since, until) = [setup.train for setup in setups], (setups[0].since, setups[0].until)
    states = [read_checkpoint(Folder(setup.begins_from), str(device)) for setup in setups if since]

    def keep(state: State) -> None:
        if state["step"] == until:
            for setup, own in zip(setups, apart(state, configs), strict=True):
                write_checkpoint(Folder(setup.folder), own)

    failures = train_pack(FlowPack(members), keep, joined(states, configs) if states else None, until)
    for setup, task, failure in zip(setups, tasks, failures, strict=True):
        if failure:
            write_json(replace(setup, until=None).figures, Failure(failure=failure))
        else:
            write_json(setup.figures, _score(task))


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
