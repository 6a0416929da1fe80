"""What one node of a cluster sees: code, versions, files, and the way to the others.

It runs there before the node's `pipeline` is known to be ours, so it is sent by value, and imports nothing of ours.
"""

import hashlib
import importlib.util
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

import psutil

__all__ = ["ROUTE", "Sight", "appears", "interface_of", "sight"]

ROUTE = "GLOO_SOCKET_IFNAME"  # of torch.distributed: by which interface a process reaches the others

SECONDS = 5.0  # until a file is seen that another host has written: NFS looks anew after three


class Sight(TypedDict):
    """What a process sees.

    Attributes:
        code: SHA-256 of the Python files of `pipeline`, as it would be imported; empty where it is none.
        folder: where they lie.
        versions: of Python and the libraries that have to be alike.
        unseen: of the files that it was asked for, those that are not there.
        unwritten: why it can't write its own file; empty where it can, or where the others are not there.
        interface: of the network, by which the other hosts reach it; empty where none has its address.
    """

    code: str
    folder: str
    versions: dict[str, str]
    unseen: list[str]
    unwritten: str
    interface: str


def sight(files: Sequence[str], own_file: str, address: str) -> Sight:
    """What this process sees.

    Args:
        files: that another host has written.
        own_file: to be written where that host shall see it; empty: none.
        address: by which the other hosts know this one.
    """
    unseen = [file for file in files if not appears(file)]
    unwritten = ""
    if own_file and not unseen:
        try:
            Path(own_file).touch()
        except OSError as error:
            unwritten = str(error.strerror)
    code, folder = _code("pipeline")
    return Sight(
        code=code,
        folder=folder,
        versions={"Python": platform.python_version(), "torch": _version("torch"), "Ray": _version("ray")},
        unseen=unseen,
        unwritten=unwritten,
        interface=os.environ.get(ROUTE) or interface_of(address),
    )


def interface_of(address: str) -> str:
    """Name of the network interface that has an address; empty where none has."""
    owners = [name for name, own in psutil.net_if_addrs().items() if address in (one.address for one in own)]
    return next(iter(owners), "")


def appears(file: str) -> bool:
    """Whether a file is there, at once or soon."""
    end = time.monotonic() + SECONDS
    while not Path(file).exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def _code(package: str) -> tuple[str, str]:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return "", ""
    folder = Path(next(iter(found.submodule_search_locations)))
    files, digest = sorted(folder.rglob("*.py")), hashlib.sha256()
    if not files:
        return "", ""
    for file in files:
        digest.update(f"{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest(), str(folder)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
