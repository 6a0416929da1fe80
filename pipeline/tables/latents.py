"""The latents table as arrays; on disk it is one shard after another, `<split>-00000.parquet` and so on, and a card."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.files import read_json, sha256_file
from pipeline.tables.parquet import (
    category_columns,
    concept_column,
    read_groups,
    read_schema,
    value_column,
    value_columns,
    vector_column,
)
from pipeline.tables.stored import StoredRows

__all__ = [
    "LATENTS_CARD",
    "Columns",
    "Latents",
    "Shards",
    "Vectors",
    "latents_sha256",
    "load_latents",
    "shard_name",
    "shards_of",
]

LATENTS_CARD = "card.json"  # beside the shards: what noise there is
BLOCK = 2**22  # numbers of the rows that statistics take at once, 32 MiB in float64

Vectors = NDArray[np.float32] | StoredRows


@dataclass(frozen=True)
class Columns:
    """What rows have beside their vectors, as `Latents` has it."""

    id: NDArray[np.int64]
    original: NDArray[np.int64]
    labels: dict[str, NDArray[np.int64]]
    values: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Latents:
    """Rows of one split, sorted by id.

    Attributes:
        id: [n].
        original: [n]; copies of one image share it.
        mean: [n, N], the latent.
        scale: standard deviation of its noise [n, N], or [1, N] where all rows have the same.
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
        class_names: concept → names of its categories, of those that have names.
        leave_out: combinations of categories, concept → number, that are in the test split alone.
        sketches: concepts that two sketches give: rows are images as they were and, after each, it in every style.
        held: what keeps a node's copy of the rows on disk, where they are read from one.
    """

    id: NDArray[np.int64]
    original: NDArray[np.int64]
    mean: Vectors
    scale: Vectors
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
    class_names: dict[str, list[str]] = field(default_factory=dict)
    leave_out: tuple[dict[str, int], ...] = ()
    sketches: tuple[str, ...] = ()
    held: object | None = field(default=None, repr=False, compare=False)

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

    def draw(self, rng: np.random.Generator, rows: slice | NDArray[np.int64] = slice(None)) -> NDArray[np.float32]:
        """Draws z = mean + scale · ε [m, N] of rows of these numbers [m], or of all, in order; ε from N(0, 1)."""
        mean = self.mean[rows]
        return mean + self.scale_of(rows) * rng.standard_normal(mean.shape, dtype=np.float32)

    def scale_of(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Scale of rows of these numbers [m, N], or [1, N] where all have the same."""
        return self.scale[rows] if len(self.scale) == len(self) else self.scale[:]

    @property
    def rows_at_once(self) -> int:
        """How many rows are read at once by what goes over all of them, so that its memory is bounded."""
        return max(1, BLOCK // self.num_dims)

    def blocks(self) -> list[slice]:
        """All rows, so many at once."""
        starts = range(0, len(self), self.rows_at_once)
        return [slice(start, min(start + self.rows_at_once, len(self))) for start in starts]


@dataclass(frozen=True)
class Shards:
    """A split as it lies on disk, whose schemas and metadata were read.

    Attributes:
        paths: in the order of their rows.
        whole: what an error of all rows names.
        card: of the layer.
        metadata: of the first shard.
        checksums: of the row groups of all shards.
        rows: how many there are.
        kept: as of `Latents`.
        vectors: names of the columns that hold them: `mean` and, where each row has its own, `scale`.
    """

    paths: list[Path]
    whole: Path
    card: dict[str, Any]
    metadata: dict[str, Any]
    checksums: list[str]
    rows: int
    kept: NDArray[np.int64]
    vectors: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, split: str, backbone_sha256: str | None = None) -> "Shards":
        """Look at the shards of a split; args and errors are those of `load_latents`."""
        paths = shards_of(folder, split)
        card = read_json(folder / LATENTS_CARD)
        vectors = ("mean", "scale") if card["noise"] == "encoder" else ("mean",)
        schemas, records = zip(*(read_schema(path) for path in paths), strict=True)
        for path, schema, record in zip(paths, schemas, records, strict=True):
            needed = dict.fromkeys(vectors, "column")
            needed |= {concept_column(concept): "concept column" for concept in record["concepts"]}
            for name, kind in needed.items():
                if name not in schema.names:
                    raise InputError(f"{path}: no {kind} '{name}'; its columns are {', '.join(schema.names)}")
            _require_backbone(path, record["backbone_sha256"], backbone_sha256 or records[0]["backbone_sha256"])
        num_dims = schemas[0].field("mean").type.list_size
        kept = np.setdiff1d(np.arange(num_dims), np.array(card.get("constant", ()), np.int64))
        if not len(kept):
            raise InputError(f"{folder}: all {num_dims} numbers of layer '{records[0]['layer']}' are constant")
        whole = paths[0] if len(paths) == 1 else folder / f"{split}-*.parquet"
        checksums = [checksum for record in records for checksum in record["checksums"]]
        rows = sum(record["rows"] for record in records)
        return cls(paths, whole, card, records[0], checksums, rows, kept, vectors)

    def read(self, take: Callable[[str, NDArray[np.float32]], None]) -> Columns:
        """Read all rows once, a row group at a time.

        Args:
            take: is given the name of a column of vectors and its next rows [m, N], in turn.

        Raises:
            InputError: a shard was changed or damaged, or a concept has no two values.
        """
        concepts = self.metadata["concepts"]
        wanted = {"id", "original", *map(concept_column, concepts), *map(value_column, concepts)}
        parts = []
        for group in (group for path in self.paths for group in read_groups(path)):
            for name in self.vectors:
                vectors = vector_column(group, name)
                take(name, vectors if len(self.kept) == vectors.shape[1] else vectors[:, self.kept])
            parts.append(group.select([name for name in group.column_names if name in wanted]))
        table = pa.concat_tables(parts)
        labels = category_columns(table, concepts, self.whole)
        return Columns(table["id"].to_numpy(), table["original"].to_numpy(), labels, value_columns(table, concepts))

    def latents(self, columns: Columns, vectors: Mapping[str, Vectors], held: object | None = None) -> Latents:
        """The rows, from what was read of them."""
        card, metadata = self.card, self.metadata
        scale = np.zeros(len(self.kept), np.float32)
        if card["noise"] == "jitter":
            scale = (card["jitter"] * np.array(card["std"])[self.kept]).astype(np.float32)
        return Latents(
            id=columns.id,
            original=columns.original,
            mean=vectors["mean"],
            scale=vectors.get("scale", scale[None]),
            labels=columns.labels,
            values=columns.values,
            backbone_sha256=metadata["backbone_sha256"],
            layer=metadata["layer"],
            reduce=metadata["reduce"],
            kept=self.kept,
            image_shape=(metadata["image_shape"][0], metadata["image_shape"][1]),
            graded=metadata.get("graded", {}),
            channels=metadata.get("channels"),
            axes_sha256=card.get("axes_sha256"),
            image_range=tuple(metadata["image_range"]) if "image_range" in metadata else None,
            class_names=metadata.get("class_names", {}),
            leave_out=tuple(metadata.get("leave_out", ())),
            sketches=tuple(metadata.get("sketches", ())),
            held=held,
        )


def load_latents(folder: Path, split: str, backbone_sha256: str | None = None) -> Latents:
    """Read the shards of a split into this process's memory.

    Args:
        folder: `data/latents/<layer>`.
        split: train, val or test.
        backbone_sha256: the backbone on disk; latents of another are refused.

    Raises:
        InputError: if a shard is missing, no latents table, was changed, or stems from another backbone.
    """
    shards = Shards.of(folder, split, backbone_sha256)
    arrays = {name: np.empty((shards.rows, len(shards.kept)), np.float32) for name in shards.vectors}
    taken = dict.fromkeys(arrays, 0)

    def take(name: str, rows: NDArray[np.float32]) -> None:
        arrays[name][taken[name] : taken[name] + len(rows)] = rows
        taken[name] += len(rows)

    return shards.latents(shards.read(take), arrays)


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
