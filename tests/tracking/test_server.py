"""Against MLflow's real server: what arrives, and what a server that dies in mid-run costs."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from pipeline.tracking import tracker as tracker_module
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server, experiment_link, run_link
from pipeline.tracking.tracker import RunTracker
from pipeline.tracking.views import experiment_lines

from .conftest import Server
from .files import CARD, LAYER, curve_lines, write_iin, write_results
from .test_tracker import everything, history, runs


def test_ui_prints_the_experiment_and_serves_it(server: Server) -> None:
    server.start()
    (line,) = [line for line in server.log.read_text().splitlines() if line.startswith("MLflow experiment")]
    link = f"{server.address}/#/experiments/1/runs?workflowType=machine_learning"
    assert line == f"MLflow experiment iin-shown: {link}"
    page, _, route = link.partition("#")
    assert "<title>MLflow</title>" in urllib.request.urlopen(page).read().decode()
    experiment = f"{server.address}/api/2.0/mlflow/experiments/get?experiment_id={route.split('/')[2]}"
    served = json.load(urllib.request.urlopen(experiment))["experiment"]
    assert served["name"] == "iin-shown"
    assert served["artifact_location"].startswith(server.folder.as_uri())


def test_everything_arrives(
    server: Server, project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    store = check_server("arrives", LAYER)
    metrics = project / "metrics.jsonl"
    with RunTracker(store, LAYER, CARD, metrics, project):
        metrics.write_text(curve_lines(*range(1, 1202)))
        write_iin(project, metrics.read_text())
    write_results(project)
    run_id = publish(store, LAYER, "interpret")
    assert run_id is not None
    link = run_link(store, run_id)
    assert link == experiment_link(store).replace("/runs?", f"/runs/{run_id}?")
    line = f"MLflow run of layer {LAYER}: {link}"
    assert capfd.readouterr() == ("\n".join([line, *experiment_lines(store), line, ""]), "")
    client = store.client()
    run = client.get_run(run_id)
    assert [step for step, _ in history(store, run_id, "train/pair_nats")] == list(range(1, 1202))
    assert run.data.metrics["probe/gap"] == 0.9312
    assert run.data.tags["mlflow.iin.sweep_run_id"]
    assert json.loads(Path(client.download_artifacts(run_id, "scores.json")).read_text())["probe/gap"]["low"] == 0.912
    assert [file.path for file in client.list_artifacts(run_id, "figures")] == ["figures/swap_digit.png"]
    (output,) = run.outputs.model_outputs
    files = {file.path for file in client.list_logged_model_artifacts(output.model_id)}
    assert {"MLmodel", "serve.py", "code", "artifacts"} <= files
    before = everything(store)
    assert publish(store, LAYER, "interpret") == run_id
    assert everything(store) == before


@pytest.mark.faults
def test_server_killed_in_mid_run(
    server: Server, project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server.start()
    monkeypatch.setattr(tracker_module, "POLL_SECONDS", 0.05)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    store = check_server("killed", LAYER)
    metrics = project / "metrics.jsonl"
    with RunTracker(store, LAYER, CARD, metrics, project):
        metrics.write_text(curve_lines(100, 200))
        while not (runs(store) and "train/pair_nats" in runs(store)[0].data.metrics):
            pass
        (run,) = runs(store)
        server.kill()
        metrics.write_text(curve_lines(100, 200, 300, 400))
        write_iin(project, metrics.read_text())
        end = time.monotonic()
    assert time.monotonic() - end < 5
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(
        f"warning: MLflow at {server.address} has the curves up to step 200 of 400, and not the model "
    )
    assert "(Connection refused)" in line
    command = line.partition("upload the rest with: ")[2].split()
    assert command == ["python", "-m", "pipeline.tracking", "upload", "--layer", LAYER]

    (project / "params.yaml").write_text("study: killed\n")
    server.start()
    done = subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"uploaded layer {LAYER} up to stage train",
        f"MLflow run of layer {LAYER}: {run_link(store, run.info.run_id)}",
    ]
    (finished,) = runs(store)
    assert finished.info.run_id == run.info.run_id
    assert finished.info.status == "FINISHED"
    assert "restored_from" not in finished.data.tags
    assert [step for step, _ in history(store, run.info.run_id, "train/pair_nats")] == [100, 200, 300, 400]
    assert len(finished.outputs.model_outputs) == 1
    assert server.interrupt() == 130
    assert not server.answers()
