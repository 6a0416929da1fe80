"""A migrated SQLite store, made once, and MLflow's real server, started by the project's own command."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.tracking.store import quieten_mlflow

from .files import free_port, write_trials

START_SECONDS = 120.0


@pytest.fixture(scope="session", autouse=True)
def _quiet_mlflow() -> None:
    """As the stages have it, for tests that speak with MLflow before they find their store."""
    quieten_mlflow()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store with MLflow's tables, which take seconds to make, and nothing in them."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def project(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a default store and the table of a sweep; the working folder."""
    shutil.copy(migrated, tmp_path / "mlflow.db")
    write_trials(tmp_path)
    (tmp_path / "params.yaml").write_text("study: default\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def _hear_interrupts() -> None:
    """As at a terminal; a suite that runs in the background is started deaf to Ctrl-C, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Server:
    """`python -m pipeline.tracking ui` in a folder of its own, started and killed as a test needs it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._process is not None:
            return
        command = [sys.executable, "-m", "pipeline.tracking", "ui", "--port", str(self.port)]
        environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                preexec_fn=_hear_interrupts,
            )
        deadline = time.monotonic() + START_SECONDS
        while "MLflow experiment" not in self.log.read_text():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """Kill the command, the server and its workers at once, and wait until nobody listens."""
        if self._process is None:
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        deadline = time.monotonic() + START_SECONDS
        while self.answers():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def interrupt(self) -> int:
        """Ctrl-C on the command alone; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(START_SECONDS)
        self._process = None
        return code

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.address}/health", timeout=2).close()
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Server]:
    """One server for a file of tests; a test that killed it leaves it to the next to start again."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(migrated, folder / "mlflow.db")
    (folder / "params.yaml").write_text("study: shown\n")
    server = Server(folder)
    yield server
    server.kill()
