"""Cost of a sweep beside the training of its flows: CPU time of all processes, and what its driver takes as flows grow.

    python benchmarks/sweeps.py idle --pack 8 --out .runs/sweeps/idle-8.json   # 1,000 flows that do nothing
    python benchmarks/sweeps.py idle --pack 1 --out .runs/sweeps/idle-1.json   # each of them a trial of Ray's own
    python benchmarks/sweeps.py train --out .runs/sweeps/train.json            # 200 flows of about a second each
    python benchmarks/sweeps.py draw .runs/sweeps/idle-*.json --picture docs/sweeps.png

All go through the real driver: Ray Tune's searcher, packs, figures on disk, the table of flow.yaml. Of `train` the same
packs are trained once more in this process, without Ray; what is left over is the sweep's own. Latents are drawn. The
clock is CPU time, which other work on the machine hardly changes.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib.pyplot as plt
import psutil
import torch
from looks import make_latents
from ray import tune
from timing import machine

from pipeline.basis.layout import Layout
from pipeline.cluster import start_ray
from pipeline.files import write_json
from pipeline.params import BackboneParams, FlowParams, MachineParams, Params, TrainParams, TuneParams
from pipeline.tuning.choice import choose, compared
from pipeline.tuning.course import Course
from pipeline.tuning.flow_file import Candidate, FlowChoice, write_flow_file
from pipeline.tuning.packs import MOST
from pipeline.tuning.ray_packs import Packs, run_by_ray
from pipeline.tuning.sampler import Sampler
from pipeline.tuning.trial import Figures, TrialSetup, TrialSetups, run_pack

CPU, NAMES = torch.device("cpu"), ["digit", "colour"]
ESTIMATE = Layout.of(NAMES, (16, 7, 9))
COLOURS = ("#2f66b3", "#c2571a")


class Watched(Course):
    """A course that notes what its process has taken each time that a pack ends."""

    def watch(self) -> None:
        """From now on."""
        self.taken: list[tuple[int, float, float]] = []
        self.start = time.process_time()

    def end(self, pack: Sequence[TrialSetup], lost: dict[int, str]) -> None:
        """As the course."""
        super().end(pack, lost)
        rss = psutil.Process().memory_info().rss / 2**20
        self.taken.append((len(self.taken) + 1, time.process_time() - self.start, rss))


def main() -> None:
    """Sweep and write what was measured, or draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["idle", "train", "draw"])
    parser.add_argument("measured", type=Path, nargs="*")
    parser.add_argument("--pack", type=int, default=8)
    parser.add_argument("--flows", type=int)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "draw":
        draw(arguments.measured, arguments.picture)
        return
    MOST["cpu"] = arguments.pack
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        latents = make_latents(folder / "latents", NAMES, ESTIMATE.num_dims)
        flows = arguments.flows or (1000 if arguments.what == "idle" else 200)
        found = measured(params_of(flows, arguments.steps), latents, folder, idle=arguments.what == "idle")
    print({key: value for key, value in found.items() if key != "driver"})
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps({**found, "pack": arguments.pack, "machine": machine(CPU)}) + "\n")


def params_of(flows: int, steps: int) -> Params:
    """A sweep over sizes and three more keys, of flows of one shape."""
    return Params(
        backbone=BackboneParams(num_dims=ESTIMATE.num_dims),
        flow=FlowParams(num_blocks=4, width=16),
        train=TrainParams(batch_size=64, validate_every=80),
        tune=TuneParams(
            trials=flows,
            steps=steps,
            concurrent=2,
            num_blocks=(4,),
            learning_rate=(1e-3, 3e-3),
            rho=(0.9, 0.95),
            weight_decay=(0.0, 0.01),
            sizes="simplex",
        ),
    )


