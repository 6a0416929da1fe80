"""The latents table as arrays; on disk it is one shard after another, `<split>-00000.parquet` and so on, and a card."""

import hashlib
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.files import read_json, sha256_file
from pipeline.tables.parquet import category_columns, read_schema, read_table, value_columns, vector_column

__all__ = ["LATENTS_CARD", "Latents", "latents_sha256", "load_latents", "shard_name", "shards_of"]

LATENTS_CARD = "card.json"  # beside the shards: what noise there is


@dataclass(frozen=True)
class Latents:
    """Rows of one split, sorted by id.

    Attributes:
        id: [n].
        original: [n]; copies of one image share it.
        mean: [n, N], the latent.
        scale: [n, N], standard deviation of its noise.
        labels: concept → category [n], −1 where it is missing, in the order of the factors.
        values: continuous concept → value [n, D], NaN where it is missing.
        backbone_sha256: of the weights that gave these latents.
        layer: where the backbone was split.
        reduce: what of a map or of tokens is the latent: each channel's `mean`, `none`, all, `token 0`, or `pca 32`.
        kept: which numbers of the layer these are [N], ascending; the others are constant and carried along.
        image_shape: height and width of the images.
        graded: concept → length, of those whose pairs are graded by the distance of their values.
        channels: which axis of the layer they are, `first` or `last`; None where it makes no difference.
        axes_sha256: of the file of the principal directions that they lie along; None: along the layer's own.
        image_range: the values of grey images of more than 8 bits that became black and white, where there are any.
    """

    id: NDArray[np.int64]
    original: NDArray[np.int64]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    labels: dict[str, NDArray[np.int64]]
    values: dict[str, NDArray[np.float32]]
    backbone_sha256: str
    layer: str
    reduce: str
    kept: NDArray[np.int64]
    image_shape: tuple[int, int]
    graded: dict[str, float] = field(default_factory=dict)
    channels: Literal["first", "last"] | None = None
    axes_sha256: str | None = None
    image_range: tuple[float, float] | None = None

    def __len__(self) -> int:
        return len(self.id)

    @property
    def num_dims(self) -> int:
        """N."""
        return int(self.mean.shape[1])

    @property
    def cut(self) -> dict[str, Any]:
        """What of the layer these are, as the card of a map that is trained on them says it."""
        image_range = None if self.image_range is None else list(self.image_range)
        also = {"channels": self.channels, "axes_sha256": self.axes_sha256, "image_range": image_range}
        return {
            "reduce": self.reduce,
            "kept": self.kept.tolist(),
            "image_shape": list(self.image_shape),
            **{key: value for key, value in also.items() if value is not None},
        }

    def targets(self) -> dict[str, NDArray[np.int64] | NDArray[np.float32]]:
        """What a concept is scored by: its value [n, D] where it is continuous, else its category [n]."""
        return {name: self.values.get(name, labels) for name, labels in self.labels.items()}

    def complete(self) -> NDArray[np.int64]:
        """Numbers of the rows that have a value in every concept, ascending."""
        labels = np.array(list(self.labels.values())).reshape(len(self.labels), len(self))
        return np.flatnonzero((labels >= 0).all(axis=0))

    def draw(self, rng: np.random.Generator, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Draws z = mean + scale · ε [m, N] of rows of these numbers [m], ε from N(0, 1); None: of all, in order."""
        mean, scale = (self.mean, self.scale) if rows is None else (self.mean[rows], self.scale[rows])
        return mean + scale * rng.standard_normal(mean.shape, dtype=np.float32)


def load_latents(folder: Path, split: str, backbone_sha256: str | None = None) -> Latents:
    """Read the shards of a split.

    Args:
        folder: `data/latents/<layer>`.
        split: train, val or test.
        backbone_sha256: the backbone on disk; latents of another are refused.

    Raises:
        InputError: if a shard is missing, no latents table, was changed, or stems from another backbone.
    """
    paths = shards_of(folder, split)
    card = read_json(folder / LATENTS_CARD)
    shards = [_read_shard(path, card["noise"] == "encoder", backbone_sha256) for path in paths]
    metadata = shards[0][1]
    for path, (_, other) in zip(paths, shards, strict=True):
        _require_backbone(path, other["backbone_sha256"], metadata["backbone_sha256"])  # all shards are of one
    table = pa.concat_tables([rows for rows, _ in shards])
    whole = paths[0] if len(paths) == 1 else folder / f"{split}-*.parquet"  # what an error of all rows names
    mean = vector_column(table, "mean")
    kept = np.setdiff1d(np.arange(mean.shape[1]), np.array(card.get("constant", ()), np.int64))
    if not len(kept):
        raise InputError(f"{folder}: all {mean.shape[1]} numbers of layer '{metadata['layer']}' are constant")
    if card["noise"] == "encoder":
        scale = vector_column(table, "scale")
    elif card["noise"] == "none":
        scale = np.zeros_like(mean)
    else:
        mean = mean[:, kept]
        scale = np.broadcast_to((card["jitter"] * np.array(card["std"])[kept]).astype(np.float32), mean.shape).copy()
    return Latents(
        id=table["id"].to_numpy(),
        original=table["original"].to_numpy(),
        mean=mean,
        scale=scale,
        labels=category_columns(table, metadata["concepts"], whole),
        values=value_columns(table, metadata["concepts"]),
        backbone_sha256=metadata["backbone_sha256"],
        layer=metadata["layer"],
        reduce=metadata["reduce"],
        kept=kept,
        image_shape=(metadata["image_shape"][0], metadata["image_shape"][1]),
        graded=metadata.get("graded", {}),
        channels=metadata.get("channels"),
        axes_sha256=card.get("axes_sha256"),
        image_range=tuple(metadata["image_range"]) if "image_range" in metadata else None,
    )


def _read_shard(path: Path, noisy: bool, backbone_sha256: str | None) -> tuple[pa.Table, dict[str, Any]]:
    """Rows and metadata of a shard that has the columns it needs and stems from the backbone on disk."""
    table, metadata = read_table(path)
    for name in ("mean", "scale") if noisy else ("mean",):
        if name not in table.column_names:
            raise InputError(f"{path}: no column '{name}'; its columns are {', '.join(table.column_names)}")
    if backbone_sha256 is not None:
        _require_backbone(path, metadata["backbone_sha256"], backbone_sha256)
    return table.replace_schema_metadata(None), metadata


def _require_backbone(path: Path, sha256: str, expected: str) -> None:
    if sha256 != expected:
        raise InputError(f"{path}: latents of backbone {sha256[:12]}, but the one on disk is {expected[:12]}")


def latents_sha256(folder: Path, split: str) -> str:
    """SHA-256 over those of a split's shards and of their card: names the rows that a flow has learned from."""
    paths = [folder / LATENTS_CARD, *shards_of(folder, split)]
    return hashlib.sha256("".join(sha256_file(path) for path in paths).encode()).hexdigest()


def shards_of(folder: Path, split: str) -> list[Path]:
    """Files of a split, in the order of their rows.

    Raises:
        InputError: if there is none, or the last ones are missing.
    """
    paths = sorted(folder.glob(f"{split}-*.parquet"))
    if not paths:
        raise InputError(f"{folder / shard_name(split, 0)}: not there; run `dvc repro`")
    expected = [folder / shard_name(split, number) for number in range(read_schema(paths[0])[1]["shards"])]
    for found, wanted in zip_longest(paths, expected):
        if found != wanted:
            raise InputError(f"{wanted or found}: {'not there' if wanted else 'one shard too many'}; run `dvc repro`")
    return paths


def shard_name(split: str, number: int) -> str:
    """File name of a shard, counted from 0."""
    return f"{split}-{number:05d}.parquet"
