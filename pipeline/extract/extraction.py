"""Images to latents through Ray Data: actors hold the backbone and write one Parquet shard a row group of the images.

A shard is the unit of work. It is encoded in fixed batches, so that it is the same bits for any number of actors, and
written by the actor itself, so that neither the driver's memory nor an actor's grows with the number of images. Shards
are collected in a folder of runs that outlives a kill; the next start keeps the sound ones and makes the others.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.backbone.kinds import load_backbone
from pipeline.backbone.reduction import Reduction
from pipeline.backbone.trial import trial_rows
from pipeline.errors import InputError
from pipeline.extract.encoder import Encoder, LatentsSetup, Work
from pipeline.extract.enough import require_dimensions, require_scorable, said_of_few
from pipeline.extract.principal import principal_axes, write_along
from pipeline.files import atomic_folder, sha256_file, take_file, write_json
from pipeline.machine import Resources
from pipeline.params import MachineParams
from pipeline.tables.axes import AXES, axes_file, write_axes
from pipeline.tables.images import decode, to_unit_range
from pipeline.tables.latents import LATENTS_CARD, shard_name
from pipeline.tables.parquet import SPLITS, group_rows, read_group, read_schema, read_table, vector_column
from pipeline.workers.actors import Actors, make_shards

__all__ = ["extract", "latents_card"]


def extract(
    setup: LatentsSetup, folder: Path, run_folder: Path, machine: MachineParams, worker: Resources
) -> dict[str, int]:
    """Write `folder`/{train,val,test}-<number>.parquet: mean and scale of the latent of each image, and its concepts.

    Beside them card.json says what noise there is.

    Args:
        setup: images, network and layer.
        folder: of the layer's latents, replaced as a whole.
        run_folder: absolute, seen by every actor, and named by all that shapes the latents; finished shards lie there
            until all are, and the folder is removed then.
        machine: how many actors at least; on CPUs there are as many as fit.
        worker: what an actor gets of the cluster; Ray must be started.

    Returns:
        Number of rows of each split.

    Raises:
        InputError: the images table or the backbone is missing or damaged, the table's rows were changed, the backbone
            has no such layer or it can't be used, a latent is not finite, or there are too few images or numbers.
    """
    work = [item for split in SPLITS for item in _work(setup.images, split, run_folder)]
    require_scorable(setup.images)
    sha256, reduction = _require_layer(setup)
    run_folder.mkdir(parents=True, exist_ok=True)
    arguments = {"setup": replace(setup, backbone=setup.backbone.resolve()), "reduction": reduction, "worker": worker}
    actors = Actors(Encoder, arguments, machine, worker)
    make_shards(f"extract {setup.layer}", work, lambda item: _is_sound(item, sha256), actors)
    rows = {split: sum(item["rows"] for item in work if item["split"] == split) for split in SPLITS}
    with atomic_folder(folder) as beside:
        _collect(work, beside, setup, reduction)
        train = _shards(work, beside, "train")
        card = latents_card(train, setup.params.jitter)
        if (path := axes_file(beside)) is not None:
            card["axes_sha256"] = sha256_file(path)
        metadata = read_schema(train[0])[1]
        num_dims = metadata["shape"][0] - len(card.get("constant", ()))
        require_dimensions(setup.layer, num_dims, len(metadata["concepts"]))
        write_json(beside / LATENTS_CARD, card)
    shutil.rmtree(run_folder, ignore_errors=True)
    if few := said_of_few(setup.layer, num_dims, rows, setup.params.reduction, metadata["noise"]):
        print(few, flush=True)
    return rows


def _work(images: Path, split: str, run_folder: Path) -> list[Work]:
    """One item a row group: where to read, where to write."""
    path = images / f"{split}.parquet"
    rows = group_rows(path)
    return [
        Work(
            split=split,
            path=str(path.resolve()),
            group=group,
            groups=len(rows),
            rows=num,
            shard=str(run_folder / shard_name(split, group)),
        )
        for group, num in enumerate(rows)
    ]


def _is_sound(item: Work, sha256: str) -> bool:
    """Whether an earlier start has finished this shard, of this backbone."""
    path = Path(item["shard"])
    if not path.exists():
        return False
    try:
        _, record = read_table(path)
    except InputError:
        return False
    return bool(record["rows"] == item["rows"] and record["backbone_sha256"] == sha256)


def _require_layer(setup: LatentsSetup) -> tuple[str, Reduction]:
    """The backbone's sha256, and what of the layer is z; what can't be done is one line here, in an actor a crash."""
    backbone = load_backbone(setup.backbone)
    path = setup.images / f"{SPLITS[0]}.parquet"
    stored = read_group(path, 0)["image"]
    images = to_unit_range(decode(stored.take(trial_rows(len(stored))), path))
    reduction = backbone.require_layers([setup.layer], setup.params, images)[setup.layer]
    backbone.require_untouched()
    return backbone.sha256, reduction


def _shards(work: list[Work], folder: Path, split: str) -> list[Path]:
    """A split's shards in a folder, in the order of their rows."""
    return [folder / shard_name(item["split"], item["group"]) for item in work if item["split"] == split]


def _collect(work: list[Work], folder: Path, setup: LatentsSetup, reduction: Reduction) -> None:
    """Put all shards into a folder, along the principal directions of the training rows where these are z."""
    shards = [Path(item["shard"]) for item in work]
    if reduction.num_axes is None:
        for shard in shards:
            take_file(shard, folder)
        return
    train = _shards(work, shards[0].parent, "train")
    axes = principal_axes(train, reduction.num_axes, setup.layer)
    write_axes(folder / AXES, axes)
    for shard in shards:
        write_along(shard, axes, folder / shard.name)


def latents_card(shards: Sequence[Path], jitter: float) -> dict[str, Any]:
    """What a reader of the latents needs beside them; one shard is in memory at a time.

    A deterministic layer has point masses, on which a density is unbounded: its numbers get a noise of `jitter` times
    their standard deviation; those that are the same in all training rows stay out of the flow and are carried along.

    Args:
        shards: of the training split, in the order of their rows.
        jitter: share of the standard deviation.

    Returns:
        `noise`: of the encoder, jitter, or none where draws from a prior have a density already; with jitter also its
        share, the `std` of each number (population, over the training rows) and which are `constant`.
    """
    noise = read_schema(shards[0])[1]["noise"]
    if noise != "jitter":
        return {"noise": noise}
    rows = 0
    for path in shards:
        values = vector_column(read_table(path, ["mean"])[0], "mean").astype(np.float64)
        mean, squares = values.mean(axis=0), ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        lowest, highest = values.min(axis=0), values.max(axis=0)
        if not rows:
            total, m2, low, high = mean, squares, lowest, highest
        else:  # Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances, 1979
            delta, both = mean - total, rows + len(values)
            m2 = m2 + squares + delta**2 * rows * len(values) / both
            total = total + delta * len(values) / both
            low, high = np.minimum(low, lowest), np.maximum(high, highest)
        rows += len(values)
    std = np.sqrt(m2 / rows)
    return {
        "noise": "jitter",
        "jitter": jitter,
        "std": std.tolist(),
        "constant": np.flatnonzero(low == high).tolist(),
    }
