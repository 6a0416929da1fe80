"""Seconds from the start of a stage that trains to its first step, and the CPU seconds of all its processes by then.

    python benchmarks/startup.py                      # train, judge and backbone, without a cluster
    python benchmarks/startup.py --cluster            # the same, joining a Ray that runs already
    python benchmarks/startup.py --against OTHER      # beside the code of another clone, in turn

Each stage runs as `dvc repro` runs it, on the data and models of a finished study, in a folder of its own with a
storage and an MLflow store of its own. A curve has a point at every step here; once the first is there, the stage is
ended. The first round, which finds nothing in the disk's cache, is left out. CPU seconds are those that Linux counts
for the stage, all below it, and the cluster: on a busy machine they compare where the wall clock does not.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import psutil
import ray
import torch
from ruamel.yaml import YAML
from timing import machine

from pipeline.cluster import start_ray
from pipeline.params import MachineParams

STAGES = {"train": ("train", "--layer", "latent"), "judge": ("judge",), "backbone": ("backbone",)}
MOST_SECONDS = 300.0
FOUND = tuple[float, float]  # wall and CPU seconds


def main() -> None:
    """Time the stages, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--cluster", action="store_true", help="join a Ray that runs already")
    parser.add_argument("--against", type=Path, help="a clone whose code is timed in turn")
    arguments = parser.parse_args()
    print(f"{machine(torch.device('cpu'))}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    codes = {"here": Path.cwd()} | ({"there": arguments.against.resolve()} if arguments.against else {})
    with start_ray(MachineParams()) if arguments.cluster else nullcontext():
        for stage in arguments.stages:
            found: dict[str, list[FOUND]] = {name: [] for name in codes}
            for number in range(1 + arguments.rounds):
                for name, code in codes.items():
                    seconds = seconds_to_first_step(code, STAGES[stage])
                    if number:
                        found[name].append(seconds)
                        print(
                            f"{stage}, {name}, round {number}: {seconds[0]:.1f} s, CPU {seconds[1]:.1f} s", flush=True
                        )
            for name, values in found.items():
                print(f"{stage}, {name}: {_said(values)}", flush=True)


def seconds_to_first_step(code: Path, stage: tuple[str, ...]) -> FOUND:
    """Start a stage of the code in a folder, and end it at its first step.

    Args:
        code: the folder of `pipeline` and `stages`; data and models are those of the working folder.
        stage: its name, and its arguments.
    """
    environment = os.environ | {"PYTHONPATH": str(code)}
    if ray.is_initialized():
        environment["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make_project(folder, code)
        start, before = time.monotonic(), _cpu_seconds()
        command = [sys.executable, "-m", f"stages.{stage[0]}", *stage[1:]]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
        try:
            while not _has_begun(folder):
                if process.poll() is not None or time.monotonic() - start > MOST_SECONDS:
                    sys.exit(f"{stage[0]}: no first step; its words are above")
                time.sleep(0.02)
            return time.monotonic() - start, _cpu_seconds() - before
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _make_project(folder: Path, code: Path) -> None:
    for name in ("pipeline", "stages", "dvc.yaml"):
        (folder / name).symlink_to(code / name)
    (folder / "data").symlink_to(Path("data").resolve())
    for name in ("models", ".checks"):
        shutil.copytree(name, folder / name)
    yaml = YAML()
    params = yaml.load(Path("params.yaml"))
    for section in ("backbone", "judge", "train"):
        params[section]["log_every"] = 1
    yaml.dump(params, folder / "params.yaml")


def _has_begun(folder: Path) -> bool:
    return any('"step": 1,' in path.read_text() for path in folder.glob(".runs/*/gen-*/metrics.jsonl"))


def _cpu_seconds() -> float:
    """Of this process's children, all below them, and those that have ended and were waited for."""
    total = sum(psutil.Process().cpu_times()[2:4])
    for process in psutil.Process().children(recursive=True):
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.Error:
            continue  # it ended while it was looked at
    return float(total)


def _said(values: list[FOUND]) -> str:
    wall, cpu = zip(*values, strict=True)
    return (
        f"first step after {statistics.median(wall):.1f} s ({min(wall):.1f} to {max(wall):.1f}), "
        f"{statistics.median(cpu):.1f} s of CPU time ({min(cpu):.1f} to {max(cpu):.1f})"
    )


if __name__ == "__main__":
    main()
