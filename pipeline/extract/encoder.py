"""What an actor of the extraction does: read a row group of images, encode it, write its shard."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from pipeline.backbone.kinds import load_backbone
from pipeline.backbone.reduction import Reduction
from pipeline.errors import InputError
from pipeline.machine import Resources
from pipeline.params import LatentsParams
from pipeline.tables.images import decode
from pipeline.tables.parquet import latents_schema, read_group, read_schema, write_table
from pipeline.workers.actors import ShardWork

__all__ = ["Encoder", "LatentsSetup", "Work"]

_SHOWN = 5  # ids in an error
# of the images' metadata
PASSED_ON = (
    "source",
    "categories",
    "class_names",
    "values",
    "graded",
    "concepts",
    "image_range",
    "leave_out",
    "sketches",
)


@dataclass(frozen=True)
class LatentsSetup:
    """What the latents of a layer are made from.

    Attributes:
        images: folder of the images table.
        backbone: folder of the frozen network.
        layer: where it is cut.
        params: section `latents`.
    """

    images: Path
    backbone: Path
    layer: str
    params: LatentsParams


class Work(ShardWork):
    """A row group to encode.

    Attributes:
        split: train, val or test.
        path: of the images file, absolute.
        group: number of the row group.
        groups: how many the file has.
    """

    split: str
    path: str
    group: int
    groups: int


class Encoder:
    """The frozen backbone on its device, and one row group after another.

    Args:
        setup: the network, by an absolute path as an actor runs elsewhere, and its layer.
        reduction: what of the layer is a latent.
        worker: what this actor has of the machine.
    """

    def __init__(self, setup: LatentsSetup, reduction: Reduction, worker: Resources) -> None:
        torch.set_num_threads(worker.cpus)
        self._backbone = load_backbone(setup.backbone, worker.device)
        self._cut = self._backbone.cut(setup.layer, reduction)
        self._setup, self._reduction = setup, reduction

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Encode the row group of the one item of a batch, in column `work`.

        Returns:
            One row: `rows`, and under `error` a line where no shard was written: the images were changed or can't be
            decoded, or a latent is not finite.
        """
        item: Work = batch["work"][0].as_py()
        try:
            self._write_shard(item)
        except InputError as error:  # Ray would wrap it in a traceback
            return pa.table({"rows": [0], "error": [str(error)]})
        return pa.table({"rows": [item["rows"]], "error": pa.array([None], pa.string())})

    def _write_shard(self, item: Work) -> None:
        path = Path(item["path"])
        table = read_group(path, item["group"])
        pixels = decode(table["image"], path)
        mean, scale = self._encode(pixels, table["original"].to_numpy())
        self._backbone.require_untouched()
        finite = np.isfinite(mean).all(axis=1)
        broken = ~(finite if scale is None else finite & np.isfinite(scale).all(axis=1))
        if broken.any():
            ids = ", ".join(str(row) for row in table["id"].to_numpy()[broken][:_SHOWN])
            raise InputError(
                f"layer {self._setup.layer}: numbers that are not finite in the latents of {broken.sum()} images of "
                f"row group {item['group']} of {path.name}, ids {ids}{' …' if broken.sum() > _SHOWN else ''}"
            )
        self._write(item, table, mean, scale, pixels.shape[1:3])

    def _encode(
        self, pixels: NDArray[np.uint8], originals: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Mean and scale [n, M] of rows of the images table, in batches of the same rows each time."""
        size = self._setup.params.batch_size
        batches = [slice(start, start + size) for start in range(0, len(pixels), size)]
        encoded = [self._cut.stored_latents(pixels[batch], originals[batch]) for batch in batches]
        mean = torch.cat([part for part, _ in encoded]).cpu().numpy()
        scales = [part for _, part in encoded if part is not None]
        return mean, torch.cat(scales).cpu().numpy() if scales else None

    def _write(
        self,
        item: Work,
        table: pa.Table,
        mean: NDArray[np.float32],
        scale: NDArray[np.float32] | None,
        image_shape: tuple[int, ...],
    ) -> None:
        _, source = read_schema(Path(item["path"]))
        schema = latents_schema(mean.shape[1], list(source["categories"]), source["values"], noisy=scale is not None)
        table = table.append_column("mean", _vectors(mean))
        if scale is not None:
            table = table.append_column("scale", _vectors(scale))
        metadata: dict[str, Any] = {
            "backbone_sha256": self._backbone.sha256,
            "layer": self._setup.layer,
            **self._reduction.to_card(),
            "shape": [mean.shape[1]],
            "image_shape": list(image_shape),
            "noise": self._cut.noise,
            "shard": item["group"],
            "shards": item["groups"],
            **{key: source[key] for key in PASSED_ON if key in source},
        }
        write_table(Path(item["shard"]), table.select(schema.names).cast(schema), metadata)


def _vectors(values: NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
