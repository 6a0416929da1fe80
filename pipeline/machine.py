"""What of a machine, or of a cluster, one worker gets."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from pipeline.errors import InputError
from pipeline.params import MachineParams

__all__ = ["Resources", "is_out_of_memory", "require", "resources_here", "worker_resources"]


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
