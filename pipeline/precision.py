"""In which numbers a training multiplies matrices; what it looks at, and what it leaves, is float32."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from pipeline.errors import InputError
from pipeline.params import Precision

__all__ = ["begin", "in_float32", "of_conditioners"]

TF32_FROM = 8  # compute capability of NVIDIA's Ampere


def begin(precision: Precision, device: torch.device) -> None:
    """Let the products of this process be as `precision` says, from now on.

    Raises:
        InputError: `tf32` where the device has none.
    """
    if precision == "tf32" and (device.type != "cuda" or torch.cuda.get_device_capability(device)[0] < TF32_FROM):
        here = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU"
        raise InputError(
            f"params.yaml: train.precision: found 'tf32' on {here}, which has none; accepted there are 'highest' "
            "(float32) and 'bfloat16' (in the conditioners alone)"
        )
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")


@contextmanager
def in_float32() -> Iterator[None]:
    """Multiply in float32 in the block, whatever the training does."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def of_conditioners(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """The conditioners of a flow that is called in here multiply in bfloat16, where `precision` says so."""
    # the casts of a graph that is captured must not outlive it
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False)
