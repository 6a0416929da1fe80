"""Which addresses are taken, which are refused, and which only warned of."""

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.tracking import store as store_module
from pipeline.tracking.publish import publish
from pipeline.tracking.store import Store, check_server, experiment_line, experiment_link, run_line, run_link

from .files import LAYER, answering, free_port, listening

ROOT = Path(__file__).parents[2]
UPLOAD = f"python -m pipeline.tracking upload --layer {LAYER}"


def refused(monkeypatch: pytest.MonkeyPatch, address: str) -> str:
    """The one line with which an address is refused."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(InputError) as caught:
        check_server("default", LAYER)
    line = str(caught.value)
    assert "\n" not in line
    return line


def warned(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], address: str) -> str:
    """The one line with which a stage goes on without its store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    store = check_server("default", LAYER)
    out, err = capfd.readouterr()
    assert not store.reachable
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("warning: ")
    assert UPLOAD in err
    return err


def test_default_store_is_absolute_and_silent(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = check_server("default", LAYER)
    experiment = store.client().get_experiment(store.experiment_key)
    assert store.address == f"sqlite:///{project}/mlflow.db"
    assert experiment.name == "iin-default"
    assert experiment.artifact_location == f"{(project / 'mlruns').as_uri()}/iin-default"
    assert check_server("default", LAYER) == store
    assert capfd.readouterr() == ("", "")


def test_new_store_is_made_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///../store.db")
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "temporary")  # where a study runs
    logging.getLogger("alembic").setLevel(logging.NOTSET)
    store = check_server("default", LAYER)
    assert store.address == f"sqlite:///{tmp_path}/store.db"
    assert store.reachable
    assert store.client().get_experiment("0").artifact_location == (tmp_path / "mlruns/0").as_uri()
    assert capfd.readouterr() == ("", "")


def test_file_that_is_no_store(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "text").write_text("no database, but long enough to have a header of its own " * 20)
    assert "file is not a database" in refused(monkeypatch, f"sqlite:///{project}/text")


def test_place_that_cannot_be_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "text").write_text("a file")
    line = refused(monkeypatch, f"sqlite:///{project}/text/mlflow.db")
    assert f"{project}/text/mlflow.db" in line
    assert "unable to open database file" in line


@pytest.mark.parametrize("address", ["mlruns", "file:///tmp/mlruns", "htp://127.0.0.1:5000"])
def test_unknown_kind_of_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = refused(monkeypatch, address)
    assert address in line
    assert "sqlite:///" in line


@pytest.mark.usefixtures("project")
def test_deleted_experiment() -> None:
    store = check_server("default", LAYER)
    store.client().delete_experiment(store.experiment_key)
    with pytest.raises(InputError, match="'iin-default' was deleted"):
        check_server("default", LAYER)


@pytest.mark.usefixtures("project")
def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    start = time.monotonic()
    line = warned(monkeypatch, capfd, f"http://127.0.0.1:{free_port()}")
    assert time.monotonic() - start < 10
    assert "Connection refused" in line
    assert publish(Store("http://127.0.0.1:1", "iin-default", None), LAYER, "interpret") is None
    assert capfd.readouterr() == ("", "")


def test_server_that_hangs(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(store_module, "ANSWER_SECONDS", 1.0)
    with listening(None) as address:
        start = time.monotonic()
        line = warned(monkeypatch, capfd, address)
        assert 1 <= time.monotonic() - start < 5
    assert "waited 1 s" in line


def test_server_that_hangs_up(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    with listening(b"") as address:
        warned(monkeypatch, capfd, address)


def test_gateway_of_a_dead_server(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    with answering(503, "<h1>Service Unavailable</h1>") as address:
        assert "503" in warned(monkeypatch, capfd, address)


@pytest.mark.parametrize("status", [401, 403])
def test_server_that_lets_nobody_in(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(status, "You shall\nnot pass") as address:
        line = refused(monkeypatch, address.replace("127.0.0.1", "me:secret@127.0.0.1"))
    assert str(status) in line
    assert address in line
    assert "You shall not pass" in line
    assert "secret" not in line
    assert "MLFLOW_TRACKING_USERNAME" in line


@pytest.mark.parametrize(
    ("status", "body"), [(200, "<html>a page</html>"), (404, "<html>no page</html>"), (200, "[]"), (500, "broken")]
)
def test_web_server_that_is_not_mlflow(status: int, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(status, body) as address:
        line = refused(monkeypatch, address)
    assert address in line
    assert str(status) in line
    assert "MLflow server" in line


def test_server_that_speaks_no_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(b"SSH-2.0-OpenSSH_9.2\r\n") as address:
        assert "not in HTTP" in refused(monkeypatch, address)


def test_links_open_the_model_training_side() -> None:
    file = Store("sqlite:////somewhere/mlflow.db", "iin-default", "7")
    server = Store("https://me:secret@mlflow.example:8443/", "iin-default", "7")
    side = "?workflowType=machine_learning"
    assert experiment_link(file) == f"http://127.0.0.1:5000/#/experiments/7/runs{side}"
    assert run_link(server, "r1") == f"https://mlflow.example:8443/#/experiments/7/runs/r1{side}"
    assert run_link(file, "r1", "http://127.0.0.1:5001") == f"http://127.0.0.1:5001/#/experiments/7/runs/r1{side}"


def test_a_link_of_a_file_says_what_serves_it() -> None:
    file = Store("sqlite:////somewhere/mlflow.db", "iin-default", "7")
    server = Store("https://mlflow.example", "iin-default", "7")
    assert run_line(file, "latent", "r1") == f"MLflow run of layer latent: {run_link(file, 'r1')} (after `make ui`)"
    assert experiment_line(file) == f"MLflow experiment iin-default: {experiment_link(file)} (after `make ui`)"
    served = "http://127.0.0.1:5001"
    assert experiment_line(file, served) == f"MLflow experiment iin-default: {experiment_link(file, served)}"
    assert run_line(server, "latent", "r1") == f"MLflow run of layer latent: {run_link(server, 'r1')}"


SET_UP = """
import json, os, sys
before = dict(os.environ)
import pipeline.tracking.publish, pipeline.tracking.store, pipeline.tracking.tracker
from mlflow.telemetry import get_telemetry_client
imported = {name for name in os.environ if name.startswith("MLFLOW_") and before.get(name) != os.environ[name]}
pipeline.tracking.store.find_store("default")
settings = {name: os.environ[name] for name in pipeline.tracking.store.SETTINGS}
print(json.dumps([sorted(imported), settings, get_telemetry_client() is None]))
"""


def test_finding_the_store_sets_mlflow_up_and_an_import_does_not(project: Path) -> None:
    """Outside of tests and CI, where MLflow has its telemetry."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "PYTHONPATH", "TMPDIR")}
    environment = {**kept, "HOME": str(project), "PYTHONPATH": str(ROOT), "MLFLOW_HTTP_REQUEST_TIMEOUT": "7"}
    done = subprocess.run(
        [sys.executable, "-c", SET_UP], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    imported, settings, silent = json.loads(done.stdout)
    assert imported == []
    assert settings == {**store_module.SETTINGS, "MLFLOW_HTTP_REQUEST_TIMEOUT": "7"}  # what a person set stays
    assert silent
