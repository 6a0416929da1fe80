"""Ray for a stage: join the cluster that RAY_ADDRESS names, or start a local one that ends with the stage.

What a stage asks for is compared with what Ray has before anything starts: Ray itself would wait without end for a CPU
that is not there.
"""

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray._private import ray_constants  # there is no public switch once Ray is imported; see _start
from ray.exceptions import AuthenticationError

from pipeline.errors import InputError
from pipeline.machine import Resources, require
from pipeline.params import MachineParams

__all__ = ["alive_nodes", "start_ray", "without_line"]

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25",  # with Ray's 2 s, the end of a training is seen as late
}

UNAUTHENTICATED = "Unauthenticated"  # in the lines of Ray's C++ part, which its error does not say


@contextmanager
def start_ray(machine: MachineParams) -> Iterator[Resources]:
    """Have Ray for the block: the cluster of RAY_ADDRESS, or a local one on 127.0.0.1 with all CPUs and GPUs here.

    A Ray that this process already has is used and left alone. Gives what one worker gets of it.

    Raises:
        InputError: the cluster cannot be joined, or has less than `machine` asks for.
    """
    if ray.is_initialized():
        yield require(machine, ray.cluster_resources(), "Ray")
        return
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    # Sockets live below this folder and their paths may have 107 bytes at most: not below a long TMPDIR.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        if os.environ.get("RAY_ADDRESS"):
            _join(os.environ["RAY_ADDRESS"])
        else:
            _start(folder)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # in place of Ray's, which prints its stack and ends in any code
        yield require(machine, ray.cluster_resources(), "Ray")
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)  # Ray never removes its session's folder


def alive_nodes() -> list[str]:
    """Addresses of the nodes that Ray has, in order."""
    return sorted(node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"])


@contextmanager
def without_line(text: str) -> Iterator[list[str]]:
    """Drop the lines that hold `text` from this process's stderr while the block runs, and collect them.

    Ray's C++ part writes there by itself, and its log level cannot be set without a line that says so.
    """
    dropped: list[str] = []
    reader, writer = os.pipe()
    stderr = os.dup(2)

    def forward() -> None:
        with os.fdopen(reader, "rb") as lines, os.fdopen(stderr, "wb", buffering=0, closefd=False) as out:
            for line in lines:
                if text.encode() in line:
                    dropped.append(line.decode(errors="replace"))
                else:
                    out.write(line)

    thread = threading.Thread(target=forward)
    sys.stderr.flush()
    os.dup2(writer, 2, inheritable=False)  # a process started in the block would keep the pipe open
    os.close(writer)
    thread.start()
    try:
        yield dropped
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        thread.join()
        os.close(stderr)


def _join(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    refusals: list[str] = []
    try:
        if host:  # Ray itself would ask for many minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        with without_line(UNAUTHENTICATED) as refusals:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, AuthenticationError) as error:
        if refusals or isinstance(error, AuthenticationError):
            raise InputError(
                f"RAY_ADDRESS={address}: the cluster asks for a token, and RAY_AUTH_MODE is "
                f"{os.environ.get('RAY_AUTH_MODE', 'not set')}; expected is RAY_AUTH_MODE=token, with the token of the "
                "cluster's head in ~/.ray/auth_token, in the file that RAY_AUTH_TOKEN_PATH names, or in RAY_AUTH_TOKEN"
            ) from None
        raise InputError(f"RAY_ADDRESS={address}: no Ray cluster answers there ({error})") from None


def _start(folder: str) -> None:
    # Ray would listen on the network, where anybody's code is welcome. Only this switch makes all its parts listen on
    # 127.0.0.1; the constant is read when Ray is imported, the variable by the processes that it starts.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False
    # Nobody reclaims this machine: Ray Train need not start a process that waits for it.
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    try:
        _init(folder)
    except Exception as error:  # Ray has no type of its own for it
        if "timed out during startup" not in str(error):
            raise
        print("Ray did not start within its 30 s, as happens on a busy machine; one more try", file=sys.stderr)
        ray.shutdown()
        _init(folder)


def _init(folder: str) -> None:
    ray.init(
        address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, _temp_dir=folder
    )
