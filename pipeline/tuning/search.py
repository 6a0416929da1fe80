"""The sweep: Optuna draws the trials, Ray Tune runs packs of them, and the best of them shapes the flow.

The draws are random with a fixed seed and do not look at results, and each trial takes the same number of steps
without an early stop. So two sweeps try the same flows and choose the same one, however they are cut into packs.
"""

import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune

from pipeline.basis import curves
from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.cluster import start_ray
from pipeline.entry import die_with_parent
from pipeline.errors import InputError
from pipeline.flow_task import FlowTaskConfig
from pipeline.held_out import why_no_probe
from pipeline.machine import Resources
from pipeline.params import Params
from pipeline.progress import Progress, following
from pipeline.scores.statistics.intervals import behind
from pipeline.tables.latents import load_latents
from pipeline.training.checkpoints import locked
from pipeline.tuning.flow_file import FlowChoice, Trial
from pipeline.tuning.sampler import Sampler
from pipeline.tuning.space import Candidate
from pipeline.tuning.trial import Failure, Figures, TrialSetup, choose, known, packs, run_pack

__all__ = ["sweep"]

MAX_RESTARTS = 2  # of a pack whose process was killed


def sweep(
    params: Params, latents: Path, estimate: Layout, run_folder: Path, spectrum: Layout | None = None
) -> FlowChoice:
    """Try `tune.trials` candidates and choose one; with none, pass the params' own on.

    Args:
        params: all sections; a trial trains as sections `flow` and `train` say, for `tune.steps`, on the device of
            `machine`; each pack has one CPU.
        latents: folder of the latents table.
        estimate: layout of the estimated sizes, or of those that the params state.
        run_folder: keeps the curves and figures of each trial, so that a killed sweep goes on.
        spectrum: layout that the second trial has as it is, beside the params' own settings.

    Raises:
        InputError: another process sweeps there, every trial diverged, or the latents or the memory do not fit.
    """
    sampler = Sampler.of(params, estimate)
    if not params.tune.trials:
        return FlowChoice(Candidate(sampler.own, estimate), estimate.sizes)
    if reason := why_no_probe(load_latents(latents, "val"), params.seed):
        print(f"validation rows: {reason}; so the best trial is that of the fewest held-out nats alone", flush=True)
    candidates = sampler.candidates(params.tune.trials, draw_seed(params.seed, "tune"), spectrum)
    setups = [_setup(number, candidate, params, latents, run_folder) for number, candidate in enumerate(candidates)]
    with locked(run_folder):
        found = {setup.number: outcome for setup in setups if (outcome := known(setup))}
        waiting = [setup for setup in setups if setup.number not in found]
        if waiting:
            with start_ray(params.machine.changed(workers=1, cpus_per_worker=1)) as resources:
                together = packs(waiting, resources.device, params.tune.concurrent)
                steps = len(setups) * params.tune.steps
                results = _run(together, params.tune.concurrent, steps, resources, run_folder)
            for pack, result in zip(together, results, strict=True):
                found |= _found(pack, result, candidates)
    trials = _trials(candidates, found)
    chosen = choose(trials)
    for trial in trials:
        print(_line(trial, trial is chosen), flush=True)
    return FlowChoice(chosen.candidate, estimate.sizes, tuple(trials), chosen.number)


def _setup(number: int, candidate: Candidate, params: Params, latents: Path, run_folder: Path) -> TrialSetup:
    """What trains a candidate; its folder bears its name, as two trials of one candidate are the same trial."""
    own = candidate.applied(params)
    train = own.train.changed(steps=params.tune.steps)
    task = replace(FlowTaskConfig.of(own, latents, candidate.layout), patience=None)
    return TrialSetup(number, task, train, run_folder.absolute() / "trials" / candidate.name)


