"""A look at each node of a cluster before anything starts there: it sees the files, code and versions that we see.

A node that imports another `pipeline`, or writes its checkpoints where nobody else looks, fails late or not at all. So
a task on each says what it sees, and each difference is in a line that names the node.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray import cloudpickle
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.cluster import sight as sights
from pipeline.cluster.sight import ROUTE, Sight, appears, sight
from pipeline.errors import InputError, one_line
from pipeline.params import MachineParams
from pipeline.storage.remote import own_folder

__all__ = ["look_at_nodes"]

PATIENCE = 30.0  # seconds in which a node says what it sees; a busy one takes 10 to start a process


def look_at_nodes(machine: MachineParams, data: Path) -> None:
    """Compare what every node sees with what this process sees, where the cluster has more than one.

    Args:
        machine: section `machine`.
        data: folder of the project's tables.

    Raises:
        InputError: a node differs; the line says all differences.
    """
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if len(nodes) < 2:
        return
    with _marked(machine.storage, data) as markers:
        files = [str(marker) for marker in markers]
        own = {node: f"{files[0]}-{node}" for node in nodes}
        here = sight(files, "", "")
        wrong = []
        for node, seen in _sights(nodes, files, own).items():
            differences = [seen] if isinstance(seen, str) else _differences(seen, here, own[node], machine.workers)
            wrong += [f"node {nodes[node]}: {words}" for words in differences]
    if wrong:
        raise InputError("; ".join(wrong))
    folders = ", ".join(str(marker.parent) for marker in markers)
    print(f"{len(nodes)} nodes: code {machine.code}, {folders} seen by all", flush=True)


@contextmanager
def _marked(storage: str, data: Path) -> Iterator[list[Path]]:
    """Files that no other host can know of, in the folders that all nodes have to see: storage first, then data."""
    folders = [Path(own_folder(storage)).absolute(), *([data.absolute()] if data.is_dir() else [])]
    markers = [folder / f".seen-{secrets.token_hex(8)}" for folder in folders]
    try:
        for marker in markers:
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
        yield markers
    finally:
        for marker in markers:
            for file in marker.parent.glob(f"{marker.name}*"):
                file.unlink(missing_ok=True)


def _sights(nodes: dict[str, str], files: list[str], own: dict[str, str]) -> dict[str, Sight | str]:
    """What each node sees, or why it says nothing."""
    cloudpickle.register_pickle_by_value(sights)
    try:
        look = ray.remote(num_cpus=0, max_retries=0)(sight)
        tasks = {}
        for node, address in nodes.items():
            there = NodeAffinitySchedulingStrategy(node, soft=False)
            tasks[look.options(scheduling_strategy=there).remote(files, own[node], address)] = node
    finally:
        cloudpickle.unregister_pickle_by_value(sights)
    done, late = ray.wait(list(tasks), num_returns=len(tasks), timeout=PATIENCE)
    found: dict[str, Sight | str] = {tasks[task]: f"gives no answer in {PATIENCE:.0f} s" for task in late}
    for task in late:
        ray.cancel(task, force=True)
    for task in done:
        try:
            found[tasks[task]] = ray.get(task)
        except RayError as error:
            found[tasks[task]] = one_line(error.cause if isinstance(error, RayTaskError) else error)
    return found


def _differences(seen: Sight, here: Sight, own_file: str, workers: int) -> Iterator[str]:
    """What a node sees that this host does not, or the other way round; a few words each."""
    if seen["code"] != here["code"]:
        found = f"another package `pipeline`, in {seen['folder']}" if seen["code"] else "no package `pipeline`"
        yield f"found {found}, expected that of {here['folder']}: share this folder, or set machine.code: shipped"
    for name, value in here["versions"].items():
        if seen["versions"][name] != value:
            yield f"found {name} {seen['versions'][name]}, expected {value}, as here"
    for file in seen["unseen"]:
        yield f"found another {Path(file).parent}, or none, expected the folder of this host: all nodes share it"
    if seen["unwritten"]:
        yield f"{Path(own_file).parent} can't be written ({seen['unwritten']})"
    elif own_file and not seen["unseen"] and not appears(own_file):
        yield f"what it writes to {Path(own_file).parent} is not seen here, expected one folder that all nodes share"
    if not seen["interface"] and workers > 1:
        yield f"found no network interface of that address, set {ROUTE} for the Ray there"
