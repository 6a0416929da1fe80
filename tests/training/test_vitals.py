"""What a worker notes beside its curves: a rate where steps were taken, and what its node has in use."""

import os

import psutil
import pytest
import torch

from pipeline.basis.curves import PER_SECOND
from pipeline.training import vitals
from pipeline.training.vitals import Vitals

CPU = torch.device("cpu")


def test_a_rate_is_of_the_steps_since_the_last_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.0, 12.0, 15.0, 15.5, 15.5, 16.0, 16.0])  # asked before and after each look
    monkeypatch.setattr(vitals.time, "monotonic", lambda: next(clock))
    look = Vitals(CPU)
    assert PER_SECOND not in look(0)
    assert look(40)[PER_SECOND] == 20.0
    assert PER_SECOND not in look(40), "a validation takes no step"
    assert look(50)[PER_SECOND] == 20.0, "and its time does not count"


def test_memory_and_processors_are_those_of_this_process_and_its_node() -> None:
    found = Vitals(CPU)(0)
    assert 0 <= found["system/cpu_utilization_percentage"] <= 100
    own = psutil.Process(os.getpid()).memory_info().rss / 1e6
    assert found["system/worker_memory_usage_megabytes"] == pytest.approx(own, rel=0.1)
    memory = psutil.virtual_memory()
    assert found["system/system_memory_usage_megabytes"] == pytest.approx(memory.used / 1e6, rel=0.2)
    assert found["system/worker_memory_usage_megabytes"] < found["system/system_memory_usage_megabytes"]
    share = found["system/system_memory_usage_percentage"]
    assert share == pytest.approx(memory.percent, abs=10)
    assert "system/gpu_0_memory_usage_megabytes" not in found


def test_of_a_gpu_the_memory_that_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (30_000_000, 80_000_000))
    assert Vitals(torch.device("cuda", 0))(0)["system/gpu_0_memory_usage_megabytes"] == 50.0