def _run(
    together: list[list[TrialSetup]], concurrent: int, steps: int, resources: Resources, run_folder: Path
) -> list[Any]:
    """What Ray Tune reports of each pack, in their order; `steps` are those of all trials of the sweep."""
    at_once = min(concurrent, len(together))
    gpus = min(1.0, ray.cluster_resources().get("GPU", 0) / at_once) if resources.device == "cuda" else 0
    own_files = run_folder / "ray"
    shutil.rmtree(own_files, ignore_errors=True)
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # no CSV or TensorBoard file beside our own curves
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # its tables ignore verbose=0
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(_try, together=together, device=resources.device), {"CPU": 1, "GPU": gpus}
        ),
        param_space={"number": tune.grid_search(list(range(len(together))))},
        tune_config=tune.TuneConfig(max_concurrent_trials=at_once, reuse_actors=True),
        run_config=tune.RunConfig(
            name=own_files.name,
            storage_path=str(run_folder),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=MAX_RESTARTS),
        ),
    )
    with following(_shows_steps(steps, run_folder)):
        return list(tuner.fit())


def _try(drawn: dict[str, Any], together: list[list[TrialSetup]], device: str) -> None:
    """What Ray Tune runs of each pack; the line of a wrong input is reported, since a new start would not mend it."""
    die_with_parent(signal.SIGKILL)
    torch.set_num_threads(1)
    try:
        found, said = run_pack(together[drawn["number"]], torch.device(device))
    except InputError as error:
        tune.report({"refusal": str(error)})
    else:
        tune.report({"found": found, "said": said})


def _found(pack: Sequence[TrialSetup], result: Any, candidates: Sequence[Candidate]) -> dict[int, Figures | Failure]:
    """What each trial of a pack found, by its number."""
    if result.error:
        raise result.error
    if "refusal" in result.metrics:
        candidate = candidates[pack[0].number]
        raise InputError(
            f"trial of {candidate.words}, sizes {list(candidate.layout.sizes)}: {result.metrics['refusal']}"
        )
    for line in result.metrics["said"]:
        print(line, flush=True)
    return {setup.number: found for setup, found in zip(pack, result.metrics["found"], strict=True)}


def _trials(candidates: Sequence[Candidate], found: Mapping[int, Figures | Failure]) -> list[Trial]:
    """The trials in the order of the search, each compared with the one of the highest `probe/gap`; those that diverged
    are said, and left out.
    """
    figures: dict[int, Figures] = {}
    for number, candidate in enumerate(candidates):
        outcome = found[number]
        if "failure" in outcome:
            print(f"trial {number}: {candidate}: {outcome['failure']}; it is left out", flush=True)
        else:
            figures[number] = outcome
    if not figures:
        raise InputError(f"no trial is left: all {len(candidates)} diverged; try a lower train.learning_rate or clip")
    gaps = [row["probe_gap"] for row in figures.values() if row["probe_gap"] is not None]  # of all, or of none
    resamples = [row["gap_resamples"] for row in figures.values()]
    intervals = behind(gaps, resamples) if gaps else [(None, None)] * len(figures)
    trials = []
    for (number, row), interval in zip(figures.items(), intervals, strict=True):
        gap = (row["probe_gap"], row["gap_low"], row["gap_high"])
        trials.append(Trial(number, candidates[number], *gap, *interval, row["pair_nats"]))
    return trials


def _line(trial: Trial, chosen: bool) -> str:
    measured = trial.probe_gap is not None
    gap = f"probe/gap {trial.probe_gap:.3f} ({trial.gap_low:.3f} to {trial.gap_high:.3f}), " if measured else ""
    return (
        f"trial {trial.number}: {trial.candidate}, {gap}{trial.pair_nats:.2f} nats a pair{', chosen' if chosen else ''}"
    )


def _shows_steps(steps: int, run_folder: Path) -> Callable[[], None]:
    """What shows how many of all trials' steps are done, if there are new ones."""
    progress, shown = Progress(run_folder.name.rpartition("-")[0].replace("-", " "), steps), 0

    def show() -> None:
        nonlocal shown
        done = sum(max(0, curves.last_step(path)) for path in run_folder.glob(f"trials/*/{curves.METRICS}"))
        if done > shown:
            shown = done
            progress.update(done)

    return show
