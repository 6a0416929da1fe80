"""Whether nodes reach each other where their workers will: each listens, and all others call it.

Ray needs the way to its head, and a group of workers all ways between them, at ports that the kernel chooses. Sent to
nodes by value, as `sight` is.
"""

import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psutil

__all__ = ["ROUTE", "ROUTE_OF_NCCL", "hosts_of", "interface_of", "listen", "unreached"]

ROUTE, ROUTE_OF_NCCL = "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"  # by which interface a process reaches the others

SECONDS = 4.0  # in which a host answers
WAITING = 128  # callers that one listener has at once


def interface_of(address: str) -> str:
    """Name of the network interface that has an address; empty where none has."""
    owners = [name for name, own in psutil.net_if_addrs().items() if address in (one.address for one in own)]
    return next(iter(owners), "")


def hosts_of(address: str) -> tuple[list[str], str]:
    """Addresses at which workers here will be called, and why there is none for some of them; empty where there is.

    Workers meet at the first, by which Ray knows this host, and then talk by the interfaces that `ROUTE` names; where
    it names none, by that of the first.

    Args:
        address: by which the other hosts know this one.
    """
    own = {name: _first(addresses) for name, addresses in psutil.net_if_addrs().items()}
    named = [name for name in os.environ.get(ROUTE, "").split(",") if name]
    if not named and not interface_of(address):
        return [], f"found no network interface of that address, set {ROUTE} for the Ray there"
    if unknown := [name for name in named if not own.get(name)]:
        return [], f"{ROUTE}: found {', '.join(unknown)}, accepted are {', '.join(name for name in own if own[name])}"
    named += [name for name in (os.environ.get(ROUTE_OF_NCCL, "").lstrip("="),) if own.get(name)]
    return list(dict.fromkeys([address, *(own[name] for name in named)])), ""


def listen(hosts: Sequence[str], word: str) -> list[tuple[str, int]]:
    """Say a word to all who call, until the process ends, at a port of each of these addresses, which are given."""
    heard = []
    for host in hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.create_server((host, 0), family=family, backlog=WAITING)
        threading.Thread(target=_say, args=(server, word), daemon=True).start()
        heard.append((host, int(server.getsockname()[1])))
    return heard


def unreached(called: Sequence[tuple[str, int]], word: str) -> list[tuple[str, int, str]]:
    """Those of these addresses and ports at which nobody says the word, each with why."""
    with ThreadPoolExecutor(WAITING) as pool:
        reasons = list(pool.map(partial(_why_not, word), called))
    return [(*at, reason) for at, reason in zip(called, reasons, strict=True) if reason]


def _first(addresses: Sequence[Any]) -> str:
    of_family = {one.family: one.address for one in reversed(addresses)}
    return str(of_family.get(socket.AF_INET) or of_family.get(socket.AF_INET6) or "")


def _say(server: socket.socket, word: str) -> None:
    while True:
        caller, _ = server.accept()
        with caller:
            caller.sendall(word.encode())


def _why_not(word: str, at: tuple[str, int]) -> str:
    try:
        with socket.create_connection(at, timeout=SECONDS) as connection, connection.makefile("rb") as said:
            return "" if said.read(len(word)) == word.encode() else "another process answers there"
    except OSError as error:
        return str(error.strerror or error)
