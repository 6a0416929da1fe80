"""What bfloat16 in the conditioners does to a training: held-out pair nats, and the time of a step.

    python benchmarks/precision.py --steps 600

Run it in the project's folder after `dvc repro`. Two flows see the same pairs; one trains under autocast to bfloat16,
which keeps codes, log-determinants and parameters in float32. Both are measured in float32, and the other one also
as it was trained.
"""

import argparse
import os
import statistics
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from timing import machine, seconds_of

from pipeline.config import load_params
from pipeline.data import load_latents
from pipeline.training.flat import FlatModel
from pipeline.training.flow_setup import flow_config
from pipeline.training.flow_task import FlowTask, FlowTaskConfig
from pipeline.training.loop import learning_rate
from pipeline.training.optimisation import train_config
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
        milliseconds, nats, under_autocast = train(arguments.steps, arguments.layer, device, bfloat16=bfloat16)
        name = "bfloat16" if bfloat16 else "float32"
        print(f"| {name} | {milliseconds:.1f} | {nats:.3f} | {under_autocast:.3f} |", flush=True)


def train(steps: int, layer: str, device: torch.device, *, bfloat16: bool) -> tuple[float, float, float]:
    """Milliseconds a step, and held-out nats in float32 and under autocast."""
    params, latents = load_params(), Path("data/latents") / layer
    choice = read_flow_file(Path("models/layers") / layer / "flow.yaml")
    config = replace(train_config(params.train, params.seed), steps=steps)
    num_dims = load_latents(latents, "val").num_dims
    setup = FlowTaskConfig(
        latents=str(latents.resolve()), flow=flow_config(params.flow, num_dims, params.seed, choice.num_blocks),
        layout=choice.layout, rho=params.flow.rho, batch_size=config.batch_size, seed=params.seed,
    )  # fmt: skip
    task = FlowTask(setup, device)
    task.initialise()
    model = FlatModel(task.model)
    optimiser = torch.optim.AdamW(
        [model.flat], lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )
    network, step = model.eager(), 0

    def one_step() -> None:
        nonlocal step
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(config, step)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            loss, _ = task.loss(network, step, slice(0, config.batch_size))
        optimiser.zero_grad(set_to_none=False)
        loss.backward()
        if config.clip is not None:
            torch.nn.utils.clip_grad_norm_(model.flat, config.clip)
        optimiser.step()
        step += 1

    seconds = [seconds_of(one_step, device, 1) for _ in range(steps)]
    with torch.no_grad():
        nats = task.validate(task.model, steps)["pair_nats"]
        with torch.autocast(device.type, torch.bfloat16):
            under_autocast = task.validate(task.model, steps)["pair_nats"]
    return 1e3 * statistics.median(seconds), nats, under_autocast


if __name__ == "__main__":
    main()
