"""Seconds that a training loses by a fault: from the kill until it is beyond the step where it was.

    python benchmarks/faults.py worker          # kill -9 of the only worker, and of one of two
    python benchmarks/faults.py driver          # of the driver; from when its command is typed again; one worker, two
    python benchmarks/faults.py node            # of all that runs on the second of two hosts, which comes back at once
    python benchmarks/faults.py dvc --project FOLDER   # of dvc and its stage train, in a copy of a project that is done

A training is that of the default flow on drawn latents; the last part is stage train of the project itself, all of
dvc's own time included. Wall clock, so that it says something on an idle machine alone; `--rounds` takes the best of
several. What is lost includes the steps since the last checkpoint, which are told apart. Hosts are network namespaces
(Linux, as root).
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from looks import make_latents
from timing import machine

from pipeline.basis.curves import TIMES
from pipeline.basis.layout import Layout
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.params import MachineParams, Params
from pipeline.training.distributed import train_on_workers

sys.path.insert(0, str(Path(__file__).absolute().parents[1] / "infra/local"))
from nodes import cluster, rejoin

CONCEPTS = ["digit", "colour"]
STEPS, CHECKPOINT_EVERY, LOG_EVERY = 100_000, 200, 10  # none of them ends before it is killed
KILLED_FROM = 350
PATIENCE = 600.0
CHILD, OF_RAY, STAGE = "pipeline.workers.child", "RayTrainWorker", "stages.train"  # words in command lines


@dataclass(frozen=True)
class Lost:
    """What a fault took.

    Attributes:
        seconds: in all.
        rework: of these for the steps since the last checkpoint.
    """

    seconds: float
    rework: float


def main() -> None:
    """Run a part, and print a line for each round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["worker", "driver", "node", "dvc"])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        drive(arguments.drive, arguments.workers)
        return
    print(f"{machine(torch.device('cpu'))}; {os.cpu_count()} cores", flush=True)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    parts: dict[str, dict[str, Callable[[Path], Lost]]] = {
        "worker": {
            "one worker, killed": lambda folder: of_worker(folder, 1, CHILD),
            "a worker of two, killed": lambda folder: of_worker(folder, 2, OF_RAY),
        },
        "driver": {
            "the driver of one worker, killed and typed again": lambda folder: typed_again(folder, command(folder, 1)),
            "the driver of two workers, killed and typed again": lambda folder: typed_again(folder, command(folder, 2)),
        },
        "node": {"a node of two, killed and back at once": of_node},
        "dvc": {"dvc and its stage, killed and typed again": lambda folder: of_dvc(folder, arguments.project)},
    }
    for name, lose in parts[arguments.part].items():
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory() as folder:
                load = os.getloadavg()[0]
                lost = lose(Path(folder))
                took = f"{lost.seconds:.1f} s lost, of which {lost.rework:.1f} s for steps since the last checkpoint"
                print(f"{name}: {took}; load {load:.1f} before, {os.getloadavg()[0]:.1f} after", flush=True)


def drive(folder: Path, workers: int) -> None:
    """The driver of a training."""
    latents, params = folder / "latents", Params()
    if not latents.is_dir():
        make_latents(latents, CONCEPTS, 32)
    task = FlowTaskConfig.of(params, latents, Layout.of(CONCEPTS, (19, 9, 4)))
    config = params.train.changed(steps=STEPS, checkpoint_every=CHECKPOINT_EVERY, log_every=LOG_EVERY)
    train_on_workers(FlowTask, task, config, MachineParams(workers=workers), folder / "train-0123")


def command(folder: Path, workers: int) -> list[str]:
    """Of a driver."""
    part = "worker"  # any
    return [sys.executable, str(Path(__file__).absolute()), part, f"--drive={folder}", f"--workers={workers}"]


def of_worker(folder: Path, workers: int, words: str) -> Lost:
    """A worker is killed; its driver goes on."""
    driver = started(command(folder, workers))
    try:
        at = reached(folder, driver)
        ids = [each.pid for each in below(driver) if words in words_of(each)]
        begin = time.time()
        os.kill(ids[-1], signal.SIGKILL)
        return lost_since(folder, begin, at, driver)
    finally:
        end(driver)


