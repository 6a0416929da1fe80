"""Saved views of MLflow's runs page: a short link opens chosen columns, sorted, or charts in place of bars.

MLflow keeps a view that a person shares as a tag of the experiment, and opens it by an id in the address. The tag's
name and the words inside are MLflow's own and not documented; tests/browser holds them against the pinned version. A
view that a person made or changed is left alone: ours carry a checksum of themselves.
"""

import base64
import hashlib
import json
import time
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mlflow.exceptions import MlflowException

from pipeline.scores.statistics.score import GAUSSIAN_GAIN, PAIR_NATS, PROBE_GAP, RESIDUAL_LEAK, SWAP_SCORE
from pipeline.tracking.charts import chart_state, curve, parallel, picture, scatter, shown_pictures, switched_off
from pipeline.tracking.runs import BLOCKS, KIND, LAYER, NOTE, RATE, SEED, SIZES, SYSTEM
from pipeline.tracking.store import EXPERIMENT_NOTE, VIEWS_SINCE, Store, experiment_line, experiment_link

__all__ = ["CURVES", "SCORES", "experiment_lines", "sweep_view", "sweep_view_link", "write_sweep_view", "write_views"]

SCORES, CURVES = "scores", "curves"
NAMES = {SCORES: "Scores, best first", CURVES: "Curves and comparison"}
TAG = "mlflow.sharedViewState."
MOST_CHARACTERS = 20_000  # of an experiment's tag
CHECKSUM = "checksum"  # MLflow keeps what it does not know
REFUSALS = ("INVALID_PARAMETER_VALUE", "PERMISSION_DENIED")

ALWAYS = {"attributes.`Run Name`": 150, "runDateAndNestInfo": 100}  # name and age, which MLflow always shows, first
COLUMNS = {  # of the table, in order, with their widths in pixels: with those above all fit a window of 1,500
    f"metrics.`{PROBE_GAP}`": 100,
    f"metrics.`{SWAP_SCORE}`": 88,
    f"metrics.`{RESIDUAL_LEAK}`": 135,
    f"metrics.`{GAUSSIAN_GAIN}`": 148,
    f"params.`{LAYER}`": 70,
    f"params.`{BLOCKS}`": 114,
    f"params.`{SIZES}`": 100,
    f"params.`{SEED}`": 52,
    "attributes.`Dataset`": 116,
}
CURVE_CARDS = (
    curve("nats a pair, in training and held out", ["train/pair_nats", "val/pair_nats"]),
    curve("probe/gap on the validation rows", ["val/probe_gap"]),
    scatter(PROBE_GAP, SWAP_SCORE),
    curve("learning rate", ["train/learning_rate"]),
    curve("norm of the gradient", ["train/gradient_norm"]),
    curve("pairs a second", [RATE]),
)


def write_views(
    store: Store, metrics: Collection[str], params: Collection[str], pictures: Collection[str] = ()
) -> None:
    """Bring the views of the experiment level with a run: its metrics get no bar, its sizes an axis and its pictures a
    row each.

    Nothing happens on a server that keeps no views, or refuses them; a view that a person made stays.

    Args:
        store: that was found.
        metrics: names of those of the run.
        params: likewise.
        pictures: keys of those that it shows.
    """
    tags = _experiment_tags(store)
    if tags is None:
        return
    before = _state(tags.get(TAG + CURVES))
    known = sorted(switched_off(before).union(metrics))
    sizes = [name for name in params if name.startswith(f"{SIZES}.")]
    cards = [*CURVE_CARDS, parallel([BLOCKS, *sizes], [GAUSSIAN_GAIN, SWAP_SCORE, PROBE_GAP])]
    cards += [picture(key) for key in sorted(shown_pictures(before).union(pictures))]
    cards += [curve(name.removeprefix(SYSTEM), [name]) for name in known if name.startswith(SYSTEM)]
    table = _table(COLUMNS, f"tags.`{KIND}` = 'training'")
    kept = [
        _write(store, tags, SCORES, NAMES[SCORES], table),
        _write(store, tags, CURVES, NAMES[CURVES], table | chart_state(cards, known)),
    ]
    if all(kept) and tags.get(NOTE) == EXPERIMENT_NOTE:
        store.client().set_experiment_tag(store.experiment_key, NOTE, _note(store))


def write_sweep_view(store: Store, layer: str, params: Sequence[str]) -> None:
    """The same of the sweeps of a layer: their trials alone, in parallel coordinates.

    Args:
        store: that was found.
        layer: whose.
        params: names of what its trials differ in, in order.
    """
    tags = _experiment_tags(store)
    if tags is None:
        return
    metrics = [PAIR_NATS, PROBE_GAP]
    columns = {f"metrics.`{name}`": 130 for name in metrics} | {f"params.`{name}`": 140 for name in params}
    table = _table(columns, f"tags.`{KIND}` = 'trial' and tags.`{LAYER}` = '{layer}'")
    charts = chart_state([parallel(params, metrics)], metrics)
    _write(store, tags, sweep_view(layer), f"Sweep of layer {layer}", table | charts)


