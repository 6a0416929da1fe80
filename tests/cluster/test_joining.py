"""Joining a real head of Ray, with a token and without, from a home folder of its own; and why it can't be joined."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from imports import ROOT
from servers import running
from tracking.files import free_port

STAGE = """
import ray
from pipeline.cluster import start_ray
from pipeline.entry import run
from pipeline.params import MachineParams

def main():
    with start_ray(MachineParams()):
        print("ran", ray.get(ray.remote(lambda: 7).remote()))

run(main)
"""
HEAD = """
import sys
import ray
if sys.argv[1]:
    ray.__version__ = sys.argv[1]
sys.argv = ["ray", *sys.argv[2:]]
from ray.scripts.scripts import main
main()
"""
HOW = "accepted is that of its head, in RAY_AUTH_TOKEN, in the file that RAY_AUTH_TOKEN_PATH names, or in "
HOW += "~/.ray/auth_token"


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Of a shell that has set nothing of Ray."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return kept | {"HOME": str(home), "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"} | variables


def stage(home: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """A stage that uses Ray for a moment."""
    command = [sys.executable, "-c", STAGE]
    return subprocess.run(command, env=environment(home, **variables), capture_output=True, text=True, check=False)


@contextmanager
def head(home: Path, version: str = "") -> Iterator[str]:
    """A head as `ray start` starts it; gives its address."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # of sockets, whose paths have 107 bytes at most
    address = f"127.0.0.1:{free_port()}"
    options = ["--head", "--block", f"--port={address.rpartition(':')[2]}", f"--temp-dir={folder}", "--num-cpus=1"]
    options += ["--include-dashboard=false", "--node-ip-address=127.0.0.1"]
    command, log = [sys.executable, "-c", HEAD, version, "start", *options], folder / "log"
    try:
        with running(command, environment(home), lambda: "Ray runtime started" in log.read_text(), log):
            yield address
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder where nothing lies."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_local_ray_leaves_nothing_in_the_home_folder_and_a_head_is_joined_from_it(home: Path) -> None:
    done = stage(home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran 7\n", "")
    assert list(home.iterdir()) == []
    with head(home) as address:
        done = stage(home, RAY_ADDRESS=address)
        assert (done.returncode, done.stdout, done.stderr) == (0, "ran 7\n", "")
    done = stage(home, RAY_ADDRESS=address)
    line = f"error: RAY_ADDRESS={address}: no Ray cluster answers there (Connection refused)\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_a_head_that_asks_for_a_token_is_joined_with_it_or_says_what_is_wrong(home: Path, tmp_path: Path) -> None:
    own = home / ".ray/auth_token"
    own.parent.mkdir()
    own.write_text("0123456789abcdef" * 4)
    with head(home) as address:  # it asks for a token, as it finds one
        for of, right in (
            (home, {}),
            (home, {"RAY_AUTH_MODE": "token"}),
            (tmp_path, {"RAY_AUTH_TOKEN_PATH": str(own)}),
        ):
            done = stage(of, RAY_ADDRESS=address, **right)
            assert (done.returncode, done.stdout, done.stderr) == (0, "ran 7\n", ""), right
        for of, wrong, words in (
            (tmp_path, {}, f"the cluster asks for a token, and none was found; {HOW}"),
            (home, {"RAY_AUTH_TOKEN": "another"}, f"the cluster refuses the token that was found; {HOW}"),
            (
                home,
                {"RAY_AUTH_MODE": "disabled"},
                "the cluster asks for a token, and RAY_AUTH_MODE is disabled; accepted is token, or none",
            ),
        ):
            done = stage(of, RAY_ADDRESS=address, **wrong)
            line = f"error: RAY_ADDRESS={address}: {words}\n"
            assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_a_head_of_another_ray_is_refused(home: Path) -> None:
    with head(home, version="2.9.3") as address:
        done = stage(home, RAY_ADDRESS=address)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: RAY_ADDRESS={address}: the cluster runs Ray 2.9.3 with Python 3.")
    assert done.stderr.endswith("accepted is the same on all nodes, as requirements.lock makes it\n")
    assert done.stderr.count("\n") == 1
