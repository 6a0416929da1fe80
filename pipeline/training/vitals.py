"""How fast a worker trains, and what that takes of its node: figures of no output, which go beside the times."""

import time

import psutil
import torch

from pipeline.basis.curves import PER_SECOND

__all__ = ["Vitals"]

MEGABYTE = 1e6


class Vitals:
    """Figures of this process and its node, from one entry of the curves to the next.

    Args:
        device: on which it trains.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._process = device, psutil.Process()
        self._step: float | None = None
        self._time = 0.0
        psutil.cpu_percent()  # from here on

    def __call__(self, step: float) -> dict[str, float]:
        """Look, after an entry at `step`; names with `system/` are those that MLflow shows by themselves.

        The rate is there where steps were taken since the last entry, so that no validation counts.
        """
        now, found = time.monotonic(), {}
        if self._step is not None and step > self._step and now > self._time:
            found[PER_SECOND] = (step - self._step) / (now - self._time)
        memory = psutil.virtual_memory()
        found |= {
            "system/cpu_utilization_percentage": psutil.cpu_percent(),
            "system/system_memory_usage_percentage": memory.percent,
            "system/system_memory_usage_megabytes": memory.used / MEGABYTE,
            "system/worker_memory_usage_megabytes": self._process.memory_info().rss / MEGABYTE,
        }
        if self._device.type == "cuda":
            free, total = torch.cuda.mem_get_info(self._device)
            found["system/gpu_0_memory_usage_megabytes"] = (total - free) / MEGABYTE
        self._step, self._time = step, time.monotonic()
        return found
