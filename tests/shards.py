"""A stage that writes shards and is killed on the way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["contents", "killed_on_the_way"]


def killed_on_the_way(driver: str, arguments: tuple[Path, ...], runs: Path) -> dict[str, int]:
    """Run a program, and kill it and what it started once it has written two training shards into `runs`.

    Gives when each shard was written, once none is written any more.
    """
    command = [sys.executable, "-c", driver, *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        deadline = time.monotonic() + 300
        while process.poll() is None and len(list(runs.glob("train-*.parquet"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
    while list(runs.glob(".*.tmp")):  # an actor may outlive its driver by the shard that it is at
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return {path.name: path.stat().st_mtime_ns for path in runs.glob("*.parquet")}


def contents(folder: Path) -> dict[str, bytes]:
    """The Parquet files of a folder."""
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
