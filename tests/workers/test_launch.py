"""Wherever a worker runs, its notes are said where it was started, and it ends with who waits for it."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import ray
from ray.train import get_context

from pipeline.cluster import start_ray
from pipeline.errors import InputError
from pipeline.params import MachineParams
from pipeline.progress import note
from pipeline.storage.remote import storage_of
from pipeline.workers.launch import launching

pytestmark = pytest.mark.usefixtures("importable")


def notes(device: str) -> str:
    print("a warning of a library", file=sys.stderr)
    note("of a worker")
    return device


def refuses(_device: str) -> None:
    note("of a worker")
    raise InputError("refused")


def notes_its_rank(_device: str) -> None:
    note(f"of worker {get_context().get_world_rank()}")


def sleeps(_device: str, file: str) -> None:
    Path(f"{file}.tmp").write_text(str(os.getpid()))
    Path(f"{file}.tmp").rename(file)
    time.sleep(3600)


CANCEL = ray.cancel


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def on_a_cluster(monkeypatch: pytest.MonkeyPatch):
    with start_ray(MachineParams()):
        monkeypatch.setenv("RAY_ADDRESS", ray.get_runtime_context().gcs_address)
        yield


def test_of_a_child_also_of_one_that_refuses(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with launching(MachineParams(), storage_of("", tmp_path / "ray")) as launcher:
        with launcher.start(notes) as wait:
            assert wait() == "cpu"
        with launcher.start(refuses) as wait, pytest.raises(InputError, match=r"^refused$"):
            wait()
    assert capfd.readouterr() == ("", 2 * "note: of a worker\n")


@pytest.mark.usefixtures("on_a_cluster")
def test_a_task_of_a_cluster_that_has_ended_is_not_cancelled_and_one_that_runs_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray aborts the process that cancels a task whose result is just there."""
    cancelled: list[ray.ObjectRef] = []
    monkeypatch.setattr(ray, "cancel", lambda task, force: cancelled.append(task) or CANCEL(task, force=force))
    with launching(MachineParams(), storage_of("", tmp_path / "ray")) as launcher:
        with launcher.start(notes) as wait:
            wait()
        with launcher.start(refuses) as wait, pytest.raises(InputError, match=r"^refused$"):
            wait()
        assert not cancelled
        with launcher.start(sleeps, str(tmp_path / "begun")):
            wait_until((tmp_path / "begun").exists)
        assert len(cancelled) == 1
        wait_until(lambda: not psutil.pid_exists(int((tmp_path / "begun").read_text())))


@pytest.mark.usefixtures("on_a_cluster")
def test_of_one_worker_of_a_cluster_and_of_the_first_of_two(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with launching(MachineParams(), storage_of("", tmp_path / "ray")) as launcher, launcher.start(notes) as wait:
        assert wait() == "cpu"
    two = MachineParams(workers=2)
    with launching(two, storage_of("", tmp_path / "ray")) as launcher, launcher.start(notes_its_rank) as wait:
        wait()
    assert capfd.readouterr() == ("", "note: of a worker\nnote: of worker 0\n")
