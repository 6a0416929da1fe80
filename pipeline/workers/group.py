"""A function in several workers of Ray Train, which meet in one group of torch.distributed.

A worker that raises an error leaves the others waiting for it, where they meet next. So the error is for Ray Train,
which looks at each worker in turn and kills them all at once; what it was says whether they start anew.
"""

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ray.exceptions import RayActorError, RayError
from ray.train import ControllerError, FailureConfig, RunConfig, ScalingConfig, TrainingFailedError, WorkerGroupError
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.train.v2._internal.exceptions import (  # which Ray Train raises to its callers, and names nowhere else
    WorkerGroupStartupFailedError,
    WorkerGroupStartupTimeoutError,
    WorkerHealthCheckFailedError,
)
from ray.util import get_node_ip_address

from pipeline.cluster.reach import ROUTE, ROUTE_OF_NCCL, interface_of
from pipeline.errors import InputError
from pipeline.machine import Resources
from pipeline.storage.folder import Storage
from pipeline.workers.child import say_lost
from pipeline.workers.on_ray import Losses, await_nodes, call, lost_too_often, noted

__all__ = ["in_group"]


class _LostPeerError(RuntimeError):
    """What a worker meets whose group has lost another: it is no fault of its own."""


@contextmanager
def in_group(
    workers: int, resources: Resources, losses: Losses, storage: Storage, function: Callable[..., Any], *arguments: Any
) -> Iterator[Callable[[], Any]]:
    """Run a function in each of several workers that Ray Train starts, as one group of torch.distributed.

    Seven parameters, as `function` and `arguments` are one call; see `in_child`. What waits also starts them, and gives
    what the first worker gives. Where one is killed, all are started anew; where one raises an error, all are ended.

    Args:
        workers: how many.
        resources: of each.
        losses: from which is gone on.
        storage: where Ray Train keeps its own files meanwhile.
        function: of a module; it is given the worker's device, and then `arguments`.
        arguments: what can be pickled.

    Raises:
        InputError: a worker refuses its input, workers were lost too often, or a node was and did not come back.
        TrainingFailedError: a worker raised another error; its traceback is part of it.
    """

    above, name = storage.parent, storage.name

    def once() -> Any:
        above.remove(name)
        files, path = above.opened()
        trainer = _Trainer(
            _call_in_group,
            train_loop_config={"function": function, "arguments": arguments},
            torch_config=_Torch(),
            scaling_config=ScalingConfig(
                num_workers=workers, use_gpu=resources.gpus > 0, resources_per_worker=resources.as_dict()
            ),
            # Ray Train would also start workers anew whose input is wrong, and for good where a node is reclaimed
            run_config=RunConfig(
                name=name,
                storage_path=path,
                storage_filesystem=files,
                failure_config=FailureConfig(max_failures=0, controller_failure_limit=0, max_preemption_failures=0),
            ),
        )
        return noted(trainer.fit().return_value)

    def wait() -> Any:
        lost: BaseException | None = None
        for start in range(losses.restarts + 1):
            if start:
                await_nodes(workers, resources, losses.node_wait)
                say_lost(f"all {workers} start", start, losses.restarts)
            try:
                return once()
            except (TrainingFailedError, RayActorError) as error:
                lost = _lost(error)
        assert lost is not None
        raise lost_too_often(losses.restarts, lost)

    try:
        yield wait
    finally:
        above.remove(name)


class _Trainer(TorchTrainer):  # type: ignore[misc]
    def _register_sigint_handler(self, controller: object) -> None:
        """Ctrl-C is the stage's, which ends in 130; Ray Train would end it in 0."""


class _Torch(TorchConfig):  # type: ignore[misc]
    @property
    def backend_cls(self) -> type:
        return _Backend


class _Backend(TorchConfig().backend_cls):  # type: ignore[misc] # Ray Train has no public name for it
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """As Ray has it; but each worker reaches the others by the address by which Ray knows its node."""
        worker_group.execute(_take_route)
        super().on_start(worker_group, backend_config)

    def on_shutdown(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """Nothing, as the workers are killed next, and Ray waits 30 s for a group of which one has failed."""


def _take_route() -> None:
    """What gloo would find by the name of the host is often 127.0.0.1; who set a route keeps it."""
    interface = interface_of(get_node_ip_address())
    for name in (ROUTE, ROUTE_OF_NCCL) if interface != "lo" else (ROUTE,):
        if interface:
            os.environ.setdefault(name, interface)


def _lost(error: TrainingFailedError | RayActorError) -> BaseException:
    """The loss of a worker, or of a node, that an error tells of; any other error is raised."""
    cause: BaseException = error
    if isinstance(error, WorkerGroupError):
        failures = [error.worker_failures[rank] for rank in sorted(error.worker_failures)]
        if refusals := [failure for failure in failures if isinstance(failure, InputError)]:
            raise InputError(str(refusals[0])) from None
        own = [failure for failure in failures if not isinstance(failure, _LostPeerError)]
        if not all(isinstance(failure, WorkerHealthCheckFailedError) for failure in own):
            raise error
        cause = next(iter(own or failures))
    elif isinstance(error, ControllerError):
        cause = error.controller_failure
        if not isinstance(cause, (WorkerGroupStartupFailedError, WorkerGroupStartupTimeoutError, RayError)):
            raise error
    elif isinstance(error, RayActorError) and error.actor_init_failed:
        raise error
    return cause


def _call_in_group(settings: dict[str, Any]) -> Any:
    try:
        return call(settings["function"], str(get_device()), *settings["arguments"])
    except RuntimeError as error:
        frames = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
        if any(name.startswith("torch.distributed") for name in frames):
            raise _LostPeerError(f"another worker was lost: {error}") from error
        raise