def sweep_view(layer: str) -> str:
    """Id of the view of a layer's sweeps."""
    return f"sweep-{layer}"


def sweep_view_link(store: Store, layer: str) -> str | None:
    """Address of that view within MLflow's pages; None where the experiment has none."""
    kept = TAG + sweep_view(layer) in (_experiment_tags(store) or {})
    return experiment_link(store, "", sweep_view(layer), charts=True) if kept else None


def experiment_lines(store: Store, ui: str | None = None) -> list[str]:
    """What a person is shown of the experiment: links to its views where it has them, else to its plain table, and why.

    Args:
        store: that was found.
        ui: where the pages are served when the store itself is a file.
    """
    tags = _experiment_tags(store)
    if tags is None:
        have = f"is {store.version}" if store.version else "does not say its version"
        plain = f"{experiment_line(store, ui)}; its table shows no scores before you add them by the button Columns"
        return [f"{plain} (this MLflow {have}; saved views need {'.'.join(map(str, VIEWS_SINCE))})"]
    if TAG + SCORES not in tags:  # MLflow opens an empty page for a view that is not there
        return [experiment_line(store, ui)]
    lines = [experiment_line(store, ui, SCORES)]
    if TAG + CURVES in tags:
        lines.append(experiment_line(store, ui, CURVES, charts=True))
    others = [view for view in NAMES if TAG + view in tags and not _is_ours(tags[TAG + view])]
    return lines + [f"note: view '{view}' was made or changed by a person, and is left as it is" for view in others]


def _experiment_tags(store: Store) -> dict[str, str] | None:
    """None where no views are kept."""
    if not store.keeps_views:
        return None
    return dict(store.client().get_experiment(store.experiment_key).tags)


def _table(columns: Mapping[str, int], query: str) -> dict[str, Any]:
    """Columns in their order, the best `probe/gap` first, and of all runs those of one kind."""
    return {
        "selectedColumns": list(columns),
        "columnOrder": [*ALWAYS, *columns],
        "columnWidths": {**ALWAYS, **columns},
        "orderByKey": f"metrics.`{PROBE_GAP}`",
        "orderByAsc": False,
        "searchFilter": query,
    }


def _write(store: Store, tags: Mapping[str, str], view: str, name: str, state: Mapping[str, Any]) -> bool:
    """Keep a view where it is new or has changed; whether the experiment has it, be it a person's."""
    old = tags.get(TAG + view)
    if old is not None and (not _is_ours(old) or _state(old) == state):
        return True
    value = _packed(name, state, json.loads(old)["createdAt"] if old is not None else None)
    if len(value) > MOST_CHARACTERS:
        return old is not None
    try:
        store.client().set_experiment_tag(store.experiment_key, TAG + view, value)
    except MlflowException as error:
        if error.error_code not in REFUSALS:
            raise
        return old is not None
    return True


def _packed(name: str, state: Mapping[str, Any], created: int | None) -> str:
    text = json.dumps(state, separators=(",", ":"))
    packed = "deflate;" + base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    now = int(time.time() * 1000)
    envelope = {"name": name, "createdAt": created or now, "updatedAt": now, "state": packed}
    return json.dumps(envelope | {CHECKSUM: _checksum(name, packed)})


def _state(value: str | None) -> dict[str, Any]:
    """The state in a tag that is ours; empty where it is not."""
    if value is None or not _is_ours(value):
        return {}
    packed = json.loads(value)["state"].removeprefix("deflate;")
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return state


def _is_ours(value: str) -> bool:
    """Whether a tag is as it was written here: whoever changes a view knows nothing of its checksum."""
    try:
        envelope = json.loads(value)
        return bool(envelope[CHECKSUM] == _checksum(envelope["name"], envelope["state"]))
    except (ValueError, KeyError, TypeError):
        return False


def _checksum(name: str, packed: str) -> str:
    return hashlib.sha256(f"{name}\n{packed}".encode()).hexdigest()[:16]


def _note(store: Store) -> str:
    """The experiment's description, whose links open the views in MLflow's own pages."""
    links = {
        view: f"[{name}]({experiment_link(store, '', view, charts=view == CURVES)})" for view, name in NAMES.items()
    }
    return (
        "Each run is one trained invertible interpretation network; its description begins with what works and what "
        f"does not.\n\n- {links[SCORES]}: a table of the runs, the highest {PROBE_GAP} at the top\n- {links[CURVES]}: "
        "curves of the trainings, and depth and sizes against scores\n"
    )
