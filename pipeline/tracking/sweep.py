"""A tune sweep: one parent run, and below it one child a trial; of one that failed the child failed, too."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import Metric, Run

from pipeline.drawing.sheet import house_style
from pipeline.files import sha256_file
from pipeline.params import FlowParams
from pipeline.scores.statistics.score import PAIR_NATS, PROBE_GAP
from pipeline.tracking.note import in_words, rounded, sweep_note
from pipeline.tracking.runs import HIDDEN, KIND, LAYER, NOTE, SIZES, allowed_name, create_run, search, source_tags
from pipeline.tracking.store import Store, run_link
from pipeline.tracking.sweep_sheet import sweep_sheet
from pipeline.tracking.views import sweep_view_link, write_sweep_view
from pipeline.tuning.flow_file import FlowChoice, Trial, read_flow_file

__all__ = ["SWEEP", "link_winner", "log_sweep"]

FLOW_SHA256 = f"{HIDDEN}flow_sha256"
SWEEP = f"{HIDDEN}sweep_run_id"  # of a training: the sweep that chose its flow
TRIAL = f"{HIDDEN}trial"
PICTURE = "sweep.png"
MOST_CHARACTERS = 7900  # of a tag, of 8,000
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
    chosen = next(trial for trial in choice.trials if trial.number == choice.chosen)
    if parents:
        parent = str(parents[0].info.run_id)
    else:
        name = f"{store.study} {layer} sweep of {len(choice.trials)}"
        parent = create_run(store, name, _params(chosen), {**tags, KIND: "sweep"})
        client.log_batch(parent, metrics=_metrics(chosen))
    children = {run.data.tags[TRIAL]: run for run in search(store, {PARENT: parent})}
    reached = {}
    for trial in choice.trials:
        child_tags = {**tags, KIND: "trial", PARENT: parent, TRIAL: str(trial.number)}
        child_tags[CHOSEN] = "true" if trial.number == choice.chosen else "false"
        if trial.stopped is not None:
            child_tags[STOPPED] = str(trial.stopped)
        if trial == chosen:
            child_tags[NOTE] = f"Chosen in [its sweep]({run_link(store, parent, '')}), {choice.reason}."
        reached[trial.number] = _log_trial(store, trial, child_tags, children.get(str(trial.number)))
    write_sweep_view(store, layer, list(_params(chosen)))
    links = {f"trial {chosen.number}": run_link(store, reached[chosen.number], "")}
    if view := sweep_view_link(store, layer):
        links["all trials in parallel coordinates"] = view
    client.set_tag(parent, NOTE, sweep_note(choice, chosen, links))
    client.log_artifact(parent, str(flow_file))
    _log_picture(store, parent, choice)
    client.set_terminated(parent)
    return parent


def link_winner(store: Store, sweep: str, run: Run) -> None:
    """Name in a sweep's description the run that was trained with its choice, once."""
    client = store.client()
    note = client.get_run(sweep).data.tags.get(NOTE, "")
    link = run_link(store, run.info.run_id, "")
    if link not in note and len(note) + len(link) < MOST_CHARACTERS:
        client.set_tag(sweep, NOTE, f"{note.rstrip()}\n\nTrained with this choice: [{run.info.run_name}]({link})\n")


def _log_picture(store: Store, parent: str, choice: FlowChoice) -> None:
    with tempfile.TemporaryDirectory() as folder, house_style(choice.candidate.layout.names):
        sheet = sweep_sheet(choice)
        if sheet is not None:
            sheet.save(Path(folder) / PICTURE)
            store.client().log_artifact(parent, str(Path(folder) / PICTURE), "figures")


def _params(trial: Trial) -> dict[str, str]:
    """What a trial differs in, as numbers, under the names that a training has for them."""
    sections = {key: "flow" if key in FlowParams.model_fields else "train" for key in trial.candidate.settings}
    settings = {f"{sections[key]}.{key}": str(value) for key, value in trial.candidate.settings.items()}
    layout = trial.candidate.layout
    sizes = zip(layout.names, layout.sizes, strict=True)
    return settings | {allowed_name(f"{SIZES}.{name}"): str(size) for name, size in sizes}


def _log_trial(store: Store, trial: Trial, tags: Mapping[str, str], run: Run | None) -> str:
    """The id of its run."""
    if run is not None and run.info.status in ENDED:
        return str(run.info.run_id)
    name = f"trial {trial.number}: {in_words(trial)}"
    why = {NOTE: trial.failure} if trial.failure else {}
    run_id = create_run(store, name, _params(trial), {**tags, **why}) if run is None else str(run.info.run_id)
    client = store.client()
    if run is None or not run.data.metrics:
        client.log_batch(run_id, metrics=_metrics(trial))
    client.set_terminated(run_id, "FAILED" if trial.failure else "FINISHED")
    return run_id


def _metrics(trial: Trial) -> list[Metric]:
    figures = {PROBE_GAP: trial.probe_gap, PAIR_NATS: trial.pair_nats}
    step = trial.stopped or 0
    return [Metric(name, rounded(value), 0, step) for name, value in figures.items() if value is not None]
