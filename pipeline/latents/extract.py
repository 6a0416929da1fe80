"""Images to latents through Ray Data: actors hold the backbone, the driver writes one Parquet file a split.

The unit of work is a row group of the images table, encoded in fixed batches, so that the latents are the same bits for
any number of actors.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import torch

from pipeline.backbones import load_backbone
from pipeline.cluster import Resources, without_line
from pipeline.config import MachineParams
from pipeline.data import to_unit_range
from pipeline.data.images import decode
from pipeline.files import atomic_folder
from pipeline.progress import Progress
from pipeline.tables import SPLITS, latents_schema, read_schema, read_table, write_table

__all__ = ["extract"]


def extract(
    images: Path,
    backbone: Path,
    folder: Path,
    *,
    layer: str,
    batch_size: int,
    machine: MachineParams,
    worker: Resources,
) -> dict[str, int]:
    """Write `folder`/{train,val,test}.parquet: mean and scale of the latent of each image, and its concepts.

    Args:
        images: folder of the images table.
        backbone: folder of the frozen network.
        folder: `data/latents/<layer>`, replaced as a whole.
        layer: where the backbone is split.
        batch_size: images encoded at once.
        machine: how many actors at least; on CPUs there are as many as fit.
        worker: what an actor gets of the cluster; Ray must be started.

    Returns:
        Number of rows of each split.

    Raises:
        InputError: the images table or the backbone is missing or damaged, or the table's rows were changed.
    """
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    logging.getLogger("ray").setLevel(logging.ERROR)
    # the actors read row groups, of which nothing says whether they are the ones that were written; the whole does
    num_rows = {split: read_table(images / f"{split}.parquet")[1]["rows"] for split in SPLITS}
    sha256 = load_backbone(backbone).sha256  # a damaged backbone is one line here, and a crash of Ray's in an actor
    work = [
        {"split": split, "path": str((images / f"{split}.parquet").resolve()), "group": group}
        for split in SPLITS
        for group in range(_num_row_groups(images / f"{split}.parquet"))
    ]
    available = ray.cluster_resources()
    fit = int(available["GPU" if worker.gpus else "CPU"]) // max(worker.gpus or worker.cpus, 1)
    latents = ray.data.from_items(work, override_num_blocks=len(work)).map_batches(
        _Encode,
        fn_constructor_kwargs={"backbone": str(backbone.resolve()), "worker": worker, "batch_size": batch_size},
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=worker.cpus,
        num_gpus=worker.gpus,
        compute=ray.data.ActorPoolStrategy(size=min(max(fit, machine.workers), len(work))),
    )
    progress = Progress(f"extract {layer}", sum(num_rows.values()), unit="image")
    parts: dict[str, list[pa.Table]] = {split: [] for split in SPLITS}
    done = 0
    with without_line("has constructor arguments in the object store"):  # Ray's own, held as long as the actors live
        for part in latents.iter_batches(batch_size=None, batch_format="pyarrow"):
            for split in SPLITS:
                rows = part.filter(pa.compute.field("split") == split)
                if rows.num_rows:
                    parts[split].append(rows)
            done += part.num_rows
            progress.update(done)
    _write(parts, images, sha256, folder, layer)
    return num_rows


def _write(parts: dict[str, list[pa.Table]], images: Path, sha256: str, folder: Path, layer: str) -> None:
    with atomic_folder(folder) as beside:
        for split in SPLITS:
            _, source = read_schema(images / f"{split}.parquet")
            table = pa.concat_tables(parts[split])
            num_dims = table.schema.field("mean").type.list_size
            schema = latents_schema(num_dims, list(source["categories"]), source["values"])
            metadata = {
                "backbone_sha256": sha256,
                "layer": layer,
                "shape": [num_dims],
                "noise": "encoder",
                **{key: source[key] for key in ("source", "categories", "values", "concepts")},
            }
            write_table(beside / f"{split}.parquet", table.select(schema.names).cast(schema), metadata)


class _Encode:
    """An actor: the frozen backbone on its device, and one row group after another."""

    def __init__(self, backbone: str, worker: Resources, batch_size: int) -> None:
        torch.set_num_threads(worker.cpus)
        self._backbone = load_backbone(Path(backbone), worker.device)
        self._batch_size = batch_size

    def __call__(self, work: pa.Table) -> pa.Table:
        item: dict[str, Any] = work.to_pylist()[0]
        path = Path(item["path"])
        with pq.ParquetFile(path) as file:
            table = file.read_row_group(item["group"])
        pixels = decode(table["image"], path)
        batches = range(0, len(pixels), self._batch_size)
        encoded = [self._backbone.encode(to_unit_range(pixels[i : i + self._batch_size])) for i in batches]
        for name, tensors in zip(("mean", "scale"), zip(*encoded, strict=True), strict=True):
            column = _vectors(torch.cat(tensors).cpu().numpy())
            table = table.append_column(name, column)
        return table.drop_columns(["image"]).replace_schema_metadata(None)


def _vectors(values: np.ndarray[Any, np.dtype[np.float32]]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _num_row_groups(path: Path) -> int:
    with pq.ParquetFile(path) as file:
        return int(file.metadata.num_row_groups)
