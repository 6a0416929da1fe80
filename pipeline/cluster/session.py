"""Ray for a stage: join the cluster that RAY_ADDRESS names, or start a local one that ends with the stage.

What a stage asks for is compared with what Ray has before anything starts: Ray itself would wait without end for a CPU
that is not there.
"""

import atexit
import logging
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants, ray_logging, services  # there is no public switch once Ray is imported
from ray.exceptions import RayError

import pipeline
from pipeline.cluster.joining import answers, join, read_auth_anew
from pipeline.cluster.preflight import look_at_nodes
from pipeline.errors import InputError
from pipeline.machine import Resources, require
from pipeline.params import MachineParams
from pipeline.places import Places

__all__ = ["start_ray", "without_line"]

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25",  # with Ray's 2 s, the end of a training is seen as late
}

# What Ray prints of each process that was killed, beside our own line; RAY_DEDUP_LOGS_SKIP_REGEX would say it to a Ray
# that is yet to be imported. All else that its nodes report is shown: memory that is short, a node that is lost.
SAID_BY_US = "^A worker died or was killed while executing a task"

PATIENCE = 120  # seconds, where Ray gives up after 30: on a busy machine its start takes longer

LONGEST_SILENCE = 20.0  # seconds for which a head may not answer; after 60 Ray ends the process

PATIENT = {
    "RAY_gcs_server_port_wait_time_s": f"{PATIENCE}",
    "RAY_agent_register_timeout_ms": f"{PATIENCE}000",
    "RAY_worker_register_timeout_seconds": f"{PATIENCE}",
    # Nobody reclaims this machine: Ray Train need not start a process that waits for it.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}


@contextmanager
def start_ray(machine: MachineParams) -> Iterator[Resources]:
    """Have Ray for the block: the cluster of RAY_ADDRESS, or a local one on 127.0.0.1 with all CPUs and GPUs here.

    A Ray that this process already has is used and left alone. Gives what one worker gets of it.

    Raises:
        InputError: the cluster cannot be joined, has less than `machine` asks for, or a node of it sees other files or
            code than this process.
    """
    if ray.is_initialized():
        yield require(machine, ray.cluster_resources(), "Ray")
        return
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    ray_logging.stdout_deduplicator.skip_re = re.compile(SAID_BY_US)
    # Sockets live below this folder and their paths may have 107 bytes at most: not below a long TMPDIR.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)  # Ray never removes its session's folder
        address = os.environ.get("RAY_ADDRESS")
        if not address:
            stack.enter_context(_own_token())
        gone = threading.Event()
        stack.callback(_end, gone)
        if address:
            # a node then gets the code from Ray, before any that it has itself
            own_code = {"py_modules": [str(Path(pipeline.__file__).parent)]} if machine.code == "shipped" else None
            join(address, own_code)
            look_at_nodes(machine, Places())
        else:
            _start(folder)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # in place of Ray's, which prints its stack and ends in any code
        # a head of this machine ends with us, and is slow to answer where the machine is busy
        with _watched(ray.get_runtime_context().gcs_address, gone) if address else nullcontext():
            yield require(machine, ray.cluster_resources(), "Ray")


@contextmanager
def _watched(head: str, gone: threading.Event) -> Iterator[None]:
    """End the block in a line when the head of the cluster is gone, before Ray ends the process in a line of its own.

    A head that answers again within a while is none that is gone.
    """
    ended = threading.Event()
    line = (
        f"the head of the Ray cluster, {head}, does not answer any more: it, or the network to it, was lost; the same "
        "command goes on from what is on disk once there is a cluster again"
    )

    def watch() -> None:
        heard = time.monotonic()
        while not ended.wait(2):
            if answers(head):
                heard = time.monotonic()
            elif time.monotonic() - heard > LONGEST_SILENCE:
                gone.set()
                os.kill(os.getpid(), signal.SIGINT)
                if not ended.wait(10):  # where this process waits for the head in Ray's C++ part, which hears nothing
                    print(f"error: {line}", file=sys.stderr)
                    _leave()
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, (RayError, OSError)) and not answers(head):
            gone.set()
        if not gone.is_set():
            raise
        raise InputError(line) from None
    finally:
        ended.set()


def _end(gone: threading.Event) -> None:
    if gone.is_set():
        atexit.register(_leave)  # before what Ray has registered
    else:
        ray.shutdown()


def _leave() -> None:
    """End the process without Ray, which would wait for its head for a minute."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1)  # sys.exit would call what Ray has registered


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


@contextmanager
def _own_token() -> Iterator[None]:
    """A token for a Ray of this process alone, which would write one to the home folder, for all that follow."""
    if os.environ.get("RAY_AUTH_MODE", "token") != "token":
        yield
        return
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    read_auth_anew()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        read_auth_anew()


def _start(folder: str) -> None:
    # Ray would listen on the network, where anybody's code is welcome. Only this switch makes all its parts listen on
    # 127.0.0.1; the constant is read when Ray is imported, the variable by the processes that it starts.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False
    for name, value in PATIENT.items():
        os.environ.setdefault(name, value)
    get_node, end = services.get_node, time.monotonic() + PATIENCE

    def patient(*arguments: Any) -> Any:
        while True:
            try:
                return get_node(*arguments)
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    services.get_node = patient  # Ray's own 30 s have no switch
    try:
        ray.init(
            address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, _temp_dir=folder
        )
    except Exception as error:  # Ray has no type of its own for it
        if "timed out" not in str(error).lower():
            raise
        raise InputError(
            f"Ray did not start on this machine within {PATIENCE} s, as happens on a busy one; the same command tries "
            "again"
        ) from None
    finally:
        services.get_node = get_node
