"""Runs: found by their tags, opened with what is known of them, filled with curves, each point once, and closed."""

import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.tracking.context.registry import resolve_tags

from pipeline.basis.curves import PER_SECOND, entries
from pipeline.basis.layout import Layout
from pipeline.files import read_yaml
from pipeline.places import Places
from pipeline.tracking.store import Store

__all__ = [
    "BLOCKS",
    "FINGERPRINT",
    "GIT_COMMIT",
    "GIT_DIRTY",
    "HIDDEN",
    "KIND",
    "LAYER",
    "NOTE",
    "RATE",
    "SEED",
    "SHA256",
    "SIZES",
    "SYSTEM",
    "add_missing",
    "allowed_name",
    "create_run",
    "describe",
    "find_run",
    "of_seed",
    "recorded_hashes",
    "recorded_stages",
    "run_name",
    "search",
    "send_curves",
    "send_vitals",
    "source_tags",
]

GIT_COMMIT, GIT_DIRTY = "mlflow.source.git.commit", "git.dirty"
LAYER = "layer"
NOTE = "mlflow.note.content"
KIND = "iin.kind"  # training, sweep or trial
HIDDEN = "mlflow.iin."  # MLflow's pages leave out tags that begin with `mlflow.`; its searches find them
SHA256 = f"{HIDDEN}weights_sha256"
FINGERPRINT = f"{HIDDEN}fingerprint"
CARD_TAGS = {name: f"{HIDDEN}{name}" for name in ("backbone_sha256", "data_sha256", "fingerprint")}
BLOCKS, SIZES, SEED = "flow.num_blocks", "sizes", "seed"  # params that people compare runs by
RATE, SYSTEM = "train/pairs_per_second", "system/"  # the latter begins the names that MLflow shows apart
WRITTEN_BY_REPRO = (Places().lock, Places().results("*"), Places().comparison)  # changes here do not come by hand
BATCH = 1000  # points a request, the most that a server takes
FEW = 100  # parameters or tags a request, likewise
INPUTS, SECTIONS = ("prepare", "backbone"), ("data", "backbone", "latents")  # of params.yaml, beside those of the map


