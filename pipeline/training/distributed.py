"""Ray Train around the loop: any number of workers, checkpoints, and a run that goes on after a kill.

A killed worker: Ray starts the workers anew from the last checkpoint. A killed driver: its workers die with their
parent, and the same command makes the next generation, which goes on from the last checkpoint.
"""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import ray.train
import torch
from ray.train import CheckpointUploadMode
from ray.train.torch import TorchTrainer, get_device

from pipeline.basis import curves
from pipeline.cluster import Resources, start_ray
from pipeline.entry import die_with_parent
from pipeline.errors import InputError
from pipeline.params import MachineParams, Optimisation
from pipeline.progress import Progress, following
from pipeline.training.checkpoints import (
    Generation,
    State,
    curves_folder,
    drop_older,
    locked,
    read_checkpoint,
    start_generation,
    write_checkpoint,
)
from pipeline.training.compiling import prefers_compiling, why_not
from pipeline.training.loop import Hooks, from_rank_0, train, train_pack
from pipeline.training.results import Result, results_of
from pipeline.training.task import Member, Pack, Task

__all__ = ["Result", "train_pack_with_ray", "train_with_ray"]

Config = TypeVar("Config")

MAX_RESTARTS = 3


def train_with_ray(
    task_factory: Callable[[Config, torch.device], Task],
    task_config: Config,
    config: Optimisation,
    machine: MachineParams,
    run_folder: Path,
    *,
    compile_from: int | None = None,
) -> Result:
    """Train a task on `machine.workers` workers, going on from where an earlier start of the same run was ended.

    Args:
        task_factory: makes the task in each worker from its config and device; a function of a module.
        task_config: what the task is made from; paths in it are absolute, as a worker runs elsewhere.
        config: optimisation.
        machine: workers, their CPUs, GPUs and device.
        run_folder: from `run_folder()`; its name is what the progress lines say, without the fingerprint.
        compile_from: steps in all from which a compiled step pays for its compilation; None: it never does.

    Raises:
        InputError: Ray has less than `machine` asks for, another process trains there, the disk is full, training
            diverged, or the task refuses its input.
    """
    tasks = partial(_alone, task_factory)
    (result,) = _train(_Training(tasks, task_config, config, None), machine, run_folder, compile_from)
    assert isinstance(result, Result)  # a network that diverges alone is an error
    return result


def train_pack_with_ray(
    task_factory: Callable[[Config, torch.device], Sequence[Task]],
    task_config: Config,
    pack_factory: Callable[[Sequence[Member]], Pack],
    config: Optimisation,
    machine: MachineParams,
    run_folder: Path,
) -> list[Result | str]:
    """Train networks of one shape together, as `train_with_ray` trains one; the curves of the first are followed.

    Args:
        task_factory: makes all their tasks.
        task_config: as of `train_with_ray`, as are the others.
        pack_factory: makes the pack of them.
        config: optimisation of each.
        machine: workers, each of which has all networks.
        run_folder: as well.

    Returns:
        What each network leaves, or the line that says why it was frozen out.

    Raises:
        InputError: as of `train_with_ray`; one that diverged is such where all did.
    """
    return _train(_Training(task_factory, task_config, config, pack_factory), machine, run_folder, None)


@dataclass(frozen=True)
class _Training(Generic[Config]):
    """What is trained: one network, or those of a pack."""

    task_factory: Callable[[Config, torch.device], Sequence[Task]]
    task_config: Config
    config: Optimisation
    pack_factory: Callable[[Sequence[Member]], Pack] | None


def _alone(task_factory: Callable[[Config, torch.device], Task], config: Config, device: torch.device) -> list[Task]:
    return [task_factory(config, device)]


