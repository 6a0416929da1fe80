"""The start of a local Ray; here no other one is there."""

import threading
import time

import psutil
import ray

from pipeline.cluster import start_ray
from pipeline.params import MachineParams


def test_a_start_is_waited_for_longer_than_ray_does():
    """On a busy machine it takes longer than the 30 s that Ray gives it: here its head sleeps for as long."""
    slept: list[int] = []

    def sleep_and_wake() -> None:
        while not slept:
            for process in psutil.Process().children(recursive=True):
                if process.as_dict(["name"])["name"] == "gcs_server":
                    time.sleep(0.1)  # until it is no copy of its parent any more
                    process.suspend()
                    slept.append(process.pid)
                    time.sleep(33)
                    process.resume()
                    return
            time.sleep(0.01)

    beside = threading.Thread(target=sleep_and_wake)
    beside.start()
    assert not ray.is_initialized()
    with start_ray(MachineParams()):
        assert ray.cluster_resources()["CPU"] >= 1
    beside.join()
    assert slept