def measured(params: Params, latents: Path, folder: Path, *, idle: bool) -> dict[str, Any]:
    """Seconds of CPU time of the sweep, a flow, and what its driver took after each pack."""
    setups = TrialSetups(params, latents, folder / "tune-latent-0123", folder / "trials")
    course = Watched(setups, Sampler.of(params, ESTIMATE))
    start, wall = time.process_time(), time.monotonic()
    with start_ray(MachineParams(device="cpu")) as resources:
        before = of_children()
        course.watch()
        run_by_ray(course, course.rounds(), setups, resources, pretend if idle else None)
        in_workers = of_children() - before
    candidates = {number: drawn.candidate for number, drawn in enumerate(course.drawn)}
    trials = compared(candidates, course.found, course.stopped)
    chosen = choose(trials)
    write_flow_file(folder / "flow.yaml", FlowChoice(chosen.candidate, ESTIMATE.sizes, tuple(trials), chosen.number))
    driver, wall, flows = time.process_time() - start, time.monotonic() - wall, len(trials)
    found: dict[str, Any] = {"flows": flows, "driver_seconds": driver, "ray_seconds": in_workers, "wall_seconds": wall}
    found["driver"] = [(packs * flows / len(course.taken), *taken) for packs, *taken in course.taken]
    if not idle:
        found["alone_seconds"] = alone = alone_seconds(params, latents, folder)
        found["training_seconds_a_flow"] = alone / flows
        found["overhead_seconds_a_flow"] = (driver + in_workers - alone) / flows
    return found


def alone_seconds(params: Params, latents: Path, folder: Path) -> float:
    """CPU time of the same packs one after another in this process."""
    setups = TrialSetups(params, latents, folder / "alone-latent-0123", folder / "alone")
    course = Course(setups, Sampler.of(params, ESTIMATE))
    handed_out, start = Packs(course, course.rounds(), "cpu", params.tune.concurrent), time.process_time()
    while pack := handed_out.next("one"):
        handed_out.done("one", *run_pack(pack, CPU))
    return time.process_time() - start


def of_children() -> float:
    """CPU time of all processes below this one, those that have ended included where their parent waited for them."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = ended.ru_utime + ended.ru_stime
    for process in psutil.Process().children(recursive=True):
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def pretend(drawn: dict[str, Any], setups: TrialSetups, device: str) -> None:
    """What a pack leaves, without any work; `probe/gap` is made of the number."""
    for flow in drawn["flows"]:
        candidate = Candidate(flow["settings"], Layout(tuple(flow["names"]), tuple(flow["sizes"])))
        setup = setups.of(flow["number"], candidate, flow["until"], flow["since"])
        gap = 0.5 + 1e-4 * flow["number"]
        resamples = [gap + 1e-3 * (number % 7) for number in range(200)]
        figures = Figures(probe_gap=gap, gap_low=gap, gap_high=gap, gap_resamples=resamples, pair_nats=90.0)
        write_json(setup.figures, figures)
    tune.report({"lost": [], "said": [], "device": device})


def draw(measured: list[Path], picture: Path) -> None:
    """CPU time and memory of the driver over the flows that have ended."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for path, colour in zip(sorted(measured, reverse=True), COLOURS, strict=False):
        content = json.loads(path.read_text())
        flows, seconds, megabytes = zip(*content["driver"], strict=True)
        label = f"packs of {content['pack']}" if content["pack"] > 1 else "each flow alone"
        left.plot(flows, seconds, color=colour, lw=1.8, label=label)
        right.plot(flows, megabytes, color=colour, lw=1.8, label=label)
    for panel, what in ((left, "CPU time of the driver, seconds"), (right, "memory of the driver, MiB")):
        panel.set_xlabel("flows that have ended")
        panel.set_ylabel(what)
        panel.set_ylim(0, 1.08 * panel.get_ylim()[1])
        panel.set_xlim(left=0)
        panel.grid(color="#e6e8ec", lw=0.8)
        panel.legend(frameon=False, loc="upper left" if panel is left else "lower right")
    figure.suptitle("A sweep's driver, flows of no work", fontsize=11)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=130)


if __name__ == "__main__":
    main()
