"""Whether a training compiles its step (torch.compile), and whether this machine can.

Compiled and eager steps differ in the last bit, so a run keeps to its choice: it follows from the number of steps in
all, and a checkpoint carries it.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor.utils import fresh_cache

__all__ = ["COMPILE_FROM", "OPTIONS", "compiled", "prefers_compiling", "why_not"]

BACKEND = "inductor"
OPTIONS = {"cpp_wrapper": True}  # kernels are called from C++ and not from Python: a tenth of a step of 25 rows
# Steps of a flow. At the default size (6 blocks of width 128, N = 32, 512 rows) on one core a compiled step took
# 18.9 ms and an eager one 25.4; compilation took 39 s of CPU time, up to 58 s on a shared machine: even after 6,000 to
# 9,000. Half the blocks compile in half the time and save half as much, so the number holds for other depths.
COMPILE_FROM = 10_000


def prefers_compiling(steps: int, compile_from: int | None, resume: Mapping[str, Any] | None) -> bool:
    """Whether a run of `steps` in all compiles its step.

    Args:
        steps: in all, of the params, never those left.
        compile_from: steps from which it pays; None: never.
        resume: the state that the run goes on from, whose choice is kept.
    """
    if resume:
        return bool(resume["compiled"])
    return compile_from is not None and steps >= compile_from


def why_not() -> str | None:
    """Why this machine cannot compile, as one line; None where it can, found by compiling something small."""
    torch.compiler.reset()  # nothing that was compiled before may answer
    torch._inductor.config.compile_threads = 1
    try:
        with fresh_cache():
            torch.compile(_small, backend=BACKEND, dynamic=False)(torch.zeros(8))
    except Exception as error:  # whatever a compiler that is absent or broken may raise
        return str(error).strip().splitlines()[0]
    return None


def _small(x: Tensor) -> Tensor:
    return x + 1


def compiled(model: nn.Module) -> nn.Module:
    """The model with a compiled forward and backward pass, for one shape of input.

    Its kernels are compiled in this process: a pool of compilers beside each worker would take CPUs that nobody
    asked for.
    """
    torch._inductor.config.compile_threads = 1
    options = OPTIONS if BACKEND == "inductor" else None
    model.compile(backend=BACKEND, dynamic=False, options=options)
    return model
