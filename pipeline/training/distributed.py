"""Ray Train around the loop: any number of workers, checkpoints, and a run that goes on after a kill.

A killed worker: Ray starts the workers anew from the last checkpoint. A killed driver: its workers die with their
parent, and the same command makes the next generation, which goes on from the last checkpoint.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import ray.train
import torch
from ray.train import CheckpointUploadMode
from ray.train.torch import TorchTrainer, get_device
from torch import Tensor

from pipeline.basis import curves
from pipeline.cluster import Resources, start_ray
from pipeline.entry import die_with_parent
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
from pipeline.training.loop import Hooks, from_rank_0, train
from pipeline.training.task import Task

__all__ = ["Result", "train_with_ray"]

Config = TypeVar("Config")

MAX_RESTARTS = 3


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
                job = _Job(task_factory, task_config, config, compile_step, resources.cpus, generation)
                _fit(job, machine.workers, resources)
            drop_older(generation)
        last = newest_checkpoint(generation.folder) or generation.resume
        assert last is not None  # the last step leaves a checkpoint
        metrics = (generation.folder / curves.METRICS).read_text()
        state = read_checkpoint(last)
        (member,) = state["members"]
        if best := member["best"]:
            early = (
                f", ended at step {state['step']}, as none after it was better" if state["step"] < config.steps else ""
            )
            print(f"{name}: best at step {best['step']} of {config.steps}{early}", flush=True)
        model, step = (best["model"], best["step"]) if best else (member["model"], state["step"])
        return Result(model, step, metrics, generation.folder)


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
class _Job(Generic[Config]):
    """What each worker is given."""

    task_factory: Callable[[Config, torch.device], Task]
    task_config: Config
    config: Optimisation
    compile_step: bool
    cpus: int
    generation: Generation


def _fit(job: _Job[Config], workers: int, resources: Resources) -> None:
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
    job: _Job[Any] = settings["job"]
    die_with_parent(signal.SIGKILL)
    torch.set_num_threads(job.cpus)
    if get_device().type == "cuda":
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        torch.use_deterministic_algorithms(True, warn_only=True)
    folder = job.generation.folder
    reported = ray.train.get_checkpoint()  # of this generation, where Ray started the workers anew
    start = reported.path if reported else job.generation.resume
    try:
        resume = read_checkpoint(Path(start), str(get_device())) if start else None
        if ray.train.get_context().get_world_rank() == 0:
            curves.cut(folder, resume["step"] if resume else -1)
        task: Task = job.task_factory(job.task_config, get_device())
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
        path = None
        if ray.train.get_context().get_world_rank() == 0 and not unwritten:
            try:
                path = write_checkpoint(folder, state)
            except InputError as error:
                unwritten.append(error)
        if refusal := from_rank_0(unwritten[0] if unwritten else None):
            raise refusal
        ray.train.report(
            {"step": state["step"]},
            checkpoint=ray.train.Checkpoint.from_directory(path) if path else None,
            checkpoint_upload_mode=CheckpointUploadMode.NO_UPLOAD,
        )

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
