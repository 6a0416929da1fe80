"""A Ray cluster of several hosts on this machine, each a network namespace with an address of its own (Linux, as root).

    python infra/local/nodes.py --nodes 2 -- dvc repro

starts a head and one more node of Ray, runs the command on the head with RAY_ADDRESS set, and ends all of it, unless it
is killed by SIGKILL. The nodes reach each other by that network alone, and nothing else; folders they all share.
"""

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Node", "cluster", "part", "plug", "rejoin", "why_not"]

NETWORK = "10.77.0"  # of namespaces alone: no other host sees it
PORT = 6379
PATIENCE = 120.0  # seconds; a busy machine takes 30
INTERFACE = "eth0"
JOIN = [f"--address={NETWORK}.1:{PORT}"]


@dataclass(frozen=True)
class Node:
    """A host of the cluster.

    Attributes:
        namespace: its network namespace.
        ip: its address.
    """

    namespace: str
    ip: str

    def command(self, *command: str) -> list[str]:
        """The command that runs `command` on this host."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def environment(self) -> dict[str, str]:
        """Variables of what runs here: where the cluster is."""
        address = {"RAY_ADDRESS": f"{NETWORK}.1:{PORT}", "RAY_AUTH_MODE": "disabled"}
        # a caller that ran a local Ray has told its own to listen on 127.0.0.1 alone
        inherited = {key: value for key, value in os.environ.items() if key != "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"}
        return inherited | address | {"RAY_USAGE_STATS_ENABLED": "0"}

    def processes(self) -> list[int]:
        """Ids of all processes on this host."""
        done = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False)
        return [int(pid) for pid in done.stdout.split()]


def why_not() -> str:
    """Why there can be no such cluster here; empty where there can."""
    if shutil.which("ip") is None:
        return "Debian package: iproute2"
    name = f"iin-{os.getpid()}-try"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        _ip("netns", "del", name)
    return done.stderr.strip()


@contextmanager
def cluster(num_nodes: int, cpus: int, *head_options: str, hidden: Sequence[Path] = ()) -> Iterator[list[Node]]:
    """A head, which comes first, and `num_nodes - 1` more, each with `cpus` CPUs, until the end of the block.

    `head_options` are further ones of `ray start --head`; `hidden` are folders that only the head sees.
    """
    prefix = f"iin-{os.getpid()}"
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir="/tmp"))  # of sockets, whose paths have 107 bytes at most
    nodes = [Node(f"{prefix}-{number}", f"{NETWORK}.{number}") for number in range(1, num_nodes + 1)]
    started: list[subprocess.Popen[bytes]] = []
    try:
        _connect(nodes, f"{prefix}-switch")
        for node in nodes:
            log = folder / f"{node.namespace}.log"
            head = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={folder}", *head_options]
            of_head = node == nodes[0]
            started.append(_start(node, cpus, log, head if of_head else JOIN, () if of_head else hidden))
            _wait(node, started[-1], log)
        yield nodes
    finally:
        for node in nodes:
            _end(node)
        for process in started:
            process.wait()
        for namespace in (*(node.namespace for node in nodes), f"{prefix}-switch"):
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def rejoin(node: Node, cpus: int, log: Path) -> None:
    """Start Ray anew on a host that has lost it; it ends with the cluster.

    Args:
        node: not the head.
        cpus: as Ray counts them.
        log: file of what Ray says.
    """
    _wait(node, _start(node, cpus, log, JOIN, ()), log)


def plug(node: Node, *, pulled: bool) -> None:
    """Pull the cable of a host out of the switch, or put it back in."""
    switch, port = _port(node)
    _ip("-n", switch, "link", "set", port, "down" if pulled else "up")


def part(nodes: Sequence[Node], *, parted: bool) -> None:
    """Keep hosts from each other, but from no other host, or let them reach each other again."""
    for node in nodes:
        switch, port = _port(node)
        _ip("-n", switch, "link", "set", port, "type", "bridge_slave", "isolated", "on" if parted else "off")


def main() -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(description="run a command on the head of a Ray cluster of network namespaces")
    parser.add_argument("--nodes", type=int, default=2, help="of the cluster, its head included")
    parser.add_argument("--cpus", type=int, default=1, help="of each node, as Ray counts them")
    parser.add_argument("--hide", type=Path, nargs="+", default=[], help="folders that only the head sees")
    parser.add_argument("command", nargs="+", metavar="-- COMMAND")
    arguments = parser.parse_args()
    reason = why_not()
    if reason:
        print(f"error: network namespaces: {reason}", file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    with cluster(arguments.nodes, arguments.cpus, hidden=arguments.hide) as nodes:
        head = nodes[0]
        return subprocess.run(head.command(*arguments.command), env=head.environment(), check=False).returncode


def _connect(nodes: list[Node], switch: str) -> None:
    """A switch in a namespace of its own, so that this machine's network stays as it is, and a cable to each node."""
    _ip("netns", "add", switch)
    _ip("-n", switch, "link", "add", "switch", "type", "bridge")
    _ip("-n", switch, "link", "set", "switch", "up")
    for number, node in enumerate(nodes):
        _ip("netns", "add", node.namespace)
        plug = ("type", "veth", "peer", "name", INTERFACE, "netns", node.namespace)
        _ip("-n", switch, "link", "add", f"port{number}", *plug)
        _ip("-n", switch, "link", "set", f"port{number}", "master", "switch", "up")
        _ip("-n", node.namespace, "address", "add", f"{node.ip}/24", "dev", INTERFACE)
        for link in ("lo", INTERFACE):
            _ip("-n", node.namespace, "link", "set", link, "up")


def _port(node: Node) -> tuple[str, str]:
    """The switch's namespace, and its port for a host."""
    prefix, _, number = node.namespace.rpartition("-")
    return f"{prefix}-switch", f"port{int(number) - 1}"


def _start(node: Node, cpus: int, log: Path, role: list[str], hidden: Sequence[Path]) -> "subprocess.Popen[bytes]":
    ray = str(Path(sys.executable).parent / "ray")
    start = [ray, "start", "--block", f"--node-ip-address={node.ip}", f"--num-cpus={cpus}", *role]
    # `ip netns exec` gives it mounts of its own: an empty folder lies over each hidden one
    mounts = [f"mount -t tmpfs none {shlex.quote(str(folder))}" for folder in hidden]
    command = node.command("sh", "-c", " && ".join([*mounts, f"exec {shlex.join(start)}"]))
    environment = {name: value for name, value in node.environment().items() if name != "RAY_ADDRESS"}
    with log.open("wb") as out:
        return subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)


def _wait(node: Node, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until Ray says that the node runs, which it does when the head knows of it.

    Raises:
        RuntimeError: the node ended, or it takes too long; with its own words.
    """
    deadline = time.monotonic() + PATIENCE
    while "Ray runtime started" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"node {node.ip} did not start: {log.read_text()}")
        time.sleep(0.1)


def _end(node: Node) -> None:
    """Kill all that runs on a host, and what it starts meanwhile; nobody else's processes are there."""
    while pids := node.processes():
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
