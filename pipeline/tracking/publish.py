"""Bring the run of a layer level with the files of that layer: the one way in which anything finished gets to MLflow.

It looks for the run by the checksum of the weights, opens one where there is none, and adds what the run lacks. Hence
it is the same whether the training was followed as it went, ended without its server, or came out of a cache.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import requests
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Run
from mlflow.exceptions import MlflowException

from pipeline.basis.curves import METRICS, last_step
from pipeline.iin.iin import Iin, load_iin, seed_folders
from pipeline.places import Places
from pipeline.report.commit import with_commit
from pipeline.scores.record import read_scores
from pipeline.tracking.model import log_model
from pipeline.tracking.note import headline, rounded, run_note, scores_table
from pipeline.tracking.pictures import log_pictures, pictures_of
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
    recorded_hashes,
    recorded_stages,
    run_name,
    send_curves,
)
from pipeline.tracking.server import root_cause
from pipeline.tracking.store import Store, run_line, run_link, shown, upload_command
from pipeline.tracking.sweep import SWEEP, link_winner, log_sweep
from pipeline.tracking.views import experiment_lines, write_views

__all__ = ["SEND_ERRORS", "Stage", "bring_level", "images_of", "last_whole_stage", "publish"]

Stage = Literal["tune", "train", "evaluate", "interpret", "report"]

STAGES: tuple[Stage, ...] = ("tune", "train", "evaluate", "interpret", "report")
SEND_ERRORS = (MlflowException, requests.RequestException, OSError)
RESTORED_FROM = "restored_from"  # of a run that was opened after its training: the files that all it says is from


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
        lines = experiment_lines(store) if upto == "interpret" else []
        print("\n".join([*lines, run_line(store, layer, run_id)]), flush=True)
    return run_id


def bring_level(
    store: Store, layer: str, upto: Stage, root: Path = Path(), source: Mapping[str, str] | None = None
) -> str | None:
    """The same, without a word; errors of the store go to the caller.

    `source` holds the `source_tags` of the training where it ends just now; without them a run that is opened here is
    tagged `restored_from`.
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
        origin = source or {RESTORED_FROM: str(folder)}
        run = client.get_run(create_run(store, run_name(store, layer, iin.layout), params, {**tags, **origin}))
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
        _log_scores(client, client.get_run(run_id), places.scores(layer), images_of(root))
        figures = places.figures(layer) if upto in STAGES[STAGES.index("interpret") :] else None
        if figures is not None:
            client.log_artifacts(run_id, str(figures), "figures")
            log_pictures(client, run, figures)
        _log_note(store, client.get_run(run_id), iin, places.scores(layer), figures)
    if upto == "report":
        tagged = client.get_run(run_id).data.tags
        page = with_commit(places.report(layer).read_text(), tagged.get(GIT_COMMIT), tagged.get(GIT_DIRTY) == "true")
        client.log_text(run_id, page, "report.html")
    if sweep is not None:
        link_winner(store, sweep, client.get_run(run_id))
    known = client.get_run(run_id).data
    write_views(store, known.metrics, known.params, pictures_of(known.tags))
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
    written = recorded_hashes(stages)
    whole: Stage | None = None
    for stage in STAGES:
        inputs = stages.get(f"{stage}@{layer}", {}).get("deps", [])
        outdated = any(item.get("md5") != written.get(item["path"], item.get("md5")) for item in inputs)
        if outdated or not outputs[stage].exists():
            break
        whole = stage
    return whole


def images_of(root: Path) -> Dataset | None:
    """The images of the project as MLflow names them: their source, and DVC's hash; None where DVC recorded none."""
    path, stages = Places().images.as_posix(), recorded_stages(root)
    digest = recorded_hashes(stages).get(path)
    if digest is None:
        return None
    source = stages["prepare"]["params"][Places().params.name]["data"]["source"]
    return Dataset(f"{source}-test", digest.removesuffix(".dir"), "local", json.dumps({"uri": path}))


def _log_params(client: MlflowClient, run_id: str, path: Path) -> None:
    """The whole study as a file, where the run has none: that of its training, whatever is edited afterwards."""
    if path.exists() and path.name not in {file.path for file in client.list_artifacts(run_id)}:
        client.log_artifact(run_id, str(path))


def _log_note(store: Store, run: Run, iin: Iin, scores: Path, figures: Path | None) -> None:
    """The run's description, with links to its pictures, where they are, and to the sweep that chose its flow."""
    names = sorted(path.name for path in figures.iterdir()) if figures is not None else []
    pictures = {name: run_link(store, run.info.run_id, "", f"figures/{name}") for name in names}
    sweep = run.data.tags.get(SWEEP)
    link = run_link(store, sweep, "") if sweep is not None else None
    note = run_note(iin.layout, iin.flow.config.num_blocks, read_scores(scores), pictures, link)
    add_missing(store.client(), run, {}, {NOTE: note})


def _log_scores(client: MlflowClient, run: Run, path: Path, images: Dataset | None) -> None:
    """Values as metrics, where they differ from those of the run; intervals and brackets go into note and table.

    Each is sent once, as a point of the run that is also one of its model, measured on the test images.
    """
    run_id, now = run.info.run_id, int(time.time() * 1000)
    if images is not None and run.inputs is not None and not run.inputs.dataset_inputs:
        client.log_inputs(run_id, datasets=[DatasetInput(images, [InputTag("mlflow.data.context", "testing")])])
    of_model = {"model_id": run.outputs.model_outputs[-1].model_id} if run.outputs is not None else {}
    if images is not None:
        of_model |= {"dataset_name": images.name, "dataset_digest": images.digest}
    scores = read_scores(path)
    values = {allowed_name(name): rounded(score.value) for name, score in scores.items()}
    changed = {name: value for name, value in values.items() if run.data.metrics.get(name) != value}
    if changed:
        client.log_batch(run_id, metrics=[Metric(name, value, now, 0, **of_model) for name, value in changed.items()])
    client.log_text(run_id, scores_table(scores), "scores.md")
    client.log_artifact(run_id, str(path))