def _train(
    training: _Training[Any], machine: MachineParams, run_folder: Path, compile_from: int | None
) -> list[Result | str]:
    config = training.config
    if machine.workers > config.batch_size:
        raise InputError(
            f"params.yaml: machine.workers: found {machine.workers}, accepted are at most {config.batch_size}, "
            "the batch_size"
        )
    name = run_folder.name.rpartition("-")[0].replace("-", " ")
    with locked(run_folder), start_ray(machine) as resources:
        generation = start_generation(run_folder)
        curves.show_at(run_folder, generation.folder)
        if generation.step < config.steps:
            going_on = f", going on from step {generation.step}" if generation.resume else ""
            compile_step = _chooses_compiling(config.steps, compile_from, generation.resume, name, resources)
            how = ", compiled" if compile_step else ""
            print(f"{name}: {machine.workers} worker(s) on {resources.device}{how}{going_on}", flush=True)
            with following(_shows_entries(name, generation, config.steps)):
                job = _Job(training, compile_step, resources.cpus, generation)
                _fit(job, machine.workers, resources)
            drop_older(generation)
        return results_of(name, generation, config.steps)


def _chooses_compiling(
    steps: int, compile_from: int | None, resume: Path | None, name: str, resources: Resources
) -> bool:
    """Whether the workers compile their step, where one of them finds that it can."""
    if not prefers_compiling(steps, compile_from, read_checkpoint(resume) if resume else None):
        return False
    try_it = ray.remote(why_not).options(num_cpus=resources.cpus, num_gpus=resources.gpus)
    if reason := ray.get(try_it.remote(resources.device)):
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


def _fit(job: _Job, workers: int, resources: Resources) -> None:
    folder = job.generation.folder
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job},
        scaling_config=ray.train.ScalingConfig(
            num_workers=workers, use_gpu=resources.gpus > 0, resources_per_worker=resources.as_dict()
        ),
        run_config=ray.train.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
            failure_config=ray.train.FailureConfig(max_failures=MAX_RESTARTS, controller_failure_limit=0),
        ),
    )
    refusal = trainer.fit().return_value
    if refusal:
        raise InputError(refusal)


def _work(settings: dict[str, Any]) -> str | None:
    """What each worker runs; gives the line of a wrong input, which a new start would not mend."""
    job: _Job = settings["job"]
    die_with_parent(signal.SIGKILL)
    torch.set_num_threads(job.cpus)
    if get_device().type == "cuda":
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True, warn_only=True)
    training = job.training
    reported = ray.train.get_checkpoint()  # of this generation, where Ray started the workers anew
    start = reported.path if reported else job.generation.resume
    try:
        resume = read_checkpoint(Path(start), str(get_device())) if start else None
        tasks = training.task_factory(training.task_config, get_device())
        folders = [curves_folder(job.generation.folder, number) for number in range(len(tasks))]
        for folder in folders if ray.train.get_context().get_world_rank() == 0 else ():
            folder.mkdir(exist_ok=True)
            curves.cut(folder, resume["step"] if resume else -1)
        all_hooks = _hooks(job.generation.folder, folders)
        if training.pack_factory is None:
            train(tasks[0], training.config, all_hooks[0], resume, compile_step=job.compile_step)
            return None
        members = [Member(task, training.config, of.log) for task, of in zip(tasks, all_hooks, strict=True)]
        failures = train_pack(training.pack_factory(members), all_hooks[0].checkpoint, resume)
        return f"none of {len(failures)} is left: {failures[0]}" if all(failures) else None
    except InputError as error:
        return str(error)


def _hooks(generation_folder: Path, folders: Sequence[Path]) -> list[Hooks]:
    """Of each network, whose curves go into its own folder; one checkpoint holds them all."""
    unwritten: list[InputError] = []  # by rank 0 alone; said to the others at the next checkpoint, where all meet

    def log(folder: Path, entry: dict[str, float]) -> None:
        try:
            curves.append(folder, entry)
        except InputError as error:
            unwritten.append(error)

    def checkpoint(state: State) -> None:
        path = None
        if ray.train.get_context().get_world_rank() == 0 and not unwritten:
            try:
                path = write_checkpoint(generation_folder, state)
            except InputError as error:
                unwritten.append(error)
        if refusal := from_rank_0(unwritten[0] if unwritten else None):
            raise refusal
        ray.train.report(
            {"step": state["step"]},
            checkpoint=ray.train.Checkpoint.from_directory(path) if path else None,
            checkpoint_upload_mode=CheckpointUploadMode.NO_UPLOAD,
        )

    return [Hooks(log=partial(log, folder), checkpoint=checkpoint) for folder in folders]


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
