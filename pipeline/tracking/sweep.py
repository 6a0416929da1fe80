"""A tune sweep: one parent run, and below it one child a trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Run
from ruamel.yaml import YAML

from pipeline.files import sha256_file
from pipeline.tracking.note import rounded, sweep_table
from pipeline.tracking.runs import KIND, create_run, search, source_tags
from pipeline.tracking.store import Store

__all__ = ["log_sweep"]

FLOW_SHA256 = "iin.flow_sha256"

TRIAL = "iin.trial"

PARENT = "mlflow.parentRunId"  # the pages nest by this tag alone


def log_sweep(store: Store, layer: str, flow_yaml: Path) -> str | None:
    """Log the trials of `flow_yaml` where the experiment does not hold them yet.

    The parent is closed last, so that one which an interruption left open is filled up the next time.

    Returns:
        Id of the parent run; None where the file holds no trials (`tune.trials: 0`).
    """
    content = YAML(typ="safe", pure=True).load(flow_yaml.read_text())
    trials = content.get("trials") or []
    if not trials:
        return None
    sha256 = sha256_file(flow_yaml)
    found = search(store, {FLOW_SHA256: sha256, "layer": layer, KIND: "sweep"})
    if found and found[0].info.status == "FINISHED":
        return str(found[0].info.run_id)
    client = store.client()
    chosen = next(trial for trial in trials if trial["chosen"])
    tags = {"layer": layer, FLOW_SHA256: sha256, **source_tags()}
    if found:
        parent = str(found[0].info.run_id)
    else:
        note = f"{len(trials)} trials; chosen is trial {chosen['number']}: {_name(chosen)}\n\n{sweep_table(trials)}"
        parent_tags = {**tags, KIND: "sweep", "mlflow.note.content": note}
        parent = create_run(store, f"sweep {layer}", _params(chosen), parent_tags)
        client.log_batch(parent, metrics=_metrics(chosen))
    known = {run.data.tags[TRIAL]: run for run in search(store, {PARENT: parent})}
    for trial in trials:
        child_tags = {**tags, KIND: "trial", PARENT: parent, TRIAL: str(trial["number"])}
        child_tags["chosen"] = "true" if trial["chosen"] else "false"
        _log_trial(store, trial, child_tags, known.get(str(trial["number"])))
    client.set_terminated(parent)
    return parent


def _log_trial(store: Store, trial: Mapping[str, Any], tags: Mapping[str, str], run: Run | None) -> None:
    if run is not None and run.info.status == "FINISHED":
        return
    name = f"trial {trial['number']}: {_name(trial)}"
    run_id = create_run(store, name, _params(trial), tags) if run is None else str(run.info.run_id)
    client = store.client()
    if run is None or not run.data.metrics:
        client.log_batch(run_id, metrics=_metrics(trial))
    client.set_terminated(run_id)


def _name(trial: Mapping[str, Any]) -> str:
    return f"{trial['num_blocks']} blocks, sizes {_sizes(trial)}"


def _sizes(trial: Mapping[str, Any]) -> str:
    return ", ".join(str(size) for size in trial["sizes"])


def _params(trial: Mapping[str, Any]) -> dict[str, str]:
    return {"num_blocks": str(trial["num_blocks"]), "sizes": _sizes(trial)}


def _metrics(trial: Mapping[str, Any]) -> list[Metric]:
    figures = {"probe/gap": trial["probe_gap"]["value"], "nll/pair_nats": trial["pair_nats"]}
    return [Metric(name, rounded(value), 0, 0) for name, value in figures.items()]
