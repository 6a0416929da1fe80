"""What a GPU does with a training, by the loop that people get: steps, packs, a sweep, draws, share of the products.

    python benchmarks/gpu.py steps          # each part ends within four minutes on one H100
    python benchmarks/gpu.py packs
    python benchmarks/gpu.py sweep
    python benchmarks/gpu.py draws
    python benchmarks/gpu.py share
    python benchmarks/gpu.py steps --small  # a tenth of the work, on a CPU too: whether the script runs

Latents are made up: 20,000 rows of Gaussian mixtures with two concepts. A training's own log says how fast it is: the
time between two of its entries, start-up, looks and the capture of the graph apart. The peers: benchmarks/speed.py.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from products import product_seconds
from timing import machine, now, seconds_of
from torch import Tensor, nn

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.files import write_json
from pipeline.flow_pack import FlowPack
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.params import FlowParams, Precision, TrainParams
from pipeline.tables.parquet import latents_schema, write_table
from pipeline.training.loop import Hooks, train, train_pack
from pipeline.training.task import Member

ROWS = 20_000


@dataclass(frozen=True)
class Shape:
    """A flow, and how many pairs a step has."""

    num_dims: int = 32
    num_blocks: int = 12
    width: int = 64
    pairs: int = 256
    precision: Precision = "highest"
    start: Literal["closed_form", "random"] = "closed_form"

    def __str__(self) -> str:
        """As a row of a table names it."""
        return f"{self.num_blocks} × {self.width}, N = {self.num_dims}, {self.pairs:,} pairs, {self.precision}"


STEPS = (
    Shape(),
    Shape(precision="tf32"),
    Shape(64, 12, 512, 2048),
    Shape(64, 12, 512, 2048, "bfloat16"),
    Shape(512, 12, 512, 1024),
)
WIDE = Shape(2048, 12, 512, 4096, "tf32", "random")  # whose closed form would take longer than what is measured


def main() -> None:
    """Measure one part, and print it as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--small", action="store_true", help="a tenth of the work")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    began = time.perf_counter()
    print(f"{machine(device)}, torch {torch.__version__}\n")
    with tempfile.TemporaryDirectory() as folder:
        for line in PARTS[arguments.part](Path(folder), device, arguments.small):
            print(line, flush=True)
    print(f"\nin all {time.perf_counter() - began:.0f} s")


def steps(folder: Path, device: torch.device, small: bool) -> Iterator[str]:
    """Steps a second of one flow, replayed as a graph and one kernel at a time."""
    yield "| flow | captured, steps a second | eager | held-out nats of the last step |"
    yield "| --- | ---: | ---: | ---: |"
    for shape in STEPS[: 2 if small else None]:
        try:
            rates = [rate(FlowTask(config(folder, shape), device), shape, small, captured=way) for way in (True, False)]
        except InputError as error:
            yield f"| {shape} | {error} | | |"
        else:
            yield f"| {shape} | {rates[0][0]:.0f} | {rates[1][0]:.0f} | {rates[0][1]:.2f}, eager {rates[1][1]:.2f} |"


def packs(folder: Path, device: torch.device, small: bool) -> Iterator[str]:
    """Flow-steps a second of packs of the default shape."""
    yield "| flows in a pack | precision | flow-steps a second |"
    yield "| ---: | --- | ---: |"
    for precision in ("highest", "tf32"):
        for num in (1, 2) if small else (1, 8, 32, 64, 128):
            try:
                found = packed(folder, Shape(precision=precision), num, device, 40 if small else 400)
            except InputError as error:
                yield f"| {num} | {precision} | {error} |"
            else:
                yield f"| {num} | {precision} | {found:.0f} |"


