"""Rows a second and memory of the extraction, beside a bare loop in one process that does the same work.

    python benchmarks/extraction.py --rows 20000            # both sides, alternately
    python benchmarks/extraction.py --rows 100000 --memory  # the extraction alone, once, for its memory

Both read, decode, encode and write the same images by the same untrained default backbone, on the same cores; the loop
has all of them for its one process, and neither an engine nor a check of what it reads and writes. Left out is the
start of Ray and of its actors: the clock of the extraction runs from the moment at which its first actor has loaded the
backbone, though the second is still loading it then.
"""

import argparse
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from timing import machine

from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.kinds import load_backbone
from pipeline.cluster import start_ray
from pipeline.extract.encoder import Encoder, LatentsSetup
from pipeline.extract.extraction import extract
from pipeline.machine import Resources
from pipeline.params import BackboneParams, LatentsParams, MachineParams
from pipeline.prepare.sources.colormnist import ColorMnist
from pipeline.tables.images import decode, to_unit_range
from pipeline.tables.parquet import SPLITS, images_schema, latents_schema, write_table

BATCH, MACHINE, READY = LatentsParams().batch_size, MachineParams(), "IIN_BENCHMARK_READY"
METADATA = {
    "source": "colormnist",
    "categories": {"digit": 10, "colour": 256},
    "values": {"colour": 3},
    "concepts": ["digit", "colour"],
}


def main() -> None:
    """Make the images, run both sides, print figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="the extraction alone, once")
    arguments = parser.parse_args()
    print(f"{machine(torch.device('cpu'))}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_images(folder / "images", arguments.rows)
        params = BackboneParams()
        network = Autoencoder(params.num_dims, params.width, seed=0)
        save_backbone(folder / "backbone", AutoencoderBackbone.made(network))
        os.environ[READY] = str(folder / "ready")
        with patch("pipeline.extract.extraction.Encoder", TimedEncoder), start_ray(MACHINE) as worker:
            if arguments.memory:
                measure_memory(folder, arguments.rows, worker)
            else:
                compare(folder, arguments.rows, arguments.rounds, worker)


def compare(folder: Path, rows: int, rounds: int, worker: Resources) -> None:
    """Time both sides in turn, and print every round."""
    rates: dict[str, list[float]] = {"extraction": [], "bare loop": []}
    for number in range(1, rounds + 1):
        start, seconds = extracted(folder, worker)
        rates["extraction"].append(rows / seconds)
        rates["bare loop"].append(rows / bare_loop(folder))
        print(f"round {number}: extraction {rates['extraction'][-1]:.0f} rows/s after a start of {start:.1f} s, "
              f"bare loop {rates['bare loop'][-1]:.0f} rows/s", flush=True)  # fmt: skip
    best = {side: max(values) for side, values in rates.items()}
    print(f"best of {rounds}: {best['extraction']:.0f} / {best['bare loop']:.0f} = "
          f"{best['extraction'] / best['bare loop']:.2f} of the bare loop")  # fmt: skip


def measure_memory(folder: Path, rows: int, worker: Resources) -> None:
    """Run the extraction once, watched; watching takes time of the same cores, so that nothing is timed here."""
    with peak_memory() as peak:
        extracted(folder, worker)
    print(f"{rows} rows: peak memory of all processes {peak[0] / 2**20:.0f} MiB")


class TimedEncoder(Encoder):
    """The extraction's actor, which also says when it is ready."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        Path(f"{os.environ[READY]}-{os.getpid()}").write_text(str(time.time()))


def extracted(folder: Path, worker: Resources) -> tuple[float, float]:
    """Seconds of an extraction until its first actor is ready, and from there."""
    start = time.time()
    setup = LatentsSetup(folder / "images", folder / "backbone", "latent", LatentsParams())
    extract(setup, folder / "latents", folder / "runs", MACHINE, worker)
    end, files = time.time(), list(folder.glob("ready-*"))
    ready = min(float(file.read_text()) for file in files)
    for file in files:
        file.unlink()
    return ready - start, end - ready


def bare_loop(folder: Path) -> float:
    """Seconds of the same work in this process."""
    shutil.rmtree(folder / "bare", ignore_errors=True)
    (folder / "bare").mkdir()
    start = time.perf_counter()
    encoder = load_backbone(folder / "backbone").cut("latent")
    for split in SPLITS:
        path = folder / "images" / f"{split}.parquet"
        with pq.ParquetFile(path) as file:
            for group in range(file.metadata.num_row_groups):
                table = file.read_row_group(group)
                pixels = decode(table["image"], path)
                parts = [encoder.encode(to_unit_range(pixels[i : i + BATCH])) for i in range(0, len(pixels), BATCH)]
                for name, tensors in zip(("mean", "scale"), zip(*parts, strict=True), strict=True):
                    values = torch.cat(tensors).numpy()
                    column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
                    table = table.append_column(name, column)
                schema = latents_schema(BackboneParams().num_dims, ["digit", "colour"], {"colour": 3})
                shard = table.select(schema.names).replace_schema_metadata(None).cast(schema)
                pq.write_table(shard, folder / "bare" / f"{split}-{group:05d}.parquet", compression="zstd")
    return time.perf_counter() - start


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Peak of the proportional memory, in bytes, of this process and all below it, looked at ten times a second."""
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            total = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue  # it ended while it was looked at
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def make_images(folder: Path, rows: int) -> None:
    """`rows` coloured digits as an images table, a third of the first 30 a split and all others for training."""
    source, rng = ColorMnist(256, seed=0), np.random.default_rng(0)
    schema, first = images_schema(["digit", "colour"], {"colour": 3}), 0
    for split, num in (("val", 10), ("test", 10), ("train", rows - 20)):
        originals = rng.integers(len(source.digits), size=num)
        rendered = source.render(originals, 0, None)
        columns = {
            "id": np.arange(first, first + num),
            "original": originals,
            "split": [split] * num,
            "image": pa.array(
                [{"bytes": _png(image), "path": None} for image in rendered.pixels], schema.field("image").type
            ),
            **rendered.labels,
            "colour_value": list(rendered.values["colour"]),
        }
        write_table(folder / f"{split}.parquet", pa.table(columns, schema=schema), METADATA)
        first += num


def _png(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
