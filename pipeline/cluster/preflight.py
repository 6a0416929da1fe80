"""A look at each node of a cluster before anything starts there: it sees what we see, and the others reach it.

A node that imports another `pipeline`, writes its checkpoints where nobody else looks, or is called at an address that
leads nowhere, fails late or not at all. So a process on each says what it sees and calls the others, and each
difference is in a line that names the node.
"""

import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.cluster import reach
from pipeline.cluster import sight as sights
from pipeline.cluster.joining import is_up
from pipeline.cluster.sight import Lookout, Sight, appears, sight
from pipeline.errors import InputError, one_line
from pipeline.params import MachineParams
from pipeline.places import Places
from pipeline.storage.remote import own_folder

__all__ = ["look_at_nodes"]

FIRST_LOOK = 8.0  # seconds after which a node that has said nothing is asked whether it is up, for 5 more
PATIENCE = 60.0  # seconds for one that is: a busy one takes 10 to start a process

Wrong = tuple[str, str]  # a node, and what is wrong with it


def look_at_nodes(machine: MachineParams, places: Places) -> None:
    """Compare what every node sees with what this process sees, where the cluster has more than one.

    Where there are several workers, each node also calls all others at the addresses where these would meet and talk.

    Args:
        machine: section `machine`.
        places: of the project.

    Raises:
        InputError: a node differs, or isn't reached; the line says all that is wrong.
    """
    nodes = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
    if len(nodes) < 2:
        return
    names = {node: str(found["NodeManagerAddress"]) for node, found in nodes.items()}
    params = str(places.params.absolute())
    with _marked(machine.storage, places.images.parent) as markers, _lookouts(names) as there:
        files = [str(marker) for marker in markers]
        own = {node: f"{files[0]}-{node}" for node in nodes}
        looks = {node: there[node].see.remote(files, params, own[node], names[node]) for node in nodes}
        seen, wrong = _answers(looks, nodes)
        here = sight(files, params, "", "")
        wrong += [(node, words) for node, found in seen.items() for words in _differences(found, here, own[node])]
        if machine.workers > 1:
            wrong += [(node, found["no_route"]) for node, found in seen.items() if found["no_route"]]
            wrong += _unreached({node: there[node] for node in seen}, nodes)
    if wrong:
        raise InputError("; ".join(f"node {names[node]}: {words}" for node, words in wrong))
    folders = ", ".join(str(marker.parent) for marker in markers)
    reached = ", each reached by the others" if machine.workers > 1 else ""
    print(f"{len(nodes)} nodes: code {machine.code}, {folders} seen by all{reached}", flush=True)


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


@contextmanager
def _lookouts(names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """A process on each node for the block, sent there by value."""
    for module in (sights, reach):
        cloudpickle.register_pickle_by_value(module)
    try:
        there = {}
        for node in names:
            on_it = NodeAffinitySchedulingStrategy(node, soft=False)
            there[node] = ray.remote(num_cpus=0, scheduling_strategy=on_it)(Lookout).remote()
    finally:
        for module in (sights, reach):
            cloudpickle.unregister_pickle_by_value(module)
    try:
        yield there
    finally:
        for lookout in there.values():
            ray.kill(lookout)


def _answers(asked: Mapping[str, Any], nodes: Mapping[str, dict[str, Any]]) -> tuple[dict[str, Any], list[Wrong]]:
    """What each node says, and of those that say nothing why.

    Args:
        asked: of each node, what Ray will give.
        nodes: as Ray describes them.
    """
    node_of = {answer: node for node, answer in asked.items()}
    said: dict[str, Any] = {}
    wrong: list[Wrong] = []
    end, late = time.monotonic() + PATIENCE, list(node_of)
    while late:
        done, late = ray.wait(late, num_returns=len(late), timeout=FIRST_LOOK)
        for answer in done:
            try:
                said[node_of[answer]] = ray.get(answer)
            except RayError as error:
                wrong.append((node_of[answer], one_line(error.cause if isinstance(error, RayTaskError) else error)))
        with ThreadPoolExecutor(len(late) or 1) as pool:
            up = list(pool.map(lambda answer: is_up(nodes[node_of[answer]]), late))
        gone = [answer for answer, there in zip(late, up, strict=True) if not there]
        wrong += [(node_of[answer], "its Ray gives no answer") for answer in gone]
        late = [answer for answer in late if answer not in gone]
        if time.monotonic() > end:
            wrong += [(node_of[answer], f"has started no process in {PATIENCE:.0f} s") for answer in late]
            break
    return said, wrong


def _unreached(there: Mapping[str, Any], nodes: Mapping[str, dict[str, Any]]) -> list[Wrong]:
    """Which nodes do not reach which others, as workers there would."""
    word = secrets.token_hex(8)
    heard, wrong = _answers({node: lookout.listen.remote(word) for node, lookout in there.items()}, nodes)
    calls = {}
    for node in heard:
        called = [at for other, own in heard.items() if other != node for at in own]
        calls[node] = there[node].unreached.remote(called, word)
    missed, silent = _answers(calls, nodes)
    for node, places in missed.items():
        if places:
            found = ", ".join(f"{host} ({reason})" for host, _, reason in places)
            words = f"can't reach {found}: workers call each other at ports that the kernel chooses, so that all have "
            wrong.append((node, f"{words}to be open between nodes, at the address of {reach.ROUTE} where it is set"))
    return [*wrong, *silent]


def _differences(seen: Sight, here: Sight, own_file: str) -> Iterator[str]:
    """What a node sees that this host does not, or the other way round; a few words each."""
    if seen["code"] != here["code"]:
        found = f"another package `pipeline`, in {seen['folder']}" if seen["code"] else "no package `pipeline`"
        yield f"found {found}, expected that of {here['folder']}: share this folder, or set machine.code: shipped"
    if seen["params"] not in ("", here["params"]):  # one that sees none has no folder of the project, which is said
        yield "found another params.yaml in the folder of the project, expected that of this host"
    for name, value in here["versions"].items():
        if seen["versions"][name] != value:
            yield f"found {name} {seen['versions'][name]}, expected {value}, as here"
    for file in seen["unseen"]:
        yield f"found another {Path(file).parent}, or none, expected the folder of this host: all nodes share it"
    if seen["unwritten"]:
        yield f"{Path(own_file).parent} can't be written ({seen['unwritten']})"
    elif own_file and not seen["unseen"] and not appears(own_file):
        yield f"what it writes to {Path(own_file).parent} is not seen here, expected one folder that all nodes share"
