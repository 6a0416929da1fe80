"""Servers that a test starts, and that end with it."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from tracking.files import free_port

__all__ = ["S3_KEYS", "bucket", "running", "s3_server"]

S3_KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}

PATIENCE = 180.0


@contextmanager
def s3_server(log: Path) -> Iterator[str]:
    """moto's S3 server, which takes any key; its address."""
    port = str(free_port())
    address = f"http://127.0.0.1:{port}"
    command = [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", port]
    with running(command, os.environ.copy(), lambda: _answers(address), log):
        yield address


def bucket(address: str) -> None:
    """Make bucket `iin` there."""
    names = {key.lower(): value for key, value in S3_KEYS.items() if key != "AWS_DEFAULT_REGION"}
    boto3.client("s3", endpoint_url=address, region_name="us-east-1", **names).create_bucket(Bucket="iin")


@contextmanager
def running(
    command: list[Any],
    variables: dict[str, str],
    ready: Callable[[], bool],
    log: Path,
    user: str | None = None,
    ending: int = signal.SIGTERM,
) -> Iterator[None]:
    """A server from when it is ready to the end of the block, with all that it starts."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=variables, stdout=out, stderr=out, user=user, cwd="/tmp", start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        yield
    finally:
        process.send_signal(ending)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
