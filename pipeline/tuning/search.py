"""The sweep: Optuna draws the trials, Ray Tune runs some at once, and the best of them shapes the flow.

The draws are random with a fixed seed and do not look at results, and each trial takes the same number of steps
without an early stop. So two sweeps try the same flows and choose the same one, however many run at once.
"""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from pipeline.basis import curves
from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.cluster import Resources, start_ray
from pipeline.entry import die_with_parent
from pipeline.errors import InputError
from pipeline.flow import FlowConfig
from pipeline.flow_task import FlowTaskConfig
from pipeline.params import MachineParams, TuneParams
from pipeline.progress import Progress, following
from pipeline.training.checkpoints import locked
from pipeline.training.task import TrainConfig
from pipeline.tuning.flow_file import FlowChoice, Trial
from pipeline.tuning.space import Space
from pipeline.tuning.trial import behind, choose, run_trial, trial_folder

__all__ = ["SweepConfig", "sweep"]

MAX_RESTARTS = 2  # of a trial whose process was killed


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """What a sweep searches.

    Attributes:
        latents: folder of the latents table, absolute.
        flow: the params' own shape of T; a trial has its own number of blocks.
        estimate: layout of the estimated sizes, or of those that the params state.
        rho: correlation of a shared factor within a pair.
        train: optimisation of each trial, `steps` being `tune.steps`.
        tune: section `tune` of the params.
    """

    latents: str
    flow: FlowConfig
    estimate: Layout
    rho: float
    train: TrainConfig
    tune: TuneParams


def sweep(config: SweepConfig, machine: MachineParams, run_folder: Path) -> FlowChoice:
    """Try `tune.trials` flows and choose one; with none, pass the params' own on.

    Args:
        config: what to search.
        machine: device of the trials; each has one CPU.
        run_folder: keeps the curves and figures of each trial, so that a killed sweep goes on.

    Raises:
        InputError: another process sweeps there, a trial diverged, or the latents do not fit.
    """
    own = FlowChoice(config.flow.num_blocks, config.estimate, config.estimate.sizes)
    if not config.tune.trials:
        return own
    one = machine.model_copy(update={"workers": 1, "cpus_per_worker": 1})
    with locked(run_folder), start_ray(one) as resources:
        trials = _run(config, resources, run_folder)
    chosen = choose(trials)
    for trial in trials:
        print(_line(trial, trial is chosen), flush=True)
    layout = Layout(config.estimate.names, chosen.sizes)
    return FlowChoice(chosen.num_blocks, layout, config.estimate.sizes, tuple(trials), chosen.number)


def _run(config: SweepConfig, resources: Resources, run_folder: Path) -> list[Trial]:
    space = Space(config.flow.num_blocks, config.tune.num_blocks, config.tune.scale, config.estimate)
    concurrent = config.tune.concurrent
    gpus = min(1.0, ray.cluster_resources().get("GPU", 0) / concurrent) if resources.device == "cuda" else 0
    own_files = run_folder / "ray"
    shutil.rmtree(own_files, ignore_errors=True)
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # no CSV or TensorBoard file beside our own curves
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # its tables ignore verbose=0
    points = space.points(config.tune.trials, draw_seed(config.train.seed, "tune"))
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(_try, config=config, space=space, run_folder=run_folder, device=resources.device),
            {"CPU": 1, "GPU": gpus},
        ),
        param_space={"point": tune.grid_search(points)},
        tune_config=tune.TuneConfig(max_concurrent_trials=concurrent, reuse_actors=True),
        run_config=tune.RunConfig(
            name=own_files.name,
            storage_path=str(run_folder),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=MAX_RESTARTS),
        ),
    )
    with following(_shows_steps(config, len(points), run_folder)):
        results = tuner.fit()
    return _trials(list(results), space)


def _try(drawn: dict[str, Any], config: SweepConfig, space: Space, run_folder: Path, device: str) -> None:
    """What Ray Tune runs for each point; the line of a wrong input is reported, since a new start would not mend it."""
    die_with_parent(signal.SIGKILL)
    torch.set_num_threads(1)
    num_blocks, layout = space.flow_of(drawn["point"])
    task = FlowTaskConfig(
        latents=config.latents,
        flow=replace(config.flow, num_blocks=num_blocks),
        layout=layout,
        rho=config.rho,
        batch_size=config.train.batch_size,
        seed=config.train.seed,
    )
    try:
        found = run_trial(task, config.train, trial_folder(run_folder, num_blocks, layout.sizes), torch.device(device))
    except InputError as error:
        tune.report({"probe_gap": 0.0, "refusal": str(error)})
    else:
        tune.report(dict(found))


def _trials(results: list[Any], space: Space) -> list[Trial]:
    """The trials in the order of the search, each compared with the one of the highest `probe/gap`."""
    for result in results:
        num_blocks, layout = space.flow_of(result.config["point"])
        if result.error:
            raise result.error
        if "refusal" in result.metrics:
            raise InputError(f"trial of {num_blocks} blocks, sizes {list(layout.sizes)}: {result.metrics['refusal']}")
    found = [result.metrics for result in results]
    intervals = behind([metrics["probe_gap"] for metrics in found], [metrics["gap_resamples"] for metrics in found])
    trials = []
    for number, (result, interval) in enumerate(zip(results, intervals, strict=True)):
        num_blocks, layout = space.flow_of(result.config["point"])
        gap, low, high, nats = (float(result.metrics[key]) for key in ("probe_gap", "gap_low", "gap_high", "pair_nats"))
        trials.append(Trial(number, num_blocks, layout.sizes, gap, low, high, *interval, nats))
    return trials


def _line(trial: Trial, chosen: bool) -> str:
    return (
        f"trial {trial.number}: {trial.num_blocks} blocks, sizes {'/'.join(str(size) for size in trial.sizes)}, "
        f"probe/gap {trial.probe_gap:.3f} ({trial.gap_low:.3f} to {trial.gap_high:.3f}), "
        f"{trial.pair_nats:.2f} nats a pair{', chosen' if chosen else ''}"
    )


def _shows_steps(config: SweepConfig, num_trials: int, run_folder: Path) -> Callable[[], None]:
    """What shows how many steps all trials took together, if there are new ones."""
    progress, shown = Progress(run_folder.name.rpartition("-")[0].replace("-", " "), num_trials * config.train.steps), 0

    def show() -> None:
        nonlocal shown
        done = sum(_steps(path) for path in run_folder.glob(f"trials/*/{curves.METRICS}"))
        if done > shown:
            shown = done
            progress.update(done)

    return show


def _steps(path: Path) -> int:
    found = curves.entries(path)
    return int(found[-1]["step"]) if found else 0
