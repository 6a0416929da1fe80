"""Work that Ray Data gives to actors, one item at a time: each reads, computes and writes by itself."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ray

from pipeline.cluster import without_line
from pipeline.machine import Resources
from pipeline.params import MachineParams

__all__ = ["done_by_actors"]


def done_by_actors(
    work: Sequence[Mapping[str, Any]],
    actor: type,
    arguments: Mapping[str, Any],
    machine: MachineParams,
    worker: Resources,
) -> Iterator[dict[str, Any]]:
    """What the actors give of each item, as it is done.

    Args:
        work: the items; an actor is called with a table of one row that has one in its column `work`.
        actor: its class.
        arguments: that it is made with.
        machine: how many actors at least; on CPUs there are as many as fit.
        worker: what an actor gets of the cluster; Ray must be started.
    """
    if not work:
        return
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    logging.getLogger("ray").setLevel(logging.ERROR)
    available = ray.cluster_resources()
    fit = int(available["GPU" if worker.gpus else "CPU"]) // max(worker.gpus or worker.cpus, 1)
    done = ray.data.from_items([{"work": item} for item in work], override_num_blocks=len(work)).map_batches(
        actor,
        fn_constructor_kwargs=dict(arguments),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=worker.cpus,
        num_gpus=worker.gpus,
        compute=ray.data.ActorPoolStrategy(size=min(max(fit, machine.workers), len(work))),
    )
    with without_line("has constructor arguments in the object store"):  # Ray's own, held as long as the actors live
        for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from batch.to_pylist()
