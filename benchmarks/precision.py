"""What lower precision in training does: held-out pair nats, measured in float32, and the time of a step.

    python benchmarks/precision.py --steps 600

Run it in the project's folder after `dvc repro`. The same flow is trained by each `train.precision` that this machine
has, on the same pairs.
"""

import argparse
import os
import statistics
from itertools import pairwise
from typing import get_args

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from clocked import ClockedTask
from timing import machine

from pipeline.errors import InputError
from pipeline.flow_task import FlowTask, flow_setup
from pipeline.params import Precision, load_params
from pipeline.places import Places
from pipeline.training.loop import train
from pipeline.tuning.flow_file import read_flow_file


def main() -> None:
    """Train both, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="of both trainings; the schedule's length too")
    parser.add_argument("--layer", default="latent")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"{machine(device)}, {arguments.steps} steps\n")
    print("| `train.precision` | ms a step, median | held-out pair nats |")
    print("| --- | ---: | ---: |")
    for precision in get_args(Precision):
        try:
            milliseconds, nats = measure(arguments.steps, arguments.layer, device, precision)
        except InputError as error:
            print(f"| `{precision}` | {error} | |", flush=True)
            continue
        print(f"| `{precision}` | {milliseconds:.1f} | {nats:.3f} |", flush=True)


def measure(steps: int, layer: str, device: torch.device, precision: Precision) -> tuple[float, float]:
    """Milliseconds a step, and held-out nats of the step that is kept."""
    places = Places()
    candidate = read_flow_file(places.flow_file(layer)).candidate
    params = candidate.applied(load_params())
    params = params.changed(train=params.train.changed(steps=steps, validate_every=steps, precision=precision))
    setup, _, _ = flow_setup(params, places.latents(layer), candidate.layout)
    clocked = ClockedTask(FlowTask(setup, device))
    train(clocked, params.train)
    seconds = [after - before for before, after in pairwise(clocked.begun)]
    return 1e3 * statistics.median(seconds), clocked.task.validate()["pair_nats"]


if __name__ == "__main__":
    main()
