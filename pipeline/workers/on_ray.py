"""A function in processes that Ray has: one task, or the workers of Ray Train."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray

from pipeline.entry import die_with_parent
from pipeline.machine import Resources
from pipeline.storage.folder import Storage

__all__ = ["in_group", "in_task"]


@contextmanager
def in_task(
    resources: Resources, restarts: int, function: Callable[..., Any], *arguments: Any
) -> Iterator[Callable[[], Any]]:
    """Run a function in one process that Ray has; see `in_child`.

    Ray Train, which has workers meet, would start four processes more for one.
    """
    options = {"num_cpus": resources.cpus, "num_gpus": resources.gpus, "max_calls": 1}  # a process of its own
    task = ray.remote(**options, max_retries=restarts)(_call).remote(function, resources.device, *arguments)
    try:
        yield lambda: ray.get(task)
    finally:
        ray.cancel(task, force=True)


@contextmanager
def in_group(
    workers: int, resources: Resources, restarts: int, storage: Storage, function: Callable[..., Any], *arguments: Any
) -> Iterator[Callable[[], Any]]:
    """Run a function in each of several workers that Ray Train starts, as one group of torch.distributed.

    Seven parameters, as `function` and `arguments` are one call; see `in_child`. What waits also starts them, and gives
    what the first worker gives. Where one is killed, all are started anew.

    Args:
        workers: how many.
        resources: of each.
        restarts: how often they are started anew at most.
        storage: where Ray Train keeps its own files meanwhile.
        function: of a module; it is given the worker's device, and then `arguments`.
        arguments: what can be pickled.
    """
    import ray.train  # takes a second more than Ray, which a task need not wait for
    from ray.train.torch import TorchTrainer

    above, name = storage.parent, storage.name
    above.remove(name)
    files, path = above.opened()
    trainer = TorchTrainer(
        _call_in_group,
        train_loop_config={"function": function, "arguments": arguments},
        scaling_config=ray.train.ScalingConfig(
            num_workers=workers, use_gpu=resources.gpus > 0, resources_per_worker=resources.as_dict()
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=path,
            storage_filesystem=files,
            failure_config=ray.train.FailureConfig(max_failures=restarts, controller_failure_limit=0),
        ),
    )
    try:
        yield lambda: trainer.fit().return_value
    finally:
        above.remove(name)


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    die_with_parent(signal.SIGKILL)
    return function(*arguments)


def _call_in_group(settings: dict[str, Any]) -> Any:
    from ray.train.torch import get_device

    return _call(settings["function"], str(get_device()), *settings["arguments"])