def describe(card: Mapping[str, Any], layer: str, root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Parameters and tags of the run of an IIN, from its card and from what DVC recorded of what it was trained on.

    Nested sections become dotted names (`flow.num_blocks`), the layout one parameter a factor (`sizes.digit`); what
    identifies inputs becomes a tag.

    Args:
        card: of the IIN.
        layer: where its network is cut.
        root: the project's folder.
    """
    tags = {LAYER: layer, KIND: "training"}
    tags |= {CARD_TAGS[key]: str(value) for key, value in card.items() if key in CARD_TAGS}
    layout = Layout.from_dict(card["layout"])
    sizes = dict(zip(layout.names, layout.sizes, strict=True))
    left_out = (*CARD_TAGS, "layout", "cut")  # tags, and lists longer than MLflow's parameters
    rest = {key: value for key, value in card.items() if key not in left_out and not key.endswith("_sha256")}
    stages = recorded_stages(root)
    params = _inputs(layer, stages) | _flatten({**rest, SIZES: sizes}) | {SIZES: str(layout)}  # to read, and to draw
    return params, tags | _lineage(layer, stages)


def run_name(store: Store, layer: str, layout: Layout) -> str:
    """What a run is called: its study, its layer and the sizes of its factors, residual first."""
    sizes = "/".join(str(size) for size in layout.sizes)
    return f"{store.study} {layer} {sizes}"


def recorded_stages(root: Path) -> dict[str, Any]:
    """What DVC recorded of each stage when it ran: its `params`, and checksums of its `deps` and `outs`."""
    lock = Places(root).lock
    stages: dict[str, Any] = read_yaml(lock)["stages"] if lock.exists() else {}
    return stages


def recorded_hashes(stages: Mapping[str, Any]) -> dict[str, str]:
    """DVC's hash of each output that it recorded, by its path."""
    outputs = (out for stage in stages.values() for out in stage.get("outs", []))
    return {out["path"]: str(out["md5"]) for out in outputs if "md5" in out}


def find_run(store: Store, weights_sha256: str | None, fingerprint: str | None) -> Run | None:
    """The run of a flow: by the checksum of its weights, else the one that its training began and that has none yet.

    Args:
        store: where to look.
        weights_sha256: of the weights file; None before there is one.
        fingerprint: of the training; None where the card holds none.
    """
    if weights_sha256 is not None:
        for run in search(store, {SHA256: weights_sha256}):
            return run
    begun = search(store, {FINGERPRINT: fingerprint}) if fingerprint is not None else []
    return next((run for run in begun if SHA256 not in run.data.tags), None)


def search(store: Store, tags: Mapping[str, str]) -> list[Run]:
    """Runs of the experiment that carry all of `tags`, the latest first; deleted ones left out."""
    query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    client, order = store.client(), ["attributes.start_time DESC"]
    page = client.search_runs([store.experiment_key], query, order_by=order)
    runs = list(page)
    while page.token:  # a page holds 1,000
        page = client.search_runs([store.experiment_key], query, order_by=order, page_token=page.token)
        runs += page
    return runs


def create_run(store: Store, name: str, params: Mapping[str, str], tags: Mapping[str, str]) -> str:
    """Open a run; its id."""
    client = store.client()
    run = client.create_run(store.experiment_key, tags=dict(tags), run_name=name)
    add_missing(client, run, params, {})
    return str(run.info.run_id)


def add_missing(client: MlflowClient, run: Run, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
    """Add parameters that the run lacks (a logged one can't change) and tags that it lacks or that differ."""
    new_params = [Param(key, value) for key, value in params.items() if key not in run.data.params]
    new_tags = [RunTag(key, value) for key, value in tags.items() if run.data.tags.get(key) != value]
    for start in range(0, max(len(new_params), len(new_tags)), FEW):
        part = slice(start, start + FEW)
        client.log_batch(run.info.run_id, params=new_params[part], tags=new_tags[part])


def allowed_name(name: str) -> str:
    """A name of a metric or parameter with `_` for what MLflow refuses in it (a concept may be called anything)."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def source_tags() -> dict[str, str]:
    """Where a run comes from: user, script, git commit and whether code differs from it, DVC stage and experiment."""
    tags = {key: str(value) for key, value in resolve_tags().items()}
    commit = _git("rev-parse", "HEAD")
    if commit is not None:
        tags[GIT_COMMIT] = commit
        left_out = [f":!{path.as_posix()}" for path in WRITTEN_BY_REPRO]
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *left_out)
        tags[GIT_DIRTY] = "true" if changed else "false"
    for variable, tag in {"DVC_STAGE": "dvc.stage", "DVC_EXP_NAME": "dvc.experiment"}.items():
        if variable in os.environ:
            tags[tag] = os.environ[variable]
    return tags


def send_curves(
    client: MlflowClient, run_id: str, curves: Path, sent: Mapping[str, int] | None = None, prefix: str = ""
) -> dict[str, int]:
    """Send what a run lacks of its curves.

    A point goes only where its step is greater than the last one that the run holds of the same figure; so a resumed
    training, whose file goes on from a checkpoint, logs no step twice. The whole file is read each time, because a
    resumed training also cuts it back.

    Args:
        client: of the store.
        run_id: the run.
        curves: metrics.jsonl, to which the training may be appending.
        sent: what an earlier call returned; None asks the server.
        prefix: before the names of the figures, such as `of_seed` gives it.

    Returns:
        The last step that the run now holds, by figure.
    """
    lines = [
        {name if name == "step" else prefix + name: value for name, value in line.items()} for line in entries(curves)
    ]
    last_sent = dict(sent or {})
    unasked = {name for line in lines for name in line if name != "step"} - last_sent.keys()
    logged = client.get_run(run_id).data.metrics if unasked else {}
    for name in unasked:
        history = client.get_metric_history(run_id, name) if name in logged else []
        last_sent[name] = max((point.step for point in history), default=-1)
    now = int(time.time() * 1000)
    points = [
        Metric(name, float(value), now, int(line["step"]))
        for line in lines
        for name, value in line.items()
        if name != "step" and int(line["step"]) > last_sent[name]
    ]
    for start in range(0, len(points), BATCH):
        batch = points[start : start + BATCH]
        client.log_batch(run_id, metrics=batch)
        for point in batch:
            last_sent[point.key] = max(last_sent[point.key], point.step)
    return last_sent


def send_vitals(client: MlflowClient, run_id: str, times: Path, batch_size: int, sent: int | None) -> int:
    """Send what a run lacks of its training's rate and of what that took of its node, as a training notes it beside.

    Args:
        client: of the store.
        run_id: the run.
        times: times.jsonl, to which the training may be appending.
        batch_size: pairs a step.
        sent: what an earlier call returned; None asks the server.

    Returns:
        The last step that the run now holds.
    """
    if sent is None:
        sent = max((point.step for point in client.get_metric_history(run_id, RATE)), default=-1)
    new = [line for line in entries(times) if line["step"] > sent and PER_SECOND in line]
    figures = [
        {RATE: line[PER_SECOND] * batch_size} | {name: line[name] for name in line if name.startswith(SYSTEM)}
        for line in new
    ]
    points = [
        Metric(name, float(f"{value:.4g}"), int(1000 * line["time"]), int(line["step"]))
        for line, of_line in zip(new, figures, strict=True)
        for name, value in of_line.items()
    ]
    for start in range(0, len(points), BATCH):
        client.log_batch(run_id, metrics=points[start : start + BATCH])
    return max((int(line["step"]) for line in new), default=sent)


def of_seed(seed: int) -> str:
    """What stands before the names of the curves of one seed of several."""
    return f"seeds/{seed}/"


def _flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        elif value is not None:
            text = ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)
            flat[allowed_name(f"{prefix}{key}")] = text
    return flat


def _inputs(layer: str, stages: Mapping[str, Any]) -> dict[str, str]:
    """Parameters that say of which images, which network, and what of its layer a run is; those that are set."""
    stated: dict[str, Any] = {}
    for stage in (*INPUTS, f"extract@{layer}"):
        stated |= stages.get(stage, {}).get("params", {}).get(Places().params.name, {})
    return _flatten({key: value for key, value in stated.items() if key.partition(".")[0] in SECTIONS})


def _lineage(layer: str, stages: Mapping[str, Any]) -> dict[str, str]:
    """DVC's hashes of what a run was made from, as hidden tags: `dvc get`, or `.dvc/cache`, finds it by them."""
    places = Places()
    hashes = recorded_hashes(stages)
    made_from = {"images": places.images, "backbone": places.backbone, "latents": places.latents(layer)}
    return {
        f"{HIDDEN}dvc_{name}": hashes[path.as_posix()] for name, path in made_from.items() if path.as_posix() in hashes
    }


def _git(*arguments: str) -> str | None:
    """Output of a git command in the working folder; None where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
