"""Peak memory and time of stage train against the number of latents: the driver, Ray and all workers together.

    python benchmarks/memory.py --rows 2000000 --workers 2             # beside the same training on 1,000 rows
    python benchmarks/memory.py --rows 2000000 --workers 2 --budget 1  # latents may fill 1 GB: read row by row
    python benchmarks/memory.py --rows 400000 --parts                  # seconds of what comes before the steps

The table is made by the product's own writer, of a layer with jitter, and is trained on by what stage train calls, but
for MLflow. Memory is the sum over the driver and all processes below it of their proportional set sizes, so that pages
that several of them map count once; sampled four times a second.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil
import pyarrow as pa
import torch
from timing import machine

from pipeline.basis.layout import Layout
from pipeline.files import write_json
from pipeline.flow_seeds import flow_card, save_flows, start_flows
from pipeline.flow_task import FlowTaskConfig, Rows, flow_setup
from pipeline.node_copy import node_latents
from pipeline.pairing.moments import latent_moments
from pipeline.pairing.sampler import pair_sampler
from pipeline.params import Params
from pipeline.tables.parquet import ROW_GROUP, latents_schema, write_table

FEW, GB = 1000, 1e9
CONCEPTS = ("digit", "colour")
Found = TypeVar("Found")
METADATA: dict[str, Any] = {
    "backbone_sha256": "0" * 64,
    "layer": "layer3",
    "concepts": CONCEPTS,
    "reduce": "mean",
    "image_shape": [8, 8],
}


def main() -> None:
    """Make both tables, train on both, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--dims", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--budget", type=float, help="machine.memory_budget, in GB")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        train(arguments.drive, params_of(arguments), arguments.dims)
        return
    if arguments.parts:
        print(machine(torch.device("cpu")))
        time_parts(arguments.rows, arguments.dims, params_of(arguments))
        return
    print(f"{machine(torch.device('cpu'))}, {arguments.workers} workers, {arguments.steps} steps")
    print("| latents | table, GB | peak, GB | seconds |\n| --- | ---: | ---: | ---: |")
    peaks = []
    for rows in (FEW, arguments.rows):
        with tempfile.TemporaryDirectory() as name:
            write_latents(Path(name) / "latents", rows, arguments.dims)
            start = time.perf_counter()
            peaks.append(peak_of([sys.executable, *sys.argv, "--drive", name]))
            seconds = time.perf_counter() - start
        size = rows * arguments.dims * 4
        print(f"| {rows} × {arguments.dims} | {size / GB:.2f} | {peaks[-1] / GB:.2f} | {seconds:.0f} |", flush=True)
    print(f"above the few rows: {(peaks[1] - peaks[0]) / size:.2f} of the table's bytes")


def params_of(arguments: argparse.Namespace) -> Params:
    """Params of the training: the default study's, of fewer steps."""
    machine_section = {"workers": arguments.workers, "memory_budget": arguments.budget}
    every = max(1, arguments.steps // 2)
    train_section = {"steps": arguments.steps, "validate_every": every, "checkpoint_every": every}
    return Params.model_validate({"machine": machine_section, "train": train_section})


def train(folder: Path, params: Params, dims: int) -> None:
    """What stage train does."""
    setup, origin, latents = flow_setup(params, folder / "latents", layout_of(dims))
    run_folder = folder / "runs" / "train-0123456789abcdef"
    card = flow_card(setup, params.train, origin, run_folder)
    with start_flows(setup, params.train, params.machine, run_folder) as finish:
        save_flows(folder / "iin", finish(), card, run_folder, latents)


def time_parts(rows: int, dims: int, params: Params) -> None:
    """Print seconds of CPU time of what comes before the first step, and of drawing the latents of a step."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "latents"
        write_latents(folder, rows, dims)
        torch.set_num_threads(1)
        print("| part | CPU, s |\n| --- | ---: |")

        def timed(what: str, work: Callable[[], Found], times: int = 1) -> Found:
            start = time.process_time()
            for _ in range(times):
                found = work()
            print(f"| {what} | {(time.process_time() - start) / times:.3g} |", flush=True)
            return found

        own = params.machine.changed(cache=f"{name}/cache")
        mapped = timed("the node's copy, made", lambda: node_latents(folder, own))[0]
        read = timed("opened, as it is there", lambda: node_latents(folder, own.changed(memory_budget=1e-3)))[0]
        timed("moments, of mapped rows", lambda: latent_moments(mapped))
        timed("moments, of rows that are read", lambda: latent_moments(read))
        timed("tables of pairs", lambda: pair_sampler(mapped, 0, "train/pairs").draw(0, 1))
        config = FlowTaskConfig.of(params, folder, layout_of(dims))
        for words, latents in (("mapped", mapped), ("read", read)):
            drawn = Rows(config, latents, "train", torch.device("cpu"))
            drawn.pairs(0, config.batch_size, slice(None))
            timed(f"latents of a step, {words}", partial(drawn.pairs, 1, config.batch_size, slice(None)), 200)


def layout_of(dims: int) -> Layout:
    """Two factors of a quarter each, and the residual."""
    return Layout.of(CONCEPTS, (dims - 2 * (dims // 4), dims // 4, dims // 4))


def peak_of(command: list[str]) -> int:
    """Largest sum of proportional set sizes, in bytes, of a command and all processes below it."""
    peak = 0
    with subprocess.Popen(command) as driver:
        while driver.poll() is None:
            peak = max(peak, sum(pss(process) for process in family(driver.pid)))
            time.sleep(0.25)
    if driver.returncode:
        raise SystemExit(f"the training ended in {driver.returncode}")
    return peak


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    try:
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def pss(process: psutil.Process) -> int:
    """Bytes, its share of what it shares; 0 where it ended while it was looked at."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def write_latents(folder: Path, rows: int, dims: int) -> None:
    """A table of `rows` training rows, four of each original, and few of the other splits, as extract writes it."""
    rng = np.random.default_rng(0)
    kinds = {name: rng.standard_normal((10, dims), dtype=np.float32) for name in CONCEPTS}
    schema = latents_schema(dims, CONCEPTS, {}, noisy=False)
    for split, num in (("train", rows), ("val", FEW), ("test", FEW)):
        starts = range(0, num, ROW_GROUP)
        for shard, start in enumerate(starts):
            ids = np.arange(start, min(start + ROW_GROUP, num))
            labels = {"digit": ids // 4 % 10, "colour": rng.integers(10, size=len(ids))}
            mean = rng.standard_normal((len(ids), dims), dtype=np.float32)
            mean += sum(2 * kinds[name][labels[name]] for name in CONCEPTS)
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(mean.ravel()), dims)
            columns: dict[str, Any] = {
                "id": ids,
                "original": ids // 4,
                "split": [split] * len(ids),
                "mean": vectors,
                **labels,
            }
            metadata: dict[str, Any] = {
                "backbone_sha256": "0" * 64,
                "layer": "layer3",
                "concepts": CONCEPTS,
                "reduce": "mean",
            }
            metadata |= {"image_shape": [8, 8], "shard": shard, "shards": len(starts)}
            columns |= labels
            table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
            write_table(folder / f"{split}-{shard:05d}.parquet", table, metadata)
    write_json(folder / "card.json", {"noise": "jitter", "jitter": 0.05, "std": [1.0] * dims})


if __name__ == "__main__":
    main()
