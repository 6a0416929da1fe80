"""Bring the run of a layer level with the files of that layer: the one way in which anything finished gets to MLflow.

It looks for the run by the checksum of the weights, opens one where there is none, and adds what the run lacks. Hence
it is the same whether the training was followed as it went, ended without its server, or came out of a cache.
"""

import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from ruamel.yaml import YAML

from pipeline.files import read_json, sha256_file
from pipeline.tracking.model import log_model
from pipeline.tracking.note import headline, rounded, scores_table
from pipeline.tracking.runs import (
    SHA256,
    add_missing,
    allowed_name,
    create_run,
    describe,
    find_run,
    last_step,
    send_curves,
)
from pipeline.tracking.server import one_line
from pipeline.tracking.store import Store, run_link, shown, upload_command
from pipeline.tracking.sweep import log_sweep

__all__ = ["SEND_ERRORS", "Stage", "bring_level", "last_whole_stage", "layer_folder", "publish", "result_folder"]

Stage = Literal["tune", "train", "evaluate", "interpret"]

STAGES: tuple[Stage, ...] = ("tune", "train", "evaluate", "interpret")

SEND_ERRORS = (MlflowException, requests.RequestException, OSError)

NOTE = "mlflow.note.content"

SWEEP = "iin.sweep_run_id"


def publish(store: Store, layer: str, upto: Stage, root: Path = Path()) -> str | None:
    """Publish what the stages up to `upto` left on disk for `layer`, and print the link of its run.

    A store that is not reachable was named by `check_server`, and nothing happens; one that fails now costs one
    warning line, which names the command that sends the rest.

    Args:
        store: from `check_server`.
        layer: whose files.
        upto: the stage that calls; files of later stages may belong to older weights, and stay out.
        root: the project's folder.

    Returns:
        Id of the run (of the sweep for `tune`); None where there is none or it was not sent.
    """
    if not store.reachable:
        return None
    try:
        run_id = bring_level(store, layer, upto, root)
    except SEND_ERRORS as error:
        print(
            f"warning: MLflow at {shown(store.address)} failed ({one_line(error)}); all is kept on disk; upload it "
            f"later with: {upload_command(layer)}",
            file=sys.stderr,
            flush=True,
        )
        return None
    if run_id is not None:
        print(f"MLflow run of layer {layer}: {run_link(store, run_id)}", flush=True)
    return run_id


def bring_level(
    store: Store, layer: str, upto: Stage, root: Path = Path(), source: Mapping[str, str] | None = None
) -> str | None:
    """The same, without a word; errors of the store go to the caller.

    `source` holds the `source_tags` of the training where it ends just now; without them a run that is opened here is
    tagged `restored`.
    """
    flow_yaml = layer_folder(layer, root) / "flow.yaml"
    sweep = log_sweep(store, layer, flow_yaml) if flow_yaml.exists() else None
    if upto == "tune":
        return sweep
    client = store.client()
    iin = layer_folder(layer, root) / "iin"
    card = read_json(iin / "card.json")
    sha256 = sha256_file(iin / "weights.safetensors")
    params, tags = describe(card, layer)
    run = find_run(store, sha256, card.get("fingerprint"))
    if run is None:
        run_id = create_run(store, layer, params, {**tags, **(source or {"restored": "true"})})
        run = client.get_run(run_id)
    run_id = str(run.info.run_id)
    send_curves(client, run_id, iin / "metrics.jsonl")
    tags |= {SHA256: sha256} | ({SWEEP: sweep} if sweep is not None else {})
    if NOTE not in run.data.tags:
        tags[NOTE] = headline(card["layout"], card["flow"]["num_blocks"], None)
    add_missing(client, run, params, tags)
    num_dims = sum(card["layout"]["sizes"])
    log_model(client, client.get_run(run_id), iin, num_dims, last_step(iin / "metrics.jsonl"))
    if upto in ("evaluate", "interpret"):
        _log_scores(client, run, card, read_json(result_folder(layer, root) / "scores.json"))
    if upto == "interpret":
        client.log_artifacts(run_id, str(result_folder(layer, root) / "figures"), "figures")
    if run.info.status != "FINISHED":
        client.set_terminated(run_id)
    return run_id


def last_whole_stage(layer: str, root: Path = Path()) -> Stage | None:
    """The last stage of the chain whose outputs are on disk and were made from those of the stages before it.

    `dvc.lock` holds the checksums of what each stage read and wrote: scores of older weights are told apart by them.
    """
    outputs: dict[Stage, Path] = {
        "tune": layer_folder(layer, root) / "flow.yaml",
        "train": layer_folder(layer, root) / "iin" / "weights.safetensors",
        "evaluate": result_folder(layer, root) / "scores.json",
        "interpret": result_folder(layer, root) / "figures",
    }
    lock = root / "dvc.lock"
    stages = YAML(typ="safe", pure=True).load(lock.read_text())["stages"] if lock.exists() else {}
    written = {out["path"]: out.get("md5") for stage in stages.values() for out in stage.get("outs", [])}
    whole: Stage | None = None
    for stage in STAGES:
        read = stages.get(f"{stage}@{layer}", {}).get("deps", [])
        if not outputs[stage].exists() or any(
            dep.get("md5") != written.get(dep["path"], dep.get("md5")) for dep in read
        ):
            break
        whole = stage
    return whole


def layer_folder(layer: str, root: Path = Path()) -> Path:
    """Where flow.yaml and the IIN of a layer lie."""
    return root / "models" / "layers" / layer


def result_folder(layer: str, root: Path = Path()) -> Path:
    """Where scores and figures of a layer lie."""
    return root / "results" / layer


def _log_scores(client: MlflowClient, run: Run, card: Mapping[str, Any], scores: Mapping[str, Any]) -> None:
    """Values as metrics, where they differ from those of the run; intervals and brackets go into note and table."""
    run_id = run.info.run_id
    now = int(time.time() * 1000)
    values = {allowed_name(name): score["value"] for name, score in scores.items()}
    metrics = [
        Metric(name, rounded(value), now, 0)
        for name, value in values.items()
        if value is not None and math.isfinite(value) and run.data.metrics.get(name) != rounded(value)
    ]
    if metrics:
        client.log_batch(run_id, metrics=metrics)
    table = scores_table(scores)
    note = f"{headline(card['layout'], card['flow']['num_blocks'], scores)}\n\n{table}"
    add_missing(client, run, {}, {NOTE: note})
    client.log_text(run_id, table, "scores.md")
    client.log_dict(run_id, dict(scores), "scores.json")
