"""The sweep: flows are drawn, Ray Tune runs packs of them, and the best of them shapes the flow.

What is tried and what is chosen depends on params.yaml, on the latents and, where `tune.minutes` is set, on the clock:
never on how flows are cut into packs, on how many run at once, on the order in which they end, or on a kill.
"""

import itertools
from pathlib import Path

from pipeline.basis.layout import Layout
from pipeline.cluster import start_ray
from pipeline.errors import InputError
from pipeline.held_out import why_no_probe
from pipeline.params import Params
from pipeline.storage.remote import is_url, storage_of
from pipeline.tables.latents import load_latents
from pipeline.training.checkpoints import locked
from pipeline.tuning.choice import choose, compared
from pipeline.tuning.course import Course
from pipeline.tuning.flow_file import Candidate, FlowChoice, Trial
from pipeline.tuning.ray_packs import run_by_ray
from pipeline.tuning.sampler import Sampler
from pipeline.tuning.trial import TrialSetups

__all__ = ["sweep"]


def sweep(
    params: Params, latents: Path, estimate: Layout, run_folder: Path, trials: Path, spectrum: Layout | None = None
) -> FlowChoice:
    """Try `tune.trials` candidates and choose one; with none, pass the params' own on.

    Args:
        params: all sections; a trial trains as sections `flow` and `train` say, for `tune.steps`, on the device of
            `machine`; each pack has one CPU.
        latents: folder of the latents table.
        estimate: layout of the estimated sizes, or of those that the params state.
        run_folder: of this sweep.
        trials: keeps the curves and figures of each flow, so that a killed sweep goes on, and one that differs in
            `CHOOSING` alone takes what it finds there.
        spectrum: layout that the second trial has as it is, beside the params' own settings.

    Raises:
        InputError: another process sweeps in one of them, sizes to try do not fit the latents, or every trial failed.
    """
    sampler = Sampler.of(params, estimate)
    if not params.tune.trials:
        return FlowChoice(Candidate(sampler.own, estimate), estimate.sizes)
    if reason := why_no_probe(load_latents(latents, "val"), params.seed):
        print(f"validation rows: {reason}; so the best trial is that of the fewest held-out nats alone", flush=True)
    storage = params.machine.storage
    store = storage_of(storage, trials.parent).at(trials.name) if is_url(storage) else None
    setups = TrialSetups(params, latents.absolute(), run_folder.absolute(), trials.absolute(), store)
    with locked(run_folder), locked(trials):
        course = Course(setups, sampler, spectrum)
        if course.cut_short:
            print(f"tune.trials: of the combinations of the grid the first {course.num_trials} are tried", flush=True)
        rounds = course.rounds()
        if first := next(rounds, None):  # else all is known
            with start_ray(params.machine.changed(workers=1, cpus_per_worker=1)) as resources:
                run_by_ray(course, itertools.chain([first], rounds), setups, resources)
    return _chosen(course, estimate)


def _chosen(course: Course, estimate: Layout) -> FlowChoice:
    """The choice, said in a line for each trial."""
    candidates = {number: drawn.candidate for number, drawn in enumerate(course.drawn)}
    trials = compared(candidates, course.found, course.stopped)
    finished = [trial for trial in trials if trial.finished]
    if not finished:
        first = trials[0]
        raise InputError(
            f"no trial is left: each of {len(trials)} failed, and trial 0 ({first.candidate}) as: {first.failure}"
        )
    chosen = choose(finished)
    for trial in trials:
        print(_line(trial, trial is chosen), flush=True)
    if course.not_begun:
        print(f"tune.minutes: {course.not_begun} of {course.num_trials} trials were not begun", flush=True)
    return FlowChoice(chosen.candidate, estimate.sizes, tuple(trials), chosen.number, course.not_begun)


def _line(trial: Trial, chosen: bool) -> str:
    if trial.failure:
        return f"trial {trial.number}: {trial.candidate}: {trial.failure}; it is left out"
    measured = trial.probe_gap is not None
    gap = f"probe/gap {trial.probe_gap:.3f} ({trial.gap_low:.3f} to {trial.gap_high:.3f}), " if measured else ""
    end = ", chosen" if chosen else "" if trial.stopped is None else f", stopped at step {trial.stopped}"
    return f"trial {trial.number}: {trial.candidate}, {gap}{trial.pair_nats:.2f} nats a pair{end}"