def sweep(folder: Path, device: torch.device, small: bool) -> Iterator[str]:
    """Seconds of 64 flows of 1,800 steps from the first step to the last, looks included."""
    num, length = (2, 40) if small else (64, 1800)
    ticks, members = pack_of(folder, Shape(), num, device, length, validate_every=length // 9)
    pack = FlowPack(members)
    train_pack(pack)
    yield f"{num} flows of {length} steps: {ticks[-1][1] - ticks[0][1]:.1f} s from the first look to the last"


def draws(folder: Path, device: torch.device, small: bool) -> Iterator[str]:
    """The share of a step of the default flow that its draws take."""
    task = FlowTask(config(folder, Shape()), device)
    number = torch.zeros((), dtype=torch.int64, device=device)

    def drawn() -> Tensor:
        z, _ = task.train_rows.pairs(number, 256, slice(None))
        return z + task.white_noise(number, slice(None)) @ task.colouring

    run: Callable[[], object] = drawn
    if device.type == "cuda":
        drawn()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            drawn()
        run = graph.replay
    alone = seconds_of(run, device, 20 if small else 1000)
    found, _ = rate(task, Shape(), small, captured=True)
    yield f"draws {1e3 * alone:.3f} ms of {1e3 / found:.3f} ms a step: {alone * found:.3f}"


def share(folder: Path, device: torch.device, small: bool) -> Iterator[str]:
    """How long the products of a wide step take alone, as a share of the step."""
    shape = replace(WIDE, num_dims=64, width=64, pairs=64, precision="highest") if small else WIDE
    torch.set_float32_matmul_precision("high" if shape.precision == "tf32" else "highest")
    rows = 2 * shape.pairs
    alone = product_seconds(shape.num_blocks, shape.width, shape.num_dims, rows, device, backward=True, mixing=True)
    found, _ = rate(FlowTask(config(folder, shape), device), shape, small, captured=True)
    yield f"{shape}: products alone {1e3 * alone:.2f} ms of {1e3 / found:.2f} ms a step: {alone * found:.2f}"


PARTS = {"steps": steps, "packs": packs, "sweep": sweep, "draws": draws, "share": share}


class Eager:
    """A flow's task that no graph may replay."""

    def __init__(self, task: FlowTask) -> None:
        self.model: nn.Module = task.model
        self.patience = task.patience
        self.initialise, self.loss, self.validate, self.look = task.initialise, task.loss, task.validate, task.look


def rate(task: FlowTask, shape: Shape, small: bool, *, captured: bool) -> tuple[float, float]:
    """Steps a second between the first and the last quarter of a training, and held-out nats after it."""
    length = 40 if small else 800
    ticks: list[tuple[int, float]] = []
    entries: list[dict[str, float]] = []

    def log(entry: dict[str, float]) -> None:
        entries.append(entry)
        if "train/learning_rate" in entry:
            ticks.append((int(entry["step"]), now(task.device)))

    optimisation = train_params(shape, length).changed(log_every=length // 4, validate_every=length)
    train(task if captured else Eager(task), optimisation, Hooks(log=log))
    (first, begin), (last, end) = ticks[0], ticks[-2]  # the last entry waits for the look
    nats = next(entry["val/pair_nats"] for entry in reversed(entries) if "val/pair_nats" in entry)
    return (last - first) / (end - begin), nats


def packed(folder: Path, shape: Shape, num: int, device: torch.device, length: int) -> float:
    """Flow-steps a second of a pack."""
    ticks, members = pack_of(folder, shape, num, device, length, validate_every=length)
    train_pack(FlowPack(members))
    train_ticks = [tick for tick in ticks if tick[2]]
    (first, begin, _), (last, end, _) = train_ticks[0], train_ticks[-2]
    return num * (last - first) / (end - begin)


def pack_of(
    folder: Path, shape: Shape, num: int, device: torch.device, length: int, *, validate_every: int
) -> tuple[list[tuple[int, float, bool]], list[Member]]:
    """Members of a pack, and when the last of them logged: step, seconds, and whether it was a training entry."""
    ticks: list[tuple[int, float, bool]] = []

    def log(entry: dict[str, float]) -> None:
        ticks.append((int(entry["step"]), now(device), "train/learning_rate" in entry))

    optimisation = train_params(shape, length).changed(log_every=length // 4, validate_every=validate_every)
    first = FlowTask(config(folder, shape), device)
    tasks = [first, *(FlowTask(first.config, device, first.data) for _ in range(num - 1))]
    silent: Callable[[dict[str, float]], None] = lambda _entry: None  # noqa: E731
    return ticks, [Member(task, optimisation, log if task is tasks[-1] else silent) for task in tasks]


def train_params(shape: Shape, length: int) -> TrainParams:
    """The default optimisation, of so many steps."""
    return TrainParams(steps=length, batch_size=shape.pairs, checkpoint_every=length, precision=shape.precision)


def config(folder: Path, shape: Shape) -> FlowTaskConfig:
    """A flow of `shape` on made-up latents, which are written once for each N."""
    latents = folder / str(shape.num_dims)
    if not latents.is_dir():
        write_latents(latents, shape.num_dims)
    layout = Layout(("residual", "kind", "shade"), (shape.num_dims - 13, 9, 4))
    flow = FlowParams(num_blocks=shape.num_blocks, width=shape.width, start=shape.start)
    return FlowTaskConfig(
        latents=str(latents),
        flow=flow,
        layout=layout,
        batch_size=shape.pairs,
        seed=0,
        input_noise=0.25,
        precision=shape.precision,
    )


def write_latents(folder: Path, num_dims: int) -> None:
    """Training and validation rows: ten kinds, sixteen shades, and noise."""
    rng = np.random.default_rng(0)
    kinds, shades = 3 * rng.standard_normal((10, num_dims)), 3 * rng.standard_normal((16, num_dims))
    folder.mkdir(parents=True)
    for split, num in (("train", ROWS), ("val", 1000)):
        labels = {"kind": rng.integers(10, size=num), "shade": rng.integers(16, size=num)}
        z = kinds[labels["kind"]] + shades[labels["shade"]] + rng.standard_normal((num, num_dims))
        columns = {
            "id": np.arange(num),
            "original": np.arange(num),
            "split": [split] * num,
            "mean": list(z.astype(np.float32)),
            "scale": list(np.full_like(z, 0.1, dtype=np.float32)),
            **labels,
        }
        schema = latents_schema(num_dims, list(labels), {})
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        metadata: dict[str, Any] = {"backbone_sha256": "0" * 64, "layer": "latent", "concepts": list(labels)}
        metadata |= {"reduce": "mean", "image_shape": [8, 8], "shard": 0, "shards": 1}
        write_table(folder / f"{split}-00000.parquet", table, metadata)
    write_json(folder / "card.json", {"noise": "encoder"})


if __name__ == "__main__":
    main()
