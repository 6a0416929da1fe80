"""A function in a child process: its result, its errors, its death and that of its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pipeline.machine import Resources
from pipeline.workers.child import in_child

HERE = Resources(1, 0, "cpu")


def sees(device: str, word: str) -> tuple[str, str, str]:
    print("a library's words, which are no answer", flush=True)
    os.system("echo another")
    return device, word, os.environ["OMP_NUM_THREADS"]


def fails(_device: str) -> None:
    raise ZeroDivisionError("of a worker")


def dies(_device: str, file: str, times: int) -> int:
    """Is killed so many times, then counts them."""
    with Path(file).open("a") as starts:
        starts.write("x")
    died = len(Path(file).read_text()) - 1
    if died < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return died


def waits(_device: str, file: str) -> None:
    beside = Path(f"{file}.tmp")
    beside.write_text(str(os.getpid()))
    beside.rename(file)
    time.sleep(3600)


def test_it_is_given_the_device_and_its_threads(monkeypatch, capfd):
    monkeypatch.delenv("OMP_NUM_THREADS")
    with in_child(Resources(3, 0, "cpu"), 0, sees, "word") as wait:
        assert wait() == ("cpu", "word", "3")
    assert capfd.readouterr() == ("", "")


def test_an_error_is_not_tried_again_and_its_words_are_said():
    with (
        in_child(HERE, 3, fails) as wait,
        pytest.raises(RuntimeError, match=r"ended in 1\n(.|\n)*of a worker$") as error,
    ):
        wait()
    assert str(error.value).count("Traceback") == 1


@pytest.mark.faults
def test_one_that_is_killed_is_started_anew_but_not_for_good(tmp_path, capsys):
    with in_child(HERE, 2, dies, str(tmp_path / "twice"), 2) as wait:
        assert wait() == 2
    lines = [f"a worker was lost: it starts anew, {start} of 2 times at most\n" for start in (1, 2)]
    assert capsys.readouterr().out == "".join(lines)
    with in_child(HERE, 1, dies, str(tmp_path / "often"), 9) as wait, pytest.raises(RuntimeError, match="ended in -9"):
        wait()
    assert (tmp_path / "often").read_text() == "xx"


def test_it_ends_with_the_block(tmp_path):
    with in_child(HERE, 3, waits, str(tmp_path / "pid")):
        child = written(tmp_path / "pid")
    assert not psutil.pid_exists(child)


@pytest.mark.usefixtures("importable")
@pytest.mark.faults
def test_it_is_killed_with_its_parent_and_not_interrupted_with_it(tmp_path):
    file = tmp_path / "pid"
    program = (
        "import sys; from pipeline.workers.child import in_child; from workers.test_child import HERE, waits\n"
        "with in_child(HERE, 3, waits, sys.argv[1]) as wait: wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(file)])
    try:
        child = written(file)
        assert os.getpgid(child) != os.getpgid(parent.pid), "Ctrl-C goes to a group of processes"
    finally:
        parent.kill()
        parent.wait()
    end = time.monotonic() + 60
    while psutil.pid_exists(child):
        assert time.monotonic() < end
        time.sleep(0.02)


def written(file: Path) -> int:
    end = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    return int(file.read_text())
