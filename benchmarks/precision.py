"""What bfloat16 in the conditioners does to a training: held-out pair nats, and the time of a step.

    python benchmarks/precision.py --steps 600

Run it in the project's folder after `dvc repro`. Two flows see the same pairs; one trains under autocast to bfloat16,
which keeps codes, log-determinants and parameters in float32. Both are measured in float32 and under autocast.
"""

import argparse
import os
import statistics
from functools import partial
from itertools import pairwise

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from clocked import ClockedTask
from timing import machine

from pipeline.flow_task import FlowTask, flow_setup
from pipeline.params import load_params
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
    print("| conditioners | ms a step, median | held-out pair nats | the same, measured under autocast |")
    print("| --- | ---: | ---: | ---: |")
    for bfloat16 in (False, True):
        milliseconds, nats, under_autocast = measure(arguments.steps, arguments.layer, device, bfloat16=bfloat16)
        name = "bfloat16" if bfloat16 else "float32"
        print(f"| {name} | {milliseconds:.1f} | {nats:.3f} | {under_autocast:.3f} |", flush=True)


def measure(steps: int, layer: str, device: torch.device, *, bfloat16: bool) -> tuple[float, float, float]:
    """Milliseconds a step, and held-out nats in float32 and under autocast."""
    places = Places()
    candidate = read_flow_file(places.flow_file(layer)).candidate
    params = candidate.applied(load_params())
    setup, _ = flow_setup(params, places.latents(layer), candidate.layout)
    autocast = partial(torch.autocast, device.type, torch.bfloat16, enabled=bfloat16)
    clocked = ClockedTask(FlowTask(setup, device), autocast)
    train(clocked, params.train.changed(steps=steps, validate_every=steps))
    task = clocked.task
    with torch.no_grad():
        nats = task.validate()["pair_nats"]
        with torch.autocast(device.type, torch.bfloat16):
            under_autocast = task.validate()["pair_nats"]
    seconds = [after - before for before, after in pairwise(clocked.begun)]
    return 1e3 * statistics.median(seconds), nats, under_autocast


if __name__ == "__main__":
    main()
