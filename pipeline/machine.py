"""What of a machine, or of a cluster, one worker gets."""

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.errors import InputError
from pipeline.params import MachineParams

__all__ = [
    "GB",
    "Resources",
    "is_out_of_memory",
    "memory_budget",
    "node_memory",
    "require",
    "resources_here",
    "worker_resources",
]

GB = 1e9
SHARE = 0.5  # of a node's memory, that latents may fill where params do not say
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container


@dataclass(frozen=True)
class Resources:
    """What one worker gets, and where its network lives.

    Attributes:
        cpus: CPU cores, as Ray counts them.
        gpus: GPUs.
        device: "cpu" or "cuda".
    """

    cpus: int
    gpus: int
    device: str

    def as_dict(self) -> dict[str, float]:
        """As Ray's `resources_per_worker`."""
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}


def worker_resources(machine: MachineParams, available: Mapping[str, float]) -> Resources:
    """What one worker gets: `device: auto` takes a GPU for each where there are so many, `cuda` takes one at least."""
    gpus = machine.gpus_per_worker
    if machine.device == "cpu":
        gpus = 0
    elif not gpus and (machine.device == "cuda" or available.get("GPU", 0) >= machine.workers):
        gpus = 1
    return Resources(machine.cpus_per_worker, gpus, "cuda" if gpus else "cpu")


def require(machine: MachineParams, available: Mapping[str, float], whose: str) -> Resources:
    """Compare what `machine` asks for with what there is, and give what one worker gets.

    Args:
        machine: section `machine`.
        available: numbers of "CPU" and "GPU".
        whose: that has them, for the error.

    Raises:
        InputError: there are fewer CPUs or GPUs.
    """
    resources = worker_resources(machine, available)
    for kind, each in (("CPU", resources.cpus), ("GPU", resources.gpus)):
        has, needs = int(available.get(kind, 0)), machine.workers * each
        if needs > has:
            raise InputError(
                f"params.yaml: machine.workers: found {machine.workers}, which need {needs} {kind}s "
                f"({each} each), but {whose} has {has}"
            )
    return resources


def resources_here(machine: MachineParams) -> Resources:
    """What one worker gets of this machine without a cluster.

    Raises:
        InputError: it has fewer CPUs or GPUs than `machine` asks for.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # not on macOS
    available = {"CPU": cpus, "GPU": torch.cuda.device_count()}
    return require(machine, available, "this machine")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is too little memory, of a GPU or of the machine.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("no such layer"))
        (True, False)
    """
    of_cpu = isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)  # torch has no type of its own
    return of_cpu or isinstance(error, (MemoryError, torch.OutOfMemoryError))


def node_memory() -> int:
    """Bytes of memory that processes of this node may use in all: the machine's, or what its container is given."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in LIMITS:
        with suppress(OSError, ValueError):  # there is no such file, or it says that there is no limit
            total = min(total, int(Path(limit).read_text()))
    return total


def memory_budget(machine: MachineParams) -> float:
    """Bytes of this node's memory that latents may fill: `machine.memory_budget`, or half of it.

    Of a cluster the head may have less than the nodes that train: there it is all of it at most.

    Raises:
        InputError: the params say more than there is, and RAY_ADDRESS names no cluster.
    """
    memory = node_memory()
    if machine.memory_budget is None:
        return SHARE * memory
    if machine.memory_budget * GB > memory and not os.environ.get("RAY_ADDRESS"):
        raise InputError(
            f"params.yaml: machine.memory_budget: found {machine.memory_budget:g} GB, accepted are at most the "
            f"{memory / GB:.1f} GB of memory of this node ({platform.node()})"
        )
    return min(machine.memory_budget * GB, memory)
