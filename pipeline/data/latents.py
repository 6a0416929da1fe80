"""The latents table as arrays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data.columns import category_columns, value_columns, vector_column
from pipeline.errors import InputError
from pipeline.tables import read_table

__all__ = ["Latents", "load_latents"]


@dataclass(frozen=True)
class Latents:
    """Rows of one split, sorted by id.

    Attributes:
        id: [n].
        original: [n]; copies of one image share it.
        mean: [n, N], the latent.
        scale: [n, N], standard deviation of its noise.
        labels: concept → category [n], in the order of the factors.
        values: continuous concept → value [n, D].
        backbone_sha256: of the weights that gave these latents.
        layer: where the backbone was split.
    """

    id: NDArray[np.int64]
    original: NDArray[np.int64]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    labels: dict[str, NDArray[np.int64]]
    values: dict[str, NDArray[np.float32]]
    backbone_sha256: str
    layer: str

    def __len__(self) -> int:
        return len(self.id)

    @property
    def num_dims(self) -> int:
        """N."""
        return int(self.mean.shape[1])

    def targets(self) -> dict[str, NDArray[np.int64] | NDArray[np.float32]]:
        """What a concept is scored by: its value [n, D] where it is continuous, else its category [n]."""
        return {name: self.values.get(name, labels) for name, labels in self.labels.items()}


def load_latents(folder: Path, split: str, backbone_sha256: str | None = None) -> Latents:
    """Read `folder`/`split`.parquet.

    Args:
        folder: `data/latents/<layer>`.
        split: train, val or test.
        backbone_sha256: the backbone on disk; latents of another are refused.

    Raises:
        InputError: if the file is no latents table, was changed, or stems from another backbone.
    """
    path = folder / f"{split}.parquet"
    table, metadata = read_table(path)
    for name in ("mean", "scale"):
        if name not in table.column_names:
            raise InputError(f"{path}: no column '{name}'; its columns are {', '.join(table.column_names)}")
    found = metadata["backbone_sha256"]
    if backbone_sha256 is not None and found != backbone_sha256:
        raise InputError(f"{path}: latents of backbone {found[:12]}, but the one on disk is {backbone_sha256[:12]}")
    return Latents(
        id=table["id"].to_numpy(),
        original=table["original"].to_numpy(),
        mean=vector_column(table, "mean"),
        scale=vector_column(table, "scale"),
        labels=category_columns(table, metadata["concepts"], path),
        values=value_columns(table, metadata["concepts"]),
        backbone_sha256=found,
        layer=metadata["layer"],
    )
