"""What several workers, and the way they are started, do to a training: its curve, its time, its checkpoints.

    python benchmarks/workers.py agree        # curves of 1, 2 and 4 workers over 200 steps, float32 and float64
    python benchmarks/workers.py overhead     # CPU time a step as people get it, beside the bare loop
    python benchmarks/workers.py checkpoints  # share of a training's CPU time that its checkpoints take
    python benchmarks/workers.py speed        # two workers beside two independent loops of half the batch

Latents are drawn. `speed` reads the wall clock, and says something on an idle machine of two cores alone; `overhead`
and `checkpoints` count CPU time of the processes that train, and `agree` compares figures.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import ray
import torch
from looks import make_latents
from timing import machine
from torch import Tensor, nn

from pipeline.basis.layout import Layout
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.machine import Resources
from pipeline.params import MachineParams, Optimisation, Params
from pipeline.storage.folder import Folder
from pipeline.training.checkpoints import State, write_checkpoint
from pipeline.training.distributed import train_on_workers
from pipeline.training.loop import Hooks, train
from pipeline.workers.child import in_child

CPU = torch.device("cpu")
CONCEPTS = ["digit", "colour"]
WARM = 10  # steps that are not timed


@dataclass(frozen=True)
class Setup:
    """What a worker makes its task from.

    Attributes:
        flow: what the flow learns from.
        double: whether it computes in float64.
        clock: where the first process to end a step notes its times; empty: nowhere.
    """

    flow: FlowTaskConfig
    double: bool = False
    clock: str = ""


class PlainTask:
    """The flow's pair loss and nothing beside it: no looks, so that steps alone are timed."""

    def __init__(self, setup: Setup, device: torch.device) -> None:
        self.setup, self.task = setup, FlowTask(setup.flow, device)
        self.model = self.task.model
        if setup.double:
            self.model.double()
            rows = self.task.train_rows
            assert isinstance(rows.mean, Tensor)
            assert isinstance(rows.scale, Tensor)
            rows.mean, rows.scale = rows.mean.double(), rows.scale.double()

    def initialise(self) -> None:
        """The closed form."""
        self.task.initialise()

    def loss(self, model: nn.Module, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """As the flow's task, at the beginning of a step."""
        if self.setup.clock:
            with Path(self.setup.clock).open("a") as file:
                file.write(f"{os.getpid()} {step} {time.monotonic()} {time.process_time()}\n")
        return self.task.loss(model, step, part)

    def validate(self) -> dict[str, float]:
        """Nothing."""
        return {}


def main() -> None:
    """Make the latents and run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["agree", "overhead", "checkpoints", "speed"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine(CPU)}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # workers import this file
        parts = {"agree": agree, "overhead": overhead, "checkpoints": checkpoint_share, "speed": speed}
        parts[arguments.part](folder, arguments.steps, arguments.rounds)


def setup_of(folder: Path, batch_size: int, width: int, double: bool = False) -> Setup:
    """The default flow, but for its width and batch."""
    params = Params()
    params = params.changed(
        flow=params.flow.changed(width=width),
        train=params.train.changed(batch_size=batch_size, input_noise=0.0 if double else params.train.input_noise),
    )
    latents = folder / "latents"
    if not latents.is_dir():
        make_latents(latents, CONCEPTS, 32)
    return Setup(FlowTaskConfig.of(params, latents, Layout.of(CONCEPTS, (19, 9, 4))), double)


def optimisation(setup: Setup, steps: int, checkpoint_every: int = 200) -> Optimisation:
    """Section `train` of so many steps."""
    own = {"steps": steps, "batch_size": setup.flow.batch_size, "validate_every": steps}
    return Params().train.changed(**own, checkpoint_every=checkpoint_every)


@contextmanager
def ray_of(cpus: int) -> Iterator[None]:
    """A Ray that says it has so many CPUs, whatever this machine has."""
    ray.init(address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        yield
    finally:
        ray.shutdown()


def agree(folder: Path, steps: int, _rounds: int) -> None:
    """Largest relative difference of a point of the training curve to that of one worker."""
    with ray_of(4):
        for double in (False, True):
            setup = setup_of(folder, 256, 64, double=double)
            curves = {}
            for workers in (1, 2, 4):
                run = folder / f"agree{double}-{workers}"
                result = train_on_workers(
                    PlainTask, setup, optimisation(setup, steps), MachineParams(workers=workers), run
                )
                entries = [json.loads(line) for line in result.metrics.splitlines()]
                curves[workers] = np.array([each["train/pair_nats"] for each in entries if "train/pair_nats" in each])
            for workers in (2, 4):
                worst = np.max(np.abs(curves[workers] / curves[1] - 1))
                print(
                    f"float{64 if double else 32}: {workers} workers differ from one by {worst:.1e} at most, in "
                    f"{len(curves[1])} points of {steps} steps",
                    flush=True,
                )


def overhead(folder: Path, steps: int, rounds: int) -> None:
    """CPU seconds of a step in the pipeline's own way, and of the bare loop in a process like it, in turn."""
    setup = setup_of(folder, 256, 64)
    config = optimisation(setup, steps)
    ratios = []
    for number in range(rounds):
        found = {}
        for name in ("bare", "pipeline") if number % 2 else ("pipeline", "bare"):
            clock = folder / f"{name}-{number}.clock"
            timed = replace(setup, clock=str(clock))
            if name == "bare":
                with in_child(Resources(1, 0, "cpu"), 0, bare, timed, config) as wait:
                    wait()
            else:
                train_on_workers(PlainTask, timed, config, MachineParams(), folder / f"pipeline{number}-0")
            found[name] = seconds(clock)[1]
        ratios.append(found["pipeline"] / found["bare"])
        print(f"bare {1e3 * found['bare']:.2f} ms, pipeline {1e3 * found['pipeline']:.2f} ms a step", flush=True)
    print(f"CPU time a step beside the bare loop: {interval(ratios)}")


def bare(_device: str, setup: Setup, config: Optimisation) -> None:
    """The loop, without curves and checkpoints; in a process of its own."""
    torch.set_num_threads(1)
    train(PlainTask(setup, CPU), config)


def checkpoint_share(folder: Path, steps: int, rounds: int) -> None:
    """CPU and wall seconds of a checkpoint, of those of the 200 steps between two."""
    for width in (64, 512):
        setup = setup_of(folder, 256, width)
        with in_child(Resources(1, 0, "cpu"), 0, timed_checkpoints, setup, steps, rounds) as wait:
            step, every = wait()
        shares = [seconds / (200 * step + seconds) for seconds in every]
        print(
            f"width {width}: {1e3 * step:.1f} ms a step, {1e3 * statistics.median(every):.0f} ms a checkpoint; of "
            f"training {interval(shares)} where one comes each 200 steps",
            flush=True,
        )


def timed_checkpoints(_device: str, setup: Setup, steps: int, rounds: int) -> tuple[float, list[float]]:
    """CPU seconds of a step, and of each of `rounds` checkpoints of its state."""
    torch.set_num_threads(1)
    states: list[State] = []
    clock = Path(setup.flow.latents).with_name("checkpoints.clock")
    clock.unlink(missing_ok=True)

    train(PlainTask(replace(setup, clock=str(clock)), CPU), optimisation(setup, steps), Hooks(checkpoint=states.append))
    times = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(rounds):
            begun = time.process_time()
            write_checkpoint(Folder(Path(name)), {**states[-1], "step": number + 1})
            times.append(time.process_time() - begun)
    return seconds(clock)[1], times


def speed(folder: Path, steps: int, rounds: int) -> None:
    """Steps a second of two workers, beside two loops of half the batch that know nothing of each other."""
    whole, half = setup_of(folder, 2048, 512), setup_of(folder, 1024, 512)
    shares = []
    with ray_of(2):
        for number in range(rounds):
            clocks = [folder / f"{name}-{number}.clock" for name in ("both", "one", "other")]
            both, one, other = (
                replace(setup, clock=str(clock)) for setup, clock in zip((whole, half, half), clocks, strict=True)
            )
            train_on_workers(
                PlainTask, both, optimisation(both, steps), MachineParams(workers=2), folder / f"both{number}-0"
            )
            start = partial(in_child, Resources(1, 0, "cpu"), 0, bare)
            with ExitStack() as stack:
                waits: list[Callable[[], None]] = [
                    stack.enter_context(start(setup, optimisation(setup, steps))) for setup in (one, other)
                ]
                for wait in waits:
                    wait()
            together = seconds(clocks[0])[0]
            apart = statistics.mean(seconds(clock)[0] for clock in clocks[1:])
            shares.append(apart / together)
            print(f"two workers {1e3 * together:.0f} ms a step, two loops {1e3 * apart:.0f} ms", flush=True)
    print(f"two workers reach {interval(shares)} of what two independent loops do")


def seconds(clock: Path) -> tuple[float, float]:
    """Wall and CPU seconds of a step, of the first process that noted any; the first steps are left out."""
    lines = [line.split() for line in clock.read_text().splitlines()]
    own = [(float(wall), float(cpu)) for pid, _, wall, cpu in lines if pid == lines[0][0]][WARM:]
    (wall, cpu), (last_wall, last_cpu) = own[0], own[-1]
    return (last_wall - wall) / (len(own) - 1), (last_cpu - cpu) / (len(own) - 1)


def interval(values: list[float]) -> str:
    """The median, and a 95 % interval of it by the bootstrap."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(values, (10_000, len(values))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return f"{np.median(values):.4f} [{low:.4f}, {high:.4f}]"


if __name__ == "__main__":
    import workers  # by the name under which a worker imports what it is given

    workers.main()
