"""Workers around the loop: any number, checkpoints, and a run that goes on after a kill.

A killed worker: the workers are started anew, from the last checkpoint. A killed driver: its workers die with their
parent, and the same command makes the next generation, which goes on from the last checkpoint.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from pipeline.basis import curves
from pipeline.errors import InputError
from pipeline.params import MachineParams, Optimisation
from pipeline.progress import Progress, following
from pipeline.training.checkpoints import (
    Generation,
    State,
    drop_older,
    locked,
    newest_checkpoint,
    read_checkpoint,
    start_generation,
    write_checkpoint,
)
from pipeline.training.compiling import prefers_compiling, why_not
from pipeline.training.loop import Hooks, from_rank_0, rank_and_world, train
from pipeline.training.task import Task
from pipeline.workers.launch import Launcher, launching

__all__ = ["Result", "start_training", "train_on_workers"]

Config = TypeVar("Config")


@dataclass(frozen=True)
class Result:
    """What a finished run leaves.

    Attributes:
        model: state dict of the trained network, on the CPU: of its best step where the task is `Judged`, or the last.
        step: which step that is.
        metrics: content of metrics.jsonl, the same as of a run that was never interrupted.
        folder: of the last generation: checkpoints, metrics.jsonl, times.jsonl.
    """

    model: dict[str, Tensor]
    step: int
    metrics: str
    folder: Path


def train_on_workers(
    task_factory: Callable[[Config, torch.device], Task],
    task_config: Config,
    config: Optimisation,
    machine: MachineParams,
    run_folder: Path,
    *,
    compile_from: int | None = None,
) -> Result:
    """What `start_training` gives in the end, for who has nothing to do meanwhile."""
    with start_training(task_factory, task_config, config, machine, run_folder, compile_from=compile_from) as finish:
        return finish()


@contextmanager
def start_training(
    task_factory: Callable[[Config, torch.device], Task],
    task_config: Config,
    config: Optimisation,
    machine: MachineParams,
    run_folder: Path,
    *,
    compile_from: int | None = None,
) -> Iterator[Callable[[], Result]]:
    """Train a task on `machine.workers` workers, going on from where an earlier start of the same run was ended.

    Gives what waits for the end; workers that still train when the block ends are ended, too.

    Args:
        task_factory: makes the task in each worker from its config and device; a function of a module.
        task_config: what the task is made from; paths in it are absolute, as a worker runs elsewhere.
        config: optimisation.
        machine: workers, their CPUs, GPUs and device.
        run_folder: from `run_folder()`; its name is what the progress lines say, without the fingerprint.
        compile_from: steps in all from which a compiled step pays for its compilation; None: it never does.

    Raises:
        InputError: there is less than `machine` asks for, another process trains there, the disk is full, training
            diverged, or the task refuses its input; the last three where the end is waited for.
    """
    if machine.workers > config.batch_size:
        raise InputError(
            f"params.yaml: machine.workers: found {machine.workers}, accepted are at most {config.batch_size}, "
            "the batch_size"
        )
    name = run_folder.name.rpartition("-")[0].replace("-", " ")
    with locked(run_folder), launching(machine, run_folder / "ray") as launcher:
        generation = start_generation(run_folder)
        curves.show_at(run_folder, generation.folder)
        if generation.step >= config.steps:
            yield lambda: _result(name, generation, config)
            return
        going_on = f", going on from step {generation.step}" if generation.resume else ""
        compile_step = _chooses_compiling(config.steps, compile_from, generation.resume, name, launcher)
        how = ", compiled" if compile_step else ""
        print(f"{name}: {machine.workers} worker(s) on {launcher.resources.device}{how}{going_on}", flush=True)
        job = _Job(task_factory, task_config, config, compile_step, launcher.resources.cpus, generation)
        with launcher.start(_work, job) as wait:

            def finish() -> Result:
                with following(_shows_entries(name, generation, config.steps)):
                    refusal = wait()
                if refusal:
                    raise InputError(refusal)
                drop_older(generation)
                return _result(name, generation, config)

            yield finish


def _result(name: str, generation: Generation, config: Optimisation) -> Result:
    """What a generation that is done leaves, and a word on where it was the best."""
    last = newest_checkpoint(generation.folder) or generation.resume
    assert last is not None  # the last step leaves a checkpoint
    metrics = (generation.folder / curves.METRICS).read_text()
    state = read_checkpoint(last)
    (member,) = state["members"]
    if best := member["best"]:
        early = f", ended at step {state['step']}, as none after it was better" if state["step"] < config.steps else ""
        print(f"{name}: best at step {best['step']} of {config.steps}{early}", flush=True)
    model, step = (best["model"], best["step"]) if best else (member["model"], state["step"])
    return Result(model, step, metrics, generation.folder)


def _chooses_compiling(
    steps: int, compile_from: int | None, resume: Path | None, name: str, launcher: Launcher
) -> bool:
    """Whether the workers compile their step, where one of them finds that it can."""
    if not prefers_compiling(steps, compile_from, read_checkpoint(resume) if resume else None):
        return False
    with launcher.start_one(why_not) as wait:
        reason = wait()
    if reason:
        print(
            f"{name}: runs eager, as a compiled step needs a working C++ compiler (Debian: g++): {reason}", flush=True
        )
    return not reason


@dataclass(frozen=True)
class _Job(Generic[Config]):
    """What each worker is given."""

    task_factory: Callable[[Config, torch.device], Task]
    task_config: Config
    config: Optimisation
    compile_step: bool
    cpus: int
    generation: Generation


def _work(device: str, job: _Job[Any]) -> str | None:
    """What each worker runs; gives the line of a wrong input, which a new start would not mend."""
    torch.set_num_threads(job.cpus)
    if device.startswith("cuda"):
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True, warn_only=True)
    folder = job.generation.folder
    start = from_rank_0(newest_checkpoint(folder) or job.generation.resume)  # the former, where it is started anew
    try:
        resume = read_checkpoint(start, device) if start else None
        if rank_and_world()[0] == 0:
            curves.cut(folder, resume["step"] if resume else -1)
        task: Task = job.task_factory(job.task_config, torch.device(device))
        train(task, job.config, _hooks(folder), resume, compile_step=job.compile_step)
    except InputError as error:
        return str(error)
    return None


def _hooks(folder: Path) -> Hooks:
    unwritten: list[InputError] = []  # by rank 0 alone; said to the others at the next checkpoint, where all meet

    def log(entry: dict[str, float]) -> None:
        try:
            curves.append(folder, entry)
        except InputError as error:
            unwritten.append(error)

    def checkpoint(state: State) -> None:
        if rank_and_world()[0] == 0 and not unwritten:
            try:
                write_checkpoint(folder, state)
            except InputError as error:
                unwritten.append(error)
        if refusal := from_rank_0(unwritten[0] if unwritten else None):
            raise refusal

    return Hooks(log=log, checkpoint=checkpoint)


def _shown(entry: dict[str, float], held_out: dict[str, float]) -> dict[str, float]:
    """Losses of the newest entry, without what only an expert reads in a curve, and beside each its held-out value."""
    figures = {key.partition("/")[2]: value for key, value in entry.items() if key.startswith("train/")}
    shown = {}
    for key, value in figures.items():
        if key in ("gradient_norm", "learning_rate"):
            continue
        shown[key] = value
        if f"val/{key}" in held_out:
            shown[f"held-out {key}"] = held_out[f"val/{key}"]
    return shown


def _shows_entries(name: str, generation: Generation, steps: int) -> Callable[[], None]:
    """What shows the newest entry that rank 0 wrote, from wherever it runs, if it is new.

    Beside it stand the newest figures of held-out examples; the last entry waits for its own, which follow it.
    """
    path = generation.folder / curves.METRICS
    progress, shown = None, generation.step

    def show() -> None:
        nonlocal progress, shown
        entries = curves.entries(path)
        entry = next((entry for entry in reversed(entries) if "train/learning_rate" in entry), None)
        held_out = next((entry for entry in reversed(entries) if any(key.startswith("val/") for key in entry)), {})
        if entry and entry["step"] > shown and (entry["step"] < steps or entry is not entries[-1]):
            shown = int(entry["step"])
            progress = progress or Progress(name, steps, done=shown)  # not before, as the start of Ray is no training
            progress.update(shown, **_shown(entry, held_out))

    return show
