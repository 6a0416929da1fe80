"""A sweep in MLflow: a parent, and a child a trial."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server, experiment_link, run_link
from pipeline.tuning.flow_file import Trial

from .files import LAYER, TRIALS, write_trials
from .test_tracker import everything, runs, train


def test_sweep(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = check_server("default", LAYER)
    client = store.client()
    parent = publish(store, LAYER, "tune")
    assert parent is not None
    children = client.search_runs([store.experiment_key], f"tags.`mlflow.parentRunId` = '{parent}'")
    trials = sorted(
        (
            run.data.params["flow.num_blocks"],
            [run.data.params[f"sizes.{name}"] for name in ("residual", "digit", "colour")],
            run.data.metrics["probe/gap"],
            run.data.tags["chosen"],
        )
        for run in children
    )
    sizes = ["4", "2", "2"]
    assert trials == [("4", sizes, 0.81, "false"), ("6", sizes, 0.92, "true"), ("8", sizes, 0.9, "false")]
    assert {run.info.status for run in children} == {"FINISHED"}
    note = client.get_run(parent).data.tags["mlflow.note.content"]
    winner = next(run for run in children if run.data.tags["chosen"] == "true")
    view = experiment_link(store, "", "sweep-latent", charts=True)
    assert note.splitlines() == [
        "3 trials; chosen is trial 1: 6 blocks, sizes 4, 2, 2, as it has the fewest nats a pair of the 3 trials that "
        "are level with the highest probe/gap, 0.920",
        "",
        f"See [trial 1]({run_link(store, winner.info.run_id, '')}), [all trials in parallel coordinates]({view})",
        "",
        "| trial | blocks | sizes | probe/gap | 95% interval | nll/pair_nats | chosen |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| 0 | 4 | 4, 2, 2 | 0.81 | 0.79 to 0.83 | 92 |  |",
        "| 1 | 6 | 4, 2, 2 | 0.92 | 0.9 to 0.94 | 91 | yes |",
        "| 2 | 8 | 4, 2, 2 | 0.9 | 0.88 to 0.92 | 92 |  |",
    ]
    assert run_link(store, parent, "") in winner.data.tags["mlflow.note.content"]
    (picture,) = client.list_artifacts(parent, "figures")
    assert Image.open(client.download_artifacts(parent, picture.path)).width > 1000
    before = everything(store)
    assert publish(store, LAYER, "tune") == parent
    assert everything(store) == before
    train(store, project, range(100, 300, 100))
    (run,) = runs(store)
    assert run.data.tags["mlflow.iin.sweep_run_id"] == parent
    publish(store, LAYER, "train")
    note = client.get_run(parent).data.tags["mlflow.note.content"]
    assert note.count(f"[default latent 4/2/2]({run_link(store, run.info.run_id, '')})") == 1
    assert "warning" not in capfd.readouterr().err


def test_a_trial_that_failed_is_a_child_that_failed_with_its_reason(project: Path) -> None:
    failed = Trial(2, TRIALS[2].candidate, None, None, None, None, None, None, failure="diverged | nan at step 5")
    write_trials(project, (replace(TRIALS[0], stopped=167, behind_low=None, behind_high=None), TRIALS[1], failed))
    store = check_server("default", LAYER)
    client = store.client()
    parent = publish(store, LAYER, "tune")
    assert parent is not None
    children = client.search_runs([store.experiment_key], f"tags.`mlflow.parentRunId` = '{parent}'")
    of_trial = {run.data.tags["mlflow.iin.trial"]: run for run in children}
    assert {number: run.info.status for number, run in of_trial.items()} == {
        "0": "FINISHED",
        "1": "FINISHED",
        "2": "FAILED",
    }
    assert of_trial["2"].data.tags["mlflow.note.content"] == "diverged | nan at step 5"
    assert of_trial["2"].data.metrics == {}
    assert [run.data.tags.get("stopped") for run in of_trial.values()].count("167") == 1
    assert of_trial["0"].data.tags["stopped"] == "167"
    assert client.get_metric_history(of_trial["0"].info.run_id, "probe/gap")[0].step == 167
    assert [file.path for file in client.list_artifacts(parent)] == ["figures", "flow.yaml"]
    assert client.get_run(parent).data.tags["mlflow.note.content"].splitlines()[4:] == [
        "| trial | blocks | sizes | probe/gap | 95% interval | nll/pair_nats | ended early | chosen |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| 0 | 4 | 4, 2, 2 | 0.81 | 0.79 to 0.83 | 92 | stopped at step 167 |  |",
        "| 1 | 6 | 4, 2, 2 | 0.92 | 0.9 to 0.94 | 91 |  | yes |",
        "| 2 | 8 | 4, 2, 2 |  |  |  | diverged / nan at step 5 |  |",
    ]
    before = everything(store)
    assert publish(store, LAYER, "tune") == parent
    assert everything(store) == before


@pytest.mark.usefixtures("project")
def test_interrupted_sweep_is_filled_up() -> None:
    store = check_server("default", LAYER)
    client = store.client()
    parent = publish(store, LAYER, "tune")
    query = f"tags.`mlflow.parentRunId` = '{parent}'"
    lost = client.search_runs([store.experiment_key], query)[0]
    client.delete_run(lost.info.run_id)
    client.update_run(parent, status="RUNNING")
    assert publish(store, LAYER, "tune") == parent
    children = client.search_runs([store.experiment_key], query)
    assert sorted(run.data.tags["mlflow.iin.trial"] for run in children) == ["0", "1", "2"]
    assert client.get_run(parent).info.status == "FINISHED"
