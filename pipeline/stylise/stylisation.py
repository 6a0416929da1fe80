"""Images and their stylised twins through Ray Data: each actor writes one shard a row group, all become one table.

Shards lie in a folder of runs that outlives a kill; the next start keeps the sound ones and makes the others. Neither
the driver nor an actor holds more than a row group and what becomes of it.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.files import atomic_folder
from pipeline.inputs.sketches import PICTURES, open_sketch
from pipeline.machine import Resources
from pipeline.pairing.scenes import rows_of_a_scene
from pipeline.params import MachineParams, Params
from pipeline.stylise.stylist import Sketched, Stylist, Work, stylised_metadata
from pipeline.tables.parquet import SPLITS, group_rows, metadata_of, read_groups, read_schema, table_writer
from pipeline.workers.actors import Actors, make_shards

__all__ = ["sketched_by", "stylise"]


def sketched_by(params: Params) -> Sketched:
    """The sketches of a study, read."""

    def read(folder: str) -> list[np.ndarray]:
        return [np.asarray(open_sketch(Path(folder, name))) for name in PICTURES]

    pictures = {concept: read(folder) for concept, folder in params.data.sketches.items()}
    return Sketched(params.style.model, params.data.concepts, pictures)


def stylise(
    sketched: Sketched, prepared: Path, folder: Path, run_folder: Path, machine: MachineParams, worker: Resources
) -> dict[str, int]:
    """Write `folder`/{train,val,test}.parquet: each prepared image and, right after it, it in every style.

    Args:
        sketched: the concepts, and what draws.
        prepared: folder of the images of the source.
        folder: of the images table, replaced as a whole.
        run_folder: absolute, seen by every actor, and named by all that shapes the rows; removed at the end.
        machine: how many actors at least.
        worker: what an actor gets of the cluster; Ray must be started.

    Returns:
        Number of rows of each split.

    Raises:
        InputError: what was prepared is missing or damaged, or the style model is of another shape.
    """
    work = [item for split in SPLITS for item in _work(prepared, split, run_folder, len(sketched.pictures))]
    run_folder.mkdir(parents=True, exist_ok=True)
    actors = Actors(Stylist, {"sketched": sketched, "worker": worker}, machine, worker)
    make_shards("stylise", work, _is_sound, actors)
    with atomic_folder(folder) as beside:
        rows = {split: _join(work, split, beside, sketched) for split in SPLITS}
    shutil.rmtree(run_folder, ignore_errors=True)
    return rows


def _work(prepared: Path, split: str, run_folder: Path, num_sketched: int) -> list[Work]:
    """One item a row group: where to read, where to write."""
    path = prepared / f"{split}.parquet"
    return [
        Work(
            split=split,
            path=str(path.resolve()),
            group=group,
            rows=num * rows_of_a_scene(num_sketched),
            shard=str(run_folder / f"{split}-{group:05d}.parquet"),
        )
        for group, num in enumerate(group_rows(path))
    ]


def _is_sound(item: Work) -> bool:
    """Whether an earlier start has finished this shard."""
    path = Path(item["shard"])
    if not path.exists():
        return False
    try:
        return bool(sum(group.num_rows for group in read_groups(path)) == item["rows"])
    except InputError:
        return False


def _join(work: Sequence[Work], split: str, folder: Path, sketched: Sketched) -> int:
    """Put the shards of a split into one file, a row group at a time."""
    shards = [item for item in work if item["split"] == split]
    schema, _ = read_schema(Path(shards[0]["shard"]))
    metadata = stylised_metadata(metadata_of(read_schema(Path(shards[0]["path"]))[1]), sketched)
    with table_writer(folder / f"{split}.parquet", schema, metadata) as writer:
        for item in shards:
            for group in read_groups(Path(item["shard"])):
                writer.write(group)
        return writer.rows
