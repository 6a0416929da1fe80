"""Run a command with so many CPUs and GPUs of an autoscaling Ray cluster, and let go of them when it ends.

    python infra/ray/hold.py --gpus 4 -- dvc repro

A stage compares what `machine` asks for with the nodes that the cluster of RAY_ADDRESS has, and one whose workers start
at none has none. This asks the autoscaler for them, waits until they are there, and keeps them between two stages.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.autoscaler.sdk import request_resources

__all__ = ["held"]


@contextmanager
def held(cpus: int, gpus: int, minutes: float) -> Iterator[None]:
    """Have Ray keep nodes with that many CPUs and GPUs in all during the block; a GPU comes with one of the CPUs.

    Args:
        cpus: in all.
        gpus: in all.
        minutes: after which they should be there.

    Raises:
        TimeoutError: they are not; says what is.
    """
    request_resources(bundles=[{"CPU": 1, "GPU": 1}] * gpus + [{"CPU": 1}] * max(cpus - gpus, 0))
    try:
        deadline, said = time.monotonic() + 60 * minutes, ""
        while True:
            has = ray.cluster_resources()
            line = f"Ray has {has.get('CPU', 0):.0f} CPUs of {cpus} and {has.get('GPU', 0):.0f} GPUs of {gpus}"
            if line != said:
                print(said := line, flush=True)
            if has.get("CPU", 0) >= cpus and has.get("GPU", 0) >= gpus:
                break
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {minutes:g} minutes {line}; `ray status` says what it waits for")
            time.sleep(1)
        yield
    finally:
        request_resources(bundles=[])


def main() -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(description="run a command with CPUs and GPUs of an autoscaling Ray cluster")
    parser.add_argument("--cpus", type=int, default=0, help="in all")
    parser.add_argument("--gpus", type=int, default=0, help="in all, each with a CPU")
    parser.add_argument("--minutes", type=float, default=20, help="to wait for them at most")
    parser.add_argument("command", nargs="+", metavar="-- COMMAND")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    if not os.environ.get("RAY_ADDRESS"):
        print("error: RAY_ADDRESS: not set; accepted is the address of the cluster", file=sys.stderr)
        return 1
    try:
        ray.init(log_to_driver=False, logging_level="ERROR")
        with held(max(arguments.cpus, arguments.gpus), arguments.gpus, arguments.minutes):
            return _run(arguments.command)
    except (ConnectionError, FileNotFoundError, TimeoutError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def _run(command: list[str]) -> int:
    """The command's exit code; where this process is told to end, so is the command, and what it still does awaited."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()


if __name__ == "__main__":
    sys.exit(main())
