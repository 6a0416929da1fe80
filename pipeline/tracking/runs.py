"""Runs: found by their tags, opened with what is known of them, closed."""

import os
import re
import subprocess
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Param, Run, RunTag
from mlflow.tracking.context.registry import resolve_tags

from pipeline.tracking.store import Store

__all__ = [
    "FINGERPRINT",
    "KIND",
    "SHA256",
    "add_missing",
    "allowed_name",
    "create_run",
    "describe",
    "find_run",
    "search",
    "source_tags",
]

KIND = "iin.kind"  # training, sweep or trial
SHA256 = "iin.weights_sha256"
FINGERPRINT = "iin.fingerprint"
CARD_TAGS = {"backbone_sha256": "iin.backbone_sha256", "data_sha256": "iin.data_sha256", "fingerprint": FINGERPRINT}
WRITTEN_BY_REPRO = (":!dvc.lock", ":!results", ":!comparison")  # changes here say nothing about the code


def describe(card: Mapping[str, Any], layer: str) -> tuple[dict[str, str], dict[str, str]]:
    """Parameters and tags of the run of an IIN, from its card.

    Nested sections become dotted names (`flow.num_blocks`), the layout one parameter a factor (`sizes.digit`); what
    identifies inputs becomes a tag.
    """
    tags = {"layer": layer, KIND: "training"}
    tags |= {CARD_TAGS[key]: str(value) for key, value in card.items() if key in CARD_TAGS}
    sizes = dict(zip(card["layout"]["names"], card["layout"]["sizes"], strict=True))
    left_out = (*CARD_TAGS, "layout", "split", "weights_sha256")  # tags, and lists longer than MLflow's parameters
    rest = {key: value for key, value in card.items() if key not in left_out}
    return _flatten({**rest, "sizes": sizes}), tags


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
    if new_params or new_tags:
        client.log_batch(run.info.run_id, params=new_params, tags=new_tags)


def allowed_name(name: str) -> str:
    """A name of a metric or parameter with `_` for what MLflow refuses in it (a concept may be called anything)."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def source_tags() -> dict[str, str]:
    """Where a run comes from: user, script, git commit and whether code differs from it, DVC stage and experiment."""
    tags = {key: str(value) for key, value in resolve_tags().items()}
    commit = _git("rev-parse", "HEAD")
    if commit is not None:
        tags["mlflow.source.git.commit"] = commit
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *WRITTEN_BY_REPRO)
        tags["git.dirty"] = "true" if changed else "false"
    for variable, tag in {"DVC_STAGE": "dvc.stage", "DVC_EXP_NAME": "dvc.experiment"}.items():
        if variable in os.environ:
            tags[tag] = os.environ[variable]
    return tags


def search(store: Store, tags: Mapping[str, str]) -> list[Run]:
    """Runs of the experiment that carry all of `tags`, the latest first; deleted ones left out."""
    query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    return list(store.client().search_runs([store.experiment_key], query, order_by=["attributes.start_time DESC"]))


def _flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            text = ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)
            flat[allowed_name(f"{prefix}{key}")] = text
    return flat


def _git(*arguments: str) -> str | None:
    """Output of a git command in the working folder; None where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
