"""Cost of a look at held-out rows beside the training steps between two looks, on one thread.

    python benchmarks/looks.py --concepts 40 --dims 128      # as many binary concepts as CelebA has

Latents are drawn, and each concept moves them along a direction of its own. The clock is the process's own CPU time.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from clocked import ClockedTask
from timing import machine, seconds_of

from pipeline.basis.layout import Layout
from pipeline.files import write_json
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.held_out import MOST_ROWS, HeldOutRows
from pipeline.params import FlowParams, TrainParams
from pipeline.tables.latents import load_latents
from pipeline.tables.parquet import latents_schema, write_table
from pipeline.training.loop import train

CPU, ROUNDS = torch.device("cpu"), 5


def main() -> None:
    """Make the latents, train between two looks, look, print figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concepts", type=int, default=40)
    parser.add_argument("--dims", type=int, default=128)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names, params = [f"concept {number}" for number in range(1, arguments.concepts + 1)], TrainParams()
    size = max(1, arguments.dims // (2 * len(names)))
    layout = Layout.of(names, (arguments.dims - size * len(names), *[size] * len(names)))
    with tempfile.TemporaryDirectory() as name:
        folder = make_latents(Path(name), names, arguments.dims)
        config = FlowTaskConfig(
            latents=str(folder),
            flow=FlowParams(),
            layout=layout,
            batch_size=params.batch_size,
            seed=0,
            input_noise=0.25,
        )
        task = FlowTask(config, CPU)
        made = seconds_of(lambda: HeldOutRows(load_latents(folder, "val"), task.closed_form, layout, 0, CPU), CPU, 1)
        clocked = ClockedTask(task)
        train(clocked, params.changed(steps=params.validate_every))
        trained = clocked.seconds
        held_out, looks = task._held_out, []
        for _ in range(ROUNDS):
            looks.append((seconds_of(lambda: held_out.figures(task.model), CPU, 1), seconds_of(task.look, CPU, 1)))
    rows, whole = (median(column) for column in zip(*looks, strict=True))
    print(f"{machine(CPU)}; {len(names)} concepts, {arguments.dims} dimensions, {MOST_ROWS} validation rows")
    print(
        f"{params.validate_every} steps {trained:.2f} s; figures of held-out rows {rows:.3f} s ({rows / trained:.1%}), "
        f"with the nats of held-out pairs {whole:.3f} s ({whole / trained:.1%}); made once in {made:.2f} s"
    )


def make_latents(folder: Path, names: list[str], num_dims: int) -> Path:
    """Latents of 4,000 training and as many validation rows as are looked at, each row an original."""
    axes = np.random.default_rng(0).standard_normal((len(names), num_dims))
    for split, num_rows in (("train", 4000), ("val", MOST_ROWS)):
        rng = np.random.default_rng(num_rows)
        labels = (rng.random((num_rows, len(names))) < np.linspace(0.05, 0.5, len(names))).astype(np.int64)
        mean = rng.standard_normal((num_rows, num_dims)) + labels @ axes / 2
        rows = np.arange(num_rows)
        columns: dict[str, Any] = {"id": rows, "original": rows, "split": [split] * num_rows}
        columns["mean"] = list(mean.astype(np.float32))
        columns |= {"scale": list(np.full_like(mean, 0.1, np.float32)), **dict(zip(names, labels.T, strict=True))}
        schema = latents_schema(num_dims, names, {})
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        metadata: dict[str, Any] = {"backbone_sha256": "0" * 64, "layer": "latent", "concepts": names}
        metadata |= {"reduce": "mean", "image_shape": [8, 8], "shard": 0, "shards": 1}
        write_table(folder / f"{split}-00000.parquet", table, metadata)
    write_json(folder / "card.json", {"noise": "encoder"})
    return folder


if __name__ == "__main__":
    main()
