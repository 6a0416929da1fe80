"""What one worker gets of a machine, and what is refused before anything starts."""

import os

import pytest

from pipeline.errors import InputError
from pipeline.machine import Resources, require, resources_here, worker_resources
from pipeline.params import MachineParams


@pytest.mark.parametrize(
    ("machine", "available", "gpus", "device"),
    [
        (MachineParams(), {"CPU": 2}, 0, "cpu"),
        (MachineParams(), {"CPU": 2, "GPU": 1}, 1, "cuda"),
        (MachineParams(workers=2), {"CPU": 2, "GPU": 1}, 0, "cpu"),
        (MachineParams(gpus_per_worker=2), {"CPU": 2}, 2, "cuda"),
        (MachineParams(device="cuda"), {"CPU": 2}, 1, "cuda"),
        (MachineParams(device="cpu", gpus_per_worker=2), {"CPU": 2, "GPU": 4}, 0, "cpu"),
    ],
)
def test_auto_takes_a_gpu_where_there_is_one(machine, available, gpus, device):
    resources = worker_resources(machine, available)
    assert (resources.gpus, resources.device) == (gpus, device)


def test_more_cpus_than_there_are_are_refused():
    with pytest.raises(InputError, match=r"machine\.workers: found 3, which need 3 CPUs \(1 each\), but Ray has 2"):
        require(MachineParams(workers=3), {"CPU": 2}, "Ray")
    with pytest.raises(InputError, match=r"need 3 CPUs \(3 each\), but Ray has 2"):
        require(MachineParams(cpus_per_worker=3), {"CPU": 2}, "Ray")
    assert require(MachineParams(workers=2), {"CPU": 2}, "Ray").cpus == 1


@pytest.mark.parametrize("machine", [MachineParams(gpus_per_worker=99), MachineParams(device="cuda", workers=99)])
def test_gpus_that_are_not_there_are_refused(machine):
    with pytest.raises(InputError, match=r"machine\.workers: found \d+, which need"):
        require(machine, {"CPU": 200}, "Ray")


def test_this_machine_has_so_many_cpus():
    has = len(os.sched_getaffinity(0))
    assert resources_here(MachineParams(device="cpu", cpus_per_worker=has)) == Resources(has, 0, "cpu")
    with pytest.raises(InputError, match=rf"need {has + 1} CPUs \({has + 1} each\), but this machine has {has}"):
        resources_here(MachineParams(cpus_per_worker=has + 1))
