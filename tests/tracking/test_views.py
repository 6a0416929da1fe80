"""Saved views: whose are written again, whose are left alone, and what is said where there are none."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.tracking.charts import chart_state, curve, switched_off
from pipeline.tracking.server import version_of
from pipeline.tracking.store import EXPERIMENT_NOTE, Store, check_server, experiment_link
from pipeline.tracking.views import TAG, experiment_lines, write_views

from .files import LAYER, answering

PARAMS = ("flow.num_blocks", "sizes", "sizes.residual", "sizes.digit")
PLAIN = "?workflowType=machine_learning (after `make ui`)"


def tags(store: Store) -> dict[str, str]:
    return dict(store.client().get_experiment(store.experiment_key).tags)


def test_every_metric_that_no_chart_shows_is_switched_off() -> None:
    state = chart_state([curve("nats", ["train/nats", "val/nats"])], ["train/nats", "val/nats", "probe/gap"])
    assert switched_off(state) == {"val/nats", "probe/gap"}  # MLflow knows a chart by its first metric
    assert [card["type"] for card in state["compareRunCharts"] if not card["deleted"]] == ["LINE"]


@pytest.mark.usefixtures("project")
def test_views_are_written_once_and_again_when_a_run_adds_metrics() -> None:
    store = check_server("default", LAYER)
    assert experiment_lines(store)[0].endswith(PLAIN)
    write_views(store, ["probe/gap"], PARAMS)
    first = tags(store)
    assert first["mlflow.note.content"].count("viewStateShareKey") == 2
    write_views(store, ["probe/gap"], PARAMS)
    assert tags(store) == first
    write_views(store, ["swap/follow/digit"], PARAMS)
    again = tags(store)
    assert again[f"{TAG}scores"] == first[f"{TAG}scores"]
    assert again[f"{TAG}curves"] != first[f"{TAG}curves"]
    write_views(store, ["probe/gap", "swap/follow/digit"], PARAMS)  # both are known already
    assert tags(store) == again
    scores, curves = experiment_lines(store)
    assert experiment_link(store, view="scores") in scores
    assert experiment_link(store, view="curves", charts=True) in curves


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("value", ["no JSON", "[]", '{"name": "mine", "state": "{}"}', "theirs"])
def test_what_a_person_made_is_left_alone_and_said(value: str) -> None:
    store = check_server("default", LAYER)
    if value == "theirs":  # one of ours that a person renamed
        write_views(store, ["probe/gap"], PARAMS)
        value = json.dumps(json.loads(tags(store)[f"{TAG}scores"]) | {"name": "theirs"})
    client = store.client()
    client.set_experiment_tag(store.experiment_key, f"{TAG}scores", value)
    client.set_experiment_tag(store.experiment_key, "mlflow.note.content", "my own words")
    write_views(store, ["probe/gap", "swap/score"], PARAMS)
    assert tags(store)[f"{TAG}scores"] == value
    assert tags(store)["mlflow.note.content"] == "my own words"
    *_, note = experiment_lines(store)
    assert note == "note: view 'scores' was made or changed by a person, and is left as it is"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("version", "said"), [("3.14.2", "is 3.14.2"), ("", "does not say its version")])
def test_an_older_server_gets_no_view_and_the_plain_link(version: str, said: str) -> None:
    store = replace(check_server("default", LAYER), version=version)
    write_views(store, ["probe/gap"], PARAMS)
    assert tags(store)["mlflow.note.content"] == EXPERIMENT_NOTE
    assert not any(name.startswith(TAG) for name in tags(store))
    (line,) = experiment_lines(store)
    assert f"{PLAIN}; its table shows no scores before" in line
    assert line.endswith(f"(this MLflow {said}; saved views need 3.15)")


def test_more_metrics_than_a_tag_has_room_for_leave_the_view_as_it_was(tmp_path: Path, migrated: Path) -> None:
    shutil.copy(migrated, tmp_path / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
        store = check_server("default", LAYER)
    write_views(store, [f"probe/matrix/{number}/concept" for number in range(1000)], PARAMS)
    before = tags(store)[f"{TAG}curves"]
    write_views(store, [f"probe/{hash((number, 'x'))}" for number in range(5000)], PARAMS)
    assert tags(store)[f"{TAG}curves"] == before


@pytest.mark.parametrize(
    ("status", "body", "version"), [(200, "3.17.2\n", "3.17.2"), (404, "3.17", ""), (200, "<p>", "")]
)
def test_the_version_that_a_server_says(status: int, body: str, version: str) -> None:
    with answering(status, body) as address:
        assert version_of(address) == version
