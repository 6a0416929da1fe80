"""A function in one process that Ray has; and what is done about a process or a node that is lost."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

from pipeline.cluster.joining import answers, is_up
from pipeline.entry import die_with_parent
from pipeline.errors import InputError, one_line
from pipeline.machine import Resources
from pipeline.progress import keeping_notes, note
from pipeline.workers.child import say_lost

__all__ = ["Losses", "await_nodes", "call", "in_task", "lost_too_often", "noted"]


@dataclass(frozen=True)
class Losses:
    """From which losses is gone on.

    Attributes:
        restarts: how often workers that were lost are started anew at most.
        node_wait: seconds for which a node that was lost is waited for.
    """

    restarts: int
    node_wait: float


@contextmanager
def in_task(
    resources: Resources, losses: Losses, function: Callable[..., Any], *arguments: Any
) -> Iterator[Callable[[], Any]]:
    """Run a function in one process that Ray has; see `in_child`.

    Ray Train, which has workers meet, would start four processes more for one.

    Raises:
        InputError: the function refuses its input, its process was lost too often, or a node that has room for it.
    """
    options = {"num_cpus": resources.cpus, "num_gpus": resources.gpus, "max_calls": 1}  # a process of its own
    start = partial(ray.remote(**options, max_retries=0)(call).remote, function, resources.device, *arguments)
    tasks = [start()]
    ended: list[ray.ObjectRef] = []

    def wait() -> Any:
        while True:
            while not ray.wait(tasks[-1:], timeout=5)[0]:  # Ray itself would wait for a node without end
                await_nodes(1, resources, losses.node_wait)
            ended.append(tasks[-1])
            try:
                return noted(ray.get(tasks[-1]))
            except RayTaskError as error:
                if isinstance(error.cause, InputError):
                    raise InputError(str(error.cause)) from None
                raise
            except (WorkerCrashedError, NodeDiedError, OutOfMemoryError) as error:
                if len(tasks) > losses.restarts:
                    raise lost_too_often(losses.restarts, error) from None
            await_nodes(1, resources, losses.node_wait)
            say_lost("it starts", len(tasks), losses.restarts)
            tasks.append(start())

    try:
        yield wait
    finally:
        if tasks[-1] not in ended:  # Ray would abort this process where its own thread still writes down how one ended
            ray.cancel(tasks[-1], force=True)


def await_nodes(workers: int, resources: Resources, node_wait: float) -> None:
    """Wait until the cluster has what so many workers need, which a node that was lost may bring back.

    Raises:
        InputError: it has not for `node_wait` seconds.
    """
    end = time.monotonic() + node_wait
    said = False
    while missing := _missing(workers, resources):
        if not said:
            print(f"a node was lost: {missing}; waiting {node_wait:.0f} s for it (machine.node_wait)", flush=True)
            said = True
        if time.monotonic() > end:
            raise InputError(
                f"a node was lost, and did not come back in {node_wait:.0f} s (machine.node_wait): {missing}; the same "
                "command goes on from the last checkpoint once it is back, or with fewer machine.workers"
            )
        time.sleep(0.5)


def lost_too_often(restarts: int, error: BaseException) -> InputError:
    """What is said where workers are lost again and again, as of too little memory."""
    return InputError(
        f"a worker was lost {restarts + 1} times, as when memory is short, the last time by: {one_line(error)}; the "
        "same command goes on from the last checkpoint"
    )


def call(function: Callable[..., Any], *arguments: Any) -> tuple[Any, list[str]]:
    """Call a function in a worker, which ends with the node that started it; gives its notes with its result."""
    die_with_parent(signal.SIGKILL)
    with keeping_notes() as notes:
        return function(*arguments), notes


def noted(given: tuple[Any, list[str]]) -> Any:
    """The result of `call`, whose notes are said."""
    result, notes = given
    for line in notes:
        note(line)
    return result


def _missing(workers: int, resources: Resources) -> str:
    """What the nodes that answer have, and what is needed; empty where it is enough.

    Ray itself knows of the loss of a node half a minute later.
    """
    head = ray.get_runtime_context().gcs_address
    if not answers(head):  # else Ray would wait for it, and hear of nothing meanwhile
        return f"the head, {head}, does not answer"
    here: list[dict[str, Any]] = []
    lost: list[dict[str, Any]] = []
    for node in ray.nodes():
        (here if node["Alive"] and is_up(node) else lost).append(node)
    few = []
    for kind, each in resources.as_dict().items():
        has = sum(node["Resources"].get(kind, 0) for node in here)
        if has < workers * each:
            few.append(f"{has:.0f} {kind}s of {workers * each:.0f}")
    left = {node["NodeManagerAddress"] for node in here}
    gone = sorted({node["NodeManagerAddress"] for node in lost} - left)
    return f"{', '.join(sorted(left))} have {' and '.join(few)}, without {', '.join(gone)}" if few else ""
