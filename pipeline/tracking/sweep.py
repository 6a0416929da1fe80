"""A tune sweep: one parent run, and below it one child a trial; of one that failed the child failed, too."""

from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import Metric, Run

from pipeline.files import sha256_file
from pipeline.scores.statistics.score import PAIR_NATS, PROBE_GAP
from pipeline.tracking.note import in_words, rounded, sweep_note, tried
from pipeline.tracking.runs import KIND, LAYER, NOTE, create_run, search, source_tags
from pipeline.tracking.store import Store
from pipeline.tuning.flow_file import Trial, read_flow_file

__all__ = ["log_sweep"]

FLOW_SHA256 = "iin.flow_sha256"
TRIAL = "iin.trial"
CHOSEN, STOPPED = "chosen", "stopped"  # the latter the step, of a trial that was stopped early
ENDED = ("FINISHED", "FAILED")
PARENT = "mlflow.parentRunId"  # the pages nest by this tag alone


def log_sweep(store: Store, layer: str, flow_file: Path) -> str | None:
    """Log the trials of a flow file where the experiment does not hold them yet.

    The parent is closed last, so that one which an interruption left open is filled up the next time.

    Returns:
        Id of the parent run; None where the file holds no trials (`tune.trials: 0`).
    """
    choice = read_flow_file(flow_file)
    if not choice.trials:
        return None
    tags = {LAYER: layer, FLOW_SHA256: sha256_file(flow_file)}
    parents = search(store, {**tags, KIND: "sweep"})
    if parents and parents[0].info.status == "FINISHED":
        return str(parents[0].info.run_id)
    client = store.client()
    tags |= source_tags()
    if parents:
        parent = str(parents[0].info.run_id)
    else:
        (chosen,) = (trial for trial in choice.trials if trial.number == choice.chosen)
        parent_tags = {**tags, KIND: "sweep", NOTE: sweep_note(choice, chosen)}
        parent = create_run(store, f"sweep {layer}", tried(chosen), parent_tags)
        client.log_batch(parent, metrics=_metrics(chosen))
    children = {run.data.tags[TRIAL]: run for run in search(store, {PARENT: parent})}
    for trial in choice.trials:
        child_tags = {**tags, KIND: "trial", PARENT: parent, TRIAL: str(trial.number)}
        child_tags[CHOSEN] = "true" if trial.number == choice.chosen else "false"
        if trial.stopped is not None:
            child_tags[STOPPED] = str(trial.stopped)
        _log_trial(store, trial, child_tags, children.get(str(trial.number)))
    client.log_artifact(parent, str(flow_file))
    client.set_terminated(parent)
    return parent


def _log_trial(store: Store, trial: Trial, tags: Mapping[str, str], run: Run | None) -> None:
    if run is not None and run.info.status in ENDED:
        return
    name = f"trial {trial.number}: {in_words(trial)}"
    why = {NOTE: trial.failure} if trial.failure else {}
    run_id = create_run(store, name, tried(trial), {**tags, **why}) if run is None else str(run.info.run_id)
    client = store.client()
    if run is None or not run.data.metrics:
        client.log_batch(run_id, metrics=_metrics(trial))
    client.set_terminated(run_id, "FAILED" if trial.failure else "FINISHED")


def _metrics(trial: Trial) -> list[Metric]:
    figures = {PROBE_GAP: trial.probe_gap, PAIR_NATS: trial.pair_nats}
    step = trial.stopped or 0
    return [Metric(name, rounded(value), 0, step) for name, value in figures.items() if value is not None]
