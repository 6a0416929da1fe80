"""Timing of steps beside each other: one clock, alternating rounds, medians, and the machine's name."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

__all__ = ["Timing", "alternate", "machine", "now", "seconds_of"]

SLOW = 0.3  # seconds of a call


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one step.

    Attributes:
        median: over the rounds.
        low: of the fastest round.
        high: of the slowest.
    """

    median: float
    low: float
    high: float


def now(device: torch.device) -> float:
    """Seconds: wall clock on a GPU, all work there done; on a CPU this process's own time, with one thread.

    On an idle machine that is the wall clock, and on a shared one it leaves out what others use.
    """
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def seconds_of(work: Callable[[], object], device: torch.device, times: int) -> float:
    """Seconds of one of `times` calls."""
    start = now(device)
    for _ in range(times):
        work()
    return (now(device) - start) / times


def alternate(
    works: Mapping[str, Callable[[], object]], device: torch.device, rounds: int = 7, bursts: int = 4
) -> dict[str, Timing]:
    """Time all works in each of `rounds` rounds, a work in `bursts` short turns, so that all meet the same machine.

    Each was called before. A turn lasts about 30 ms, and a call at least; where calls are slow, one turn is a round.
    """
    once = {name: seconds_of(work, device, 2) for name, work in works.items()}
    slow = max(once.values()) > SLOW
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        turns: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(1 if slow else bursts):
            for name, work in works.items():
                if not slow:
                    work()  # what the one before left in the caches
                turns[name].append(1e3 * seconds_of(work, device, max(1, int(0.03 / once[name]))))
        for name, values in turns.items():
            found[name].append(statistics.mean(values))
    return {name: Timing(statistics.median(values), min(values), max(values)) for name, values in found.items()}


def machine(device: torch.device) -> str:
    """What was measured on, as a reader of the table needs it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    names = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "name" in line
    ]
    return f"one core of {names[0] if names else platform.processor()}"
