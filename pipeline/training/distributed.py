"""Workers around the loop: any number, checkpoints, and a run that goes on after a kill.

A killed worker: the workers are started anew, from the last checkpoint. A killed driver: its workers die with their
parent, and the same command makes the next generation, which goes on from the last checkpoint.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from pipeline.basis import curves
from pipeline.errors import InputError, one_line
from pipeline.machine import is_out_of_memory
from pipeline.params import MachineParams, Optimisation
from pipeline.progress import Progress, following
from pipeline.storage.folder import Storage
from pipeline.storage.remote import storage_of
from pipeline.training.checkpoints import (
    Generation,
    Result,
    State,
    curves_folder,
    drop_older,
    locked,
    newest_checkpoint,
    read_checkpoint,
    results_of,
    start_generation,
    write_checkpoint,
)
from pipeline.training.compiling import prefers_compiling, why_not
from pipeline.training.loop import Hooks, from_rank_0, rank_and_world, train, train_pack
from pipeline.training.task import Member, Pack, Task
from pipeline.training.vitals import Vitals
from pipeline.workers.launch import Launcher, launching

__all__ = ["Result", "start_pack", "start_training", "train_on_workers"]

Config = TypeVar("Config")


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
    training = _Training(partial(_alone, task_factory), task_config, config)
    with _started(training, machine, run_folder, compile_from) as finish:

        def finish_one() -> Result:
            (result,) = finish()
            assert isinstance(result, Result)  # a network that diverges alone is an error
            return result

        yield finish_one


@contextmanager
def start_pack(
    task_factory: Callable[[Config, torch.device], Sequence[Task]],
    task_config: Config,
    pack_factory: Callable[[Sequence[Member]], Pack],
    config: Optimisation,
    machine: MachineParams,
    run_folder: Path,
) -> Iterator[Callable[[], list[Result | str]]]:
    """Train networks of one shape together, as `start_training` trains one; the curves of the first are followed.

    Gives what waits for the end: of each network what it leaves, or the line that says why it was frozen out.

    Args:
        task_factory: makes all their tasks.
        task_config: as of `start_training`, as are the others.
        pack_factory: makes the pack of them.
        config: optimisation of each.
        machine: workers, each of which has all networks.
        run_folder: as well.

    Raises:
        InputError: as of `start_training`; where networks diverge only if all do.
    """
    with _started(_Training(task_factory, task_config, config, pack_factory), machine, run_folder, None) as finish:
        yield finish


@dataclass(frozen=True)
class _Training(Generic[Config]):
    """What is trained: one network, or those of a pack."""

    task_factory: Callable[[Config, torch.device], Sequence[Task]]
    task_config: Config
    config: Optimisation
    pack_factory: Callable[[Sequence[Member]], Pack] | None = None


def _alone(task_factory: Callable[[Config, torch.device], Task], config: Config, device: torch.device) -> list[Task]:
    return [task_factory(config, device)]


@contextmanager
def _started(
    training: _Training[Any], machine: MachineParams, run_folder: Path, compile_from: int | None
) -> Iterator[Callable[[], list[Result | str]]]:
    config = training.config
    if machine.workers > config.batch_size:
        raise InputError(
            f"params.yaml: machine.workers: found {machine.workers}, accepted are at most {config.batch_size}, "
            "the batch_size"
        )
    name = run_folder.name.rpartition("-")[0].replace("-", " ")
    storage = storage_of(machine.storage, run_folder)
    with locked(run_folder), launching(machine, storage.at("ray")) as launcher:
        generation = start_generation(storage)
        _show(generation, run_folder)
        if generation.step >= config.steps:
            yield lambda: results_of(name, generation, config.steps)
            return
        going_on = f", going on from step {generation.step}" if generation.resume else ""
        compile_step = _chooses_compiling(config.steps, compile_from, generation.resume, name, launcher)
        how = ", compiled" if compile_step else ""
        print(f"{name}: {machine.workers} worker(s) on {launcher.resources.device}{how}{going_on}", flush=True)
        job = _Job(training, compile_step, launcher.resources.cpus, generation)
        with launcher.start(_work, job) as wait:

            def finish() -> list[Result | str]:
                with following(_shows_entries(name, generation, config.steps, run_folder)):
                    wait()
                drop_older(storage, generation)
                return results_of(name, generation, config.steps)

            yield finish


def _chooses_compiling(
    steps: int, compile_from: int | None, resume: Storage | None, name: str, launcher: Launcher
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
class _Job:
    """What each worker is given."""

    training: _Training[Any]
    compile_step: bool
    cpus: int
    generation: Generation


def _work(device: str, job: _Job) -> None:
    """What each worker runs; an InputError of any of them ends all."""
    torch.set_num_threads(job.cpus)
    if device.startswith("cuda"):
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True, warn_only=True)
    start = _begins_from(job.generation)
    try:
        _train(torch.device(device), job, read_checkpoint(start, device) if start else None)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        rank, world = rank_and_world()
        whose = f"worker {rank} of {world}, " if world > 1 else ""
        raise InputError(
            f"{whose}{device}: too little memory for the training ({one_line(error)}); accepted are a smaller "
            "batch_size or network, or more machine.workers"
        ) from None


def _begins_from(generation: Generation) -> Storage | None:
    """The checkpoint that all workers go on from: the newest where they start anew, for which rank 0 alone looks."""
    newest = newest_checkpoint(generation.folder) if rank_and_world()[0] == 0 else None
    return from_rank_0(newest or generation.resume)


def _train(device: torch.device, job: _Job, resume: State | None) -> None:
    training, generation = job.training, job.generation
    tasks = training.task_factory(training.task_config, device)
    folders = [curves_folder(generation.folder, number) for number in range(len(tasks))]
    for folder in folders if rank_and_world()[0] == 0 else ():
        curves.cut(folder, resume["step"] if resume else -1)

    def checkpoint(state: State) -> None:
        if rank_and_world()[0] == 0:
            for folder in folders:  # with a checkpoint come the curves up to its step
                folder.flush()
            write_checkpoint(generation.folder, state)

    vitals = Vitals(device)

    def log_first(entry: dict[str, float]) -> None:
        curves.append(folders[0], entry, vitals(entry["step"]))

    logs: list[Callable[[dict[str, float]], None]] = [log_first]
    logs += [partial(curves.append, folder) for folder in folders[1:]]
    if training.pack_factory is None:
        train(tasks[0], training.config, Hooks(logs[0], checkpoint), resume, compile_step=job.compile_step)
        return
    members = [Member(task, training.config, log) for task, log in zip(tasks, logs, strict=True)]
    try:
        failures = train_pack(training.pack_factory(members), checkpoint, resume)
    except torch.OutOfMemoryError:
        raise InputError(
            f"{len(tasks)} networks at once do not fit into the memory of {device}; accepted are fewer"
        ) from None
    if all(failures):
        raise InputError(f"none of {len(failures)} is left: {failures[0]}")


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


def _show(generation: Generation, run_folder: Path) -> None:
    """Let the curves, and what went beside them, be seen in the run's folder on this machine."""
    for name in (curves.METRICS, curves.TIMES):
        generation.folder.show(name, run_folder / name)


def _shows_entries(name: str, generation: Generation, steps: int, run_folder: Path) -> Callable[[], None]:
    """What shows the newest entry that rank 0 wrote, from wherever it runs, if it is new.

    Beside it stand the newest figures of held-out examples; the last entry waits for its own, which follow it.
    """
    progress, shown = None, generation.step

    def show() -> None:
        nonlocal progress, shown
        _show(generation, run_folder)
        entries = curves.entries(run_folder / curves.METRICS)
        entry = next((entry for entry in reversed(entries) if "train/learning_rate" in entry), None)
        held_out = next((entry for entry in reversed(entries) if any(key.startswith("val/") for key in entry)), {})
        if entry and entry["step"] > shown and (entry["step"] < steps or entry is not entries[-1]):
            shown = int(entry["step"])
            progress = progress or Progress(name, steps, done=shown)  # not before, as the start of Ray is no training
            progress.update(shown, **_shown(entry, held_out))

    return show
