"""Shards that Ray Data's actors write, each by itself: what a kill left is kept, and only the others are made."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

import ray

from pipeline.cluster import without_line
from pipeline.errors import InputError
from pipeline.machine import Resources
from pipeline.params import MachineParams
from pipeline.progress import Progress

__all__ = ["Actors", "ShardWork", "make_shards"]


class ShardWork(TypedDict):
    """One shard to make; an actor's own work says more.

    Attributes:
        rows: that it will have.
        shard: where it goes, absolute.
    """

    rows: int
    shard: str


W = TypeVar("W", bound=ShardWork)


@dataclass(frozen=True)
class Actors:
    """Who makes the shards.

    Attributes:
        actor: its class, called with a table of one row that has an item of work in its column `work`; it gives one of
            `rows` and `error`, a line where no shard was written.
        arguments: that it is made with.
        machine: how many actors at least; on CPUs there are as many as fit.
        worker: what an actor gets of the cluster; Ray must be started.
    """

    actor: type
    arguments: Mapping[str, Any]
    machine: MachineParams
    worker: Resources


def make_shards(name: str, work: Sequence[W], is_sound: Callable[[W], bool], actors: Actors) -> None:
    """Make the shards that are not there yet, with a progress line.

    Args:
        name: what runs.
        work: an item a shard.
        is_sound: whether an earlier start has finished one.
        actors: who makes them.

    Raises:
        InputError: with the line of the first actor that could not write its shard.
    """
    missing = [item for item in work if not is_sound(item)]
    done = sum(item["rows"] for item in work) - sum(item["rows"] for item in missing)
    progress = Progress(name, sum(item["rows"] for item in work), done, unit="image")
    if done:
        print(f"{name}: {len(work) - len(missing)} of {len(work)} shards are there already", flush=True)
    for shard in _made(missing, actors):
        if shard["error"]:
            raise InputError(shard["error"])
        done += shard["rows"]
        progress.update(done)


def _made(work: Sequence[ShardWork], actors: Actors) -> Iterator[dict[str, Any]]:
    """What the actors give of each item, as it is done."""
    if not work:
        return
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    logging.getLogger("ray").setLevel(logging.ERROR)
    worker, available = actors.worker, ray.cluster_resources()
    fit = int(available["GPU" if worker.gpus else "CPU"]) // max(worker.gpus or worker.cpus, 1)
    done = ray.data.from_items([{"work": item} for item in work], override_num_blocks=len(work)).map_batches(
        actors.actor,
        fn_constructor_kwargs=dict(actors.arguments),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=worker.cpus,
        num_gpus=worker.gpus,
        compute=ray.data.ActorPoolStrategy(size=min(max(fit, actors.machine.workers), len(work))),
    )
    with without_line("has constructor arguments in the object store"):  # Ray's own, held as long as the actors live
        for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from batch.to_pylist()