def typed_again(folder: Path, typed: Sequence[str], cwd: Path | None = None) -> Lost:
    """A driver is killed with all that is its own; the same command goes on."""
    driver = started(typed, cwd)
    try:
        at = reached(cwd or folder, driver)
        own = below(driver)
        stages = [each for each in own if STAGE in words_of(each)]  # what dvc has started outlives it
    finally:
        end(driver)
    for stage in stages:
        stage.kill()
    psutil.wait_procs(own, timeout=PATIENCE)
    begin = time.time()
    again = started(typed, cwd)
    try:
        return lost_since(cwd or folder, begin, at, again)
    finally:
        end(again)


def of_node(folder: Path) -> Lost:
    """All on a host is killed, and its Ray is started anew."""
    with cluster(2, 1) as nodes:
        head, other = nodes
        driver = started(head.command(*command(folder, 2)), environment=head.environment())
        try:
            at = reached(folder, driver)
            begin = time.time()
            for pid in other.processes():
                if psutil.pid_exists(pid):
                    os.kill(pid, signal.SIGKILL)
            rejoin(other, 1, folder / "ray.log")
            print(f"its Ray was back after {time.time() - begin:.1f} s", flush=True)
            return lost_since(folder, begin, at, driver)
        finally:
            end(driver)


def of_dvc(folder: Path, project: Path) -> Lost:
    """Stage train of a project whose earlier stages are done, by dvc."""
    copy = folder / "project"
    shutil.copytree(
        project, copy, symlinks=True, ignore=shutil.ignore_patterns(".runs", ".venv", "mlruns", "mlflow.db")
    )
    os.environ["PYTHONPATH"] = str(copy)
    dvc = str(Path(sys.executable).parent / "dvc")
    return typed_again(folder, [dvc, "repro", "--force", "--single-item", "train@latent"], copy)


def started(
    typed: Sequence[str], cwd: Path | None = None, environment: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """A driver, whose words nobody needs."""
    return subprocess.Popen(typed, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)


def end(driver: "subprocess.Popen[bytes]") -> None:
    """Kill a driver; its workers die with it."""
    driver.kill()
    driver.wait()


def below(driver: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """All processes below a driver."""
    return list(psutil.Process(driver.pid).children(recursive=True))


def words_of(process: psutil.Process) -> str:
    """Its command line; empty of one that has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def times(folder: Path) -> list[tuple[int, float]]:
    """Step and time of each entry of the newest start of a training in a folder."""
    starts = sorted([*folder.glob(f"train-*/gen-*/{TIMES}"), *folder.glob(f".runs/train-*/gen-*/{TIMES}")])
    lines = starts[-1].read_text().splitlines() if starts else []
    found = (json.loads(line) for line in lines if line.endswith("}"))
    return [(int(each["step"]), float(each["time"])) for each in found]


def reached(folder: Path, driver: "subprocess.Popen[bytes]") -> int:
    """The step that a training has done, once it is one to kill it at."""
    while (at := max((step for step, _ in times(folder)), default=0)) < KILLED_FROM:
        assert driver.poll() is None, "the training ended"
        time.sleep(0.05)
    return at


def lost_since(folder: Path, begin: float, at: int, driver: "subprocess.Popen[bytes]") -> Lost:
    """What was lost since a time, once a step after `at` is done."""
    end = time.monotonic() + PATIENCE
    while not (beyond := [when for step, when in times(folder) if step > at and when > begin]):
        assert driver.poll() is None, "the training ended"
        assert time.monotonic() < end, "it does not go on"
        time.sleep(0.05)
    redone = [(step, when) for step, when in times(folder) if when > begin and step <= at + LOG_EVERY]
    (first, early), (last, late) = redone[0], redone[-1]
    each = (late - early) / max(1, last - first)
    return Lost(beyond[0] - begin, each * (at - at // CHECKPOINT_EVERY * CHECKPOINT_EVERY))


if __name__ == "__main__":
    main()
