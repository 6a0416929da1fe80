"""What one node of a cluster sees: code, params, versions, files, and where its workers will be called.

It runs there before the node's `pipeline` is known to be ours, so it is sent by value, and imports nothing of ours.
"""

import hashlib
import importlib.util
import platform
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

from pipeline.cluster.reach import hosts_of, listen, unreached

__all__ = ["Lookout", "Sight", "appears", "sight"]

SECONDS = 5.0  # until a file is seen that another host has written: NFS looks anew after three


class Sight(TypedDict):
    """What a process sees.

    Attributes:
        code: SHA-256 of the Python files of `pipeline`, as it would be imported; empty where it is none.
        folder: where they lie.
        params: SHA-256 of the file of params; empty where it isn't there.
        versions: of Python and the libraries that have to be alike.
        unseen: of the files that it was asked for, those that are not there.
        unwritten: why it can't write its own file; empty where it can, or where the others are not there.
        hosts: addresses at which its workers will be called by others.
        no_route: why they can't be; empty where they can.
    """

    code: str
    folder: str
    params: str
    versions: dict[str, str]
    unseen: list[str]
    unwritten: str
    hosts: list[str]
    no_route: str


def sight(files: Sequence[str], params: str, own_file: str, address: str) -> Sight:
    """What this process sees.

    Args:
        files: that another host has written.
        params: file of the params.
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
    hosts, no_route = hosts_of(address)
    return Sight(
        code=code,
        folder=folder,
        params=hashlib.sha256(Path(params).read_bytes()).hexdigest() if Path(params).is_file() else "",
        versions={"Python": platform.python_version(), "torch": _version("torch"), "Ray": _version("ray")},
        unseen=unseen,
        unwritten=unwritten,
        hosts=hosts,
        no_route=no_route,
    )


class Lookout:
    """What is started on each node: it looks, listens and calls, in this order."""

    def see(self, files: Sequence[str], params: str, own_file: str, address: str) -> Sight:
        """See `sight`."""
        self._seen = sight(files, params, own_file, address)
        return self._seen

    def listen(self, word: str) -> list[tuple[str, int]]:
        """See `reach.listen`; at all addresses at which workers here will be called."""
        return listen(self._seen["hosts"], word)

    def unreached(self, called: Sequence[tuple[str, int]], word: str) -> list[tuple[str, int, str]]:
        """See `reach.unreached`."""
        return unreached(called, word)


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
