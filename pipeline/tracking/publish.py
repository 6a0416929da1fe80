"""Bring the run of a layer level with the files of that layer: the one way in which anything finished gets to MLflow.

It looks for the run by the checksum of the weights, opens one where there is none, and adds what the run lacks. Hence
it is the same whether the training was followed as it went, ended without its server, or came out of a cache.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import requests
from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException

from pipeline.basis.curves import METRICS, last_step
from pipeline.iin.iin import Iin, load_iin, seed_folders
from pipeline.places import Places
from pipeline.report.commit import with_commit
from pipeline.scores.record import read_scores
from pipeline.tracking.model import log_model
from pipeline.tracking.note import headline, rounded, run_note, scores_table
from pipeline.tracking.runs import (
    GIT_COMMIT,
    GIT_DIRTY,
    NOTE,
    SHA256,
    add_missing,
    allowed_name,
    create_run,
    describe,
    find_run,
    of_seed,
    recorded_stages,
    send_curves,
)
from pipeline.tracking.server import root_cause
from pipeline.tracking.store import Store, run_line, shown, upload_command
from pipeline.tracking.sweep import log_sweep

__all__ = ["SEND_ERRORS", "Stage", "bring_level", "last_whole_stage", "publish"]

Stage = Literal["tune", "train", "evaluate", "interpret", "report"]

STAGES: tuple[Stage, ...] = ("tune", "train", "evaluate", "interpret", "report")
SEND_ERRORS = (MlflowException, requests.RequestException, OSError)
SWEEP = "iin.sweep_run_id"
RESTORED = {"restored": "true"}  # the run was opened after its training, of which no more is known than its files say


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
            f"warning: MLflow at {shown(store.address)} failed ({root_cause(error)}); all is kept on disk; upload it "
            f"later with: {upload_command(layer)}",
            file=sys.stderr,
            flush=True,
        )
        return None
    if run_id is not None:
        print(run_line(store, layer, run_id), flush=True)
    return run_id


def bring_level(
    store: Store, layer: str, upto: Stage, root: Path = Path(), source: Mapping[str, str] | None = None
) -> str | None:
    """The same, without a word; errors of the store go to the caller.

    `source` holds the `source_tags` of the training where it ends just now; without them a run that is opened here is
    tagged `restored`.
    """
    places = Places(root)
    flow_file, folder = places.flow_file(layer), places.iin(layer)
    sweep = log_sweep(store, layer, flow_file) if flow_file.exists() else None
    if upto == "tune":
        return sweep
    client, iin = store.client(), load_iin(folder)
    params, tags = describe(iin.card, layer, root)
    run = find_run(store, iin.sha256, iin.card.get("fingerprint"))
    if run is None:
        run = client.get_run(create_run(store, layer, params, {**tags, **(source or RESTORED)}))
    run_id = str(run.info.run_id)
    send_curves(client, run_id, folder / METRICS)
    for seed, of_it in seed_folders(folder).items():
        send_curves(client, run_id, of_it / METRICS, prefix=of_seed(seed))
    tags |= {SHA256: iin.sha256} | ({SWEEP: sweep} if sweep is not None else {})
    if NOTE not in run.data.tags:
        tags[NOTE] = headline(iin.layout, iin.flow.config.num_blocks, None)
    add_missing(client, run, params, tags)
    log_model(client, client.get_run(run_id), folder, iin.layout.num_dims, last_step(folder / METRICS))
    _log_params(client, run_id, places.params)
    if upto in STAGES[STAGES.index("evaluate") :]:
        _log_scores(client, run, iin, places.scores(layer))
    if upto in STAGES[STAGES.index("interpret") :]:
        client.log_artifacts(run_id, str(places.figures(layer)), "figures")
    if upto == "report":
        commit, edited = run.data.tags.get(GIT_COMMIT), run.data.tags.get(GIT_DIRTY) == "true"
        client.log_text(run_id, with_commit(places.report(layer).read_text(), commit, edited), "report.html")
    if run.info.status != "FINISHED":
        client.set_terminated(run_id)
    return run_id


def last_whole_stage(layer: str, root: Path = Path()) -> Stage | None:
    """The last stage of the chain whose outputs are on disk and were made from those of the stages before it.

    `dvc.lock` holds the checksums of what each stage read and wrote: scores of older weights are told apart by them.
    """
    places = Places(root)
    outputs: dict[Stage, Path] = {
        "tune": places.flow_file(layer),
        "train": places.iin(layer),
        "evaluate": places.scores(layer),
        "interpret": places.figures(layer),
        "report": places.report(layer),
    }
    stages = recorded_stages(root)
    written = {out["path"]: out.get("md5") for stage in stages.values() for out in stage.get("outs", [])}
    whole: Stage | None = None
    for stage in STAGES:
        inputs = stages.get(f"{stage}@{layer}", {}).get("deps", [])
        outdated = any(item.get("md5") != written.get(item["path"], item.get("md5")) for item in inputs)
        if outdated or not outputs[stage].exists():
            break
        whole = stage
    return whole


def _log_params(client: MlflowClient, run_id: str, path: Path) -> None:
    """The whole study as a file, where the run has none: that of its training, whatever is edited afterwards."""
    if path.exists() and path.name not in {file.path for file in client.list_artifacts(run_id)}:
        client.log_artifact(run_id, str(path))


def _log_scores(client: MlflowClient, run: Run, iin: Iin, path: Path) -> None:
    """Values as metrics, where they differ from those of the run; intervals and brackets go into note and table."""
    run_id, now = run.info.run_id, int(time.time() * 1000)
    scores = read_scores(path)
    values = {allowed_name(name): rounded(score.value) for name, score in scores.items()}
    changed = {name: value for name, value in values.items() if run.data.metrics.get(name) != value}
    if changed:
        client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in changed.items()])
    add_missing(client, run, {}, {NOTE: run_note(iin.layout, iin.flow.config.num_blocks, scores)})
    client.log_text(run_id, scores_table(scores), "scores.md")
    client.log_artifact(run_id, str(path))
