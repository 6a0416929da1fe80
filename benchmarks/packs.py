"""Cost of a flow's training step in packs of several sizes, beside that of a flow alone, on one thread.

    python benchmarks/packs.py                # seconds a flow-step of the default shape
    python benchmarks/packs.py --sweep 500    # and the default sweep's four flows, by packs and one after another

Latents are drawn. The clock is the process's own CPU time, and each round times all sizes in turn.
"""

import argparse
import gc
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from looks import make_latents
from timing import machine, now, seconds_of
from torch import Tensor, nn

from pipeline.basis.layout import Layout
from pipeline.flow_pack import FlowPack
from pipeline.flow_task import FlowData, FlowTask, FlowTaskConfig
from pipeline.params import Params
from pipeline.training.loop import train, train_pack
from pipeline.training.task import Member
from pipeline.tuning.packs import packs
from pipeline.tuning.trial import TrialSetup, run_pack

CPU, WARM = torch.device("cpu"), 3
SIZES = (1, 2, 4, 8, 16)
SWEEP = ((12, (12, 9, 11)), (12, (4, 12, 16)), (12, (6, 10, 16)), (16, (9, 9, 14)))  # blocks and sizes that it tries


class Clocked:
    """A task or pack that notes when each step begins."""

    def __init__(self, job: Any) -> None:
        self._job = job
        self.begun: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)

    def loss(self, model: nn.Module, step: int | Tensor, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """As the job, at the beginning of a step."""
        self.begun.append(now(CPU))
        found: tuple[Tensor, dict[str, Tensor]] = self._job.loss(model, step, part)
        return found

    def seconds(self) -> float:
        """Of a step, those left out in which graphs are traced and memory is found."""
        return (self.begun[-1] - self.begun[WARM]) / (len(self.begun) - 1 - WARM)


def main() -> None:
    """Make the latents, train in turn, print figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sweep", type=int, default=0, metavar="STEPS")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        latents = make_latents(Path(name) / "latents", ["digit", "colour"], 32)
        found: dict[int, list[float]] = {size: [] for size in (0, *SIZES)}
        for _ in range(arguments.rounds):
            for size, values in found.items():
                values.append(flow_step(latents, size))
        print(f"{machine(CPU)}; milliseconds of CPU time a flow-step, median of {arguments.rounds} rounds")
        alone = median(found[0])
        for size, values in found.items():
            what = f"pack of {size}" if size else "alone"
            spread = f"({1e3 * min(values):.1f} to {1e3 * max(values):.1f})"
            print(
                f"{what}: {1e3 * median(values):.1f} {spread}, {alone / median(values):.2f} times as fast", flush=True
            )
        if arguments.sweep:
            print_sweep(latents, Path(name), arguments.sweep)


def flow_step(latents: Path, size: int) -> float:
    """Seconds of a step of one of so many flows; 0: of a flow as the train stage trains it."""
    params = Params()
    steps = params.train.changed(steps=WARM + max(8, 48 // max(size, 1)))
    layouts = [Layout.of(["digit", "colour"], (20 - index, 5 + index, 7)) for index in range(max(size, 1))]
    configs = [FlowTaskConfig.of(params, latents, layout) for layout in layouts]
    data = FlowData(configs[0], CPU)
    tasks = [FlowTask(config, CPU, data) for config in configs]
    if not size:
        clocked = Clocked(tasks[0])
        train(clocked, steps)
        return clocked.seconds()
    gc.collect()  # graphs of the packs before, which later steps would be searched for
    clocked = Clocked(FlowPack([Member(task, steps, lambda _entry: None) for task in tasks]))
    train_pack(clocked)
    return clocked.seconds() / size


def print_sweep(latents: Path, folder: Path, steps: int) -> None:
    """The same flows and steps by packs and one after another, each look and start included; two rounds in turn."""
    params = Params().changed(train=Params().train.changed(steps=steps, patience=None))
    setups = []
    for number, (blocks, sizes) in enumerate(SWEEP):
        own = params.changed(flow=params.flow.changed(num_blocks=blocks))
        config = FlowTaskConfig.of(own, latents, Layout.of(["digit", "colour"], sizes))
        setups.append(TrialSetup(number, config, own.train, folder / str(number)))

    def one_after_another() -> None:
        for setup in setups:
            train(FlowTask(setup.task, CPU), setup.train)

    def by_packs() -> None:
        for pack in packs(setups, "cpu", Params().tune.concurrent):
            run_pack(pack, CPU)
        for setup in setups:
            (setup.folder / "figures.json").unlink()

    works: dict[str, Callable[[], None]] = {"one after another": one_after_another, "by packs": by_packs}
    for _ in range(2):
        print(", ".join(f"{name} {seconds_of(work, CPU, 1):.1f} s" for name, work in works.items()), flush=True)


if __name__ == "__main__":
    main()
