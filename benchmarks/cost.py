"""Time of a training step of the default flow against N, blocks and batch, with the bound that matrix products set.

    python benchmarks/cost.py --picture docs/cost.png              # eager, as a default training runs
    python benchmarks/cost.py --picture docs/cost.png --compiled   # half a minute of compilation a point and more

One quantity varies at a time around N = 32, 12 blocks of width 64 and 512 rows (256 pairs), the default study's.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib.pyplot as plt
import torch
from products import product_seconds
from timing import machine, seconds_of

from pipeline.flow import Flow, FlowConfig, latent_nats
from pipeline.training.compiling import CompiledModel
from pipeline.training.parameters import FlatModel

DEFAULT, ROWS = FlowConfig(num_dims=32), 512
AXES: dict[str, tuple[str, list[int]]] = {
    "num_dims": ("dimensions of a latent, N", [8, 16, 32, 64, 128, 256, 512, 1024]),
    "num_blocks": ("blocks", [1, 2, 3, 6, 12, 24, 48]),
    "rows": ("rows of a batch", [8, 32, 128, 512, 2048, 8192]),
}
STEP, BOUND = "#2f66b3", "#8a8f98"


def main() -> None:
    """Measure, print a table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--compiled", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    found: dict[str, list[tuple[int, float, float]]] = {name: [] for name in AXES}
    print("| varied | value | step, ms | products alone, ms | share |\n| --- | ---: | ---: | ---: | ---: |")
    for name, (_, values) in AXES.items():
        for value in values:
            changes: dict[str, Any] = {} if name == "rows" else {name: value}
            config = replace(DEFAULT, **changes)
            step, bound = measure(config, value if name == "rows" else ROWS, device, compile_step=arguments.compiled)
            found[name].append((value, step, bound))
            print(f"| {name} | {value} | {step:.2f} | {bound:.2f} | {bound / step:.0%} |", flush=True)
    draw(found, f"{machine(device)}, {'compiled' if arguments.compiled else 'eager'}", arguments.picture)


def measure(config: FlowConfig, rows: int, device: torch.device, *, compile_step: bool) -> tuple[float, float]:
    """Milliseconds of a training step and of its matrix products, each the fastest of 5 rounds.

    The default mixes by rotation: its products (forward, and the gradient of what is rotated) belong to the bound.
    """
    torch.compiler.reset()
    flow, z = Flow(config).to(device), torch.randn(rows, config.num_dims, device=device)
    flow.initialise(torch.randn(512, config.num_dims, device=device))
    model = FlatModel(flow)
    called = CompiledModel(model) if compile_step else model.eager()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        model.zero_grad()
        latent_nats(*called(z)).mean().backward()
        optimiser.step()

    rotation, mixed = torch.randn(config.num_dims, config.num_dims, device=device), torch.empty_like(z)

    def rotations() -> None:
        for _ in range(2 * config.num_blocks):
            torch.mm(z, rotation, out=mixed)

    for work in (step, rotations):
        work()
    times = max(2, int(0.2 / seconds_of(step, device, 2)))
    step_ms, rotation_ms = (1e3 * min(seconds_of(work, device, times) for _ in range(5)) for work in (step, rotations))
    conditioners = product_seconds(config.num_blocks, config.width, config.num_dims, rows, device, backward=True)
    return step_ms, 1e3 * conditioners + rotation_ms


def draw(found: dict[str, list[tuple[int, float, float]]], where: str, picture: Path) -> None:
    """One panel for each quantity, both axes logarithmic."""
    figure, panels = plt.subplots(1, len(AXES), figsize=(12, 4.4), sharey=True, layout="constrained")
    for panel, (name, (label, _)) in zip(panels, AXES.items(), strict=True):
        values, steps, bounds = zip(*found[name], strict=True)
        panel.loglog(values, steps, "o-", color=STEP, ms=4.5, lw=1.6, label="training step")
        panel.loglog(values, bounds, "s--", color=BOUND, ms=4, lw=1.4, label="its matrix products alone")
        panel.set_xticks(values, [str(value) for value in values])
        panel.minorticks_off()
        panel.set_xlabel(label)
        panel.grid(color="#e6e8ec", lw=0.8)
    panels[0].set_ylabel("milliseconds")
    panels[0].yaxis.set_major_formatter("{x:g}")
    panels[0].legend(frameon=False, loc="upper left")
    panels[1].set_title(f"N = 32, 12 blocks × width 64, 512 rows, one varied at a time ({where})", fontsize=10)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=130)


if __name__ == "__main__":
    main()
