"""Where a training's workers run: as `machine.workers` and RAY_ADDRESS say."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.machine import Resources, resources_here
from pipeline.params import MachineParams
from pipeline.storage.folder import Storage
from pipeline.workers.child import in_child

__all__ = ["Launcher", "launching"]

MAX_RESTARTS = 3

Start = Callable[..., AbstractContextManager[Callable[[], Any]]]


@dataclass(frozen=True)
class Launcher:
    """How functions are started: each attribute is given a function and its arguments, as `in_child` is.

    Attributes:
        resources: what one worker gets.
        start: in every worker.
        start_one: in one process alone, wherever a worker may run.
    """

    resources: Resources
    start: Start
    start_one: Start


@contextmanager
def launching(machine: MachineParams, storage: Storage) -> Iterator[Launcher]:
    """Have workers for the block: one is a child process, unless RAY_ADDRESS names a cluster; more are Ray's.

    Args:
        machine: workers, their CPUs, GPUs and device.
        storage: for files of Ray's own.

    Raises:
        InputError: there is less than `machine` asks for, or the cluster can't be joined.
    """
    if machine.workers == 1 and not os.environ.get("RAY_ADDRESS"):
        resources = resources_here(machine)
        start = partial(in_child, resources, MAX_RESTARTS)
        yield Launcher(resources, start, start)
        return
    from pipeline.cluster import start_ray  # a worker without a cluster need not wait for Ray's imports
    from pipeline.workers.on_ray import Losses, in_task

    losses = Losses(MAX_RESTARTS, machine.node_wait)
    with start_ray(machine) as resources:
        one = partial(in_task, resources, losses)
        if machine.workers == 1:
            yield Launcher(resources, one, one)
            return
        from pipeline.workers.group import in_group  # Ray Train takes a second more than Ray

        yield Launcher(resources, partial(in_group, machine.workers, resources, losses, storage), one)
