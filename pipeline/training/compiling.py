"""Whether a training compiles its step (torch.compile), and whether this machine can.

Compiled and eager steps differ in the last bit, so a run keeps to its choice: it follows from the number of steps in
all, and a checkpoint carries it. A run that goes on where nothing can be compiled goes on eager, and stays so.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx  # torch.export would copy the parameters

__all__ = ["COMPILE_FROM", "CompiledModel", "TracedModel", "prefers_compiling", "traced", "why_not"]

# Steps of a flow. At the default size (12 blocks of width 64, N = 32, 512 rows) on one core a compiled step took
# 13 ms and an eager one 21; compilation took 48 s of CPU time: even after 6,000 steps, and later where the machine is
# shared. Half the blocks compile in half the time and save half as much, so the number holds for other depths.
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


def why_not(device: str) -> str | None:
    """Why nothing can be compiled here for "cpu" or "cuda", as one line; None where it can be.

    It is tried, with a small network forward and backward, and without what was compiled before.
    """
    # Nothing public hides kernels that were compiled before. Here, as its imports take a second, which a run that stays
    # eager need not take.
    from torch._inductor.utils import fresh_cache

    torch.compiler.reset()
    model = nn.Linear(2, 2, device=device)
    try:
        with fresh_cache():
            CompiledModel(model)(torch.ones(2, 2, device=device)).sum().backward()
    except Exception as error:  # whatever a compiler that is absent or broken may raise
        return next(iter(str(error).strip().splitlines()), type(error).__name__)
    return None


class TracedModel(nn.Module):
    """A network as the graph of its tensors, which is traced at the first call of each kind of inputs.

    A kind is the inputs' shapes, types and devices, and whether autocast is on. The modules, and vmap, are traced away:
    each call of a stack of flows would spend a tenth of a step on what says which kernels to start.

    Args:
        model: a function of its inputs' values and its parameters alone, without a draw.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = (model,)  # in a tuple, or its parameters would be parameters here too
        self._made: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def forward(self, *inputs: Tensor) -> Any:
        """What the network gives."""
        device = inputs[0].device.type
        autocast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        kind = (autocast, *((value.shape, value.dtype, value.device) for value in inputs))
        if kind not in self._made:
            self._made[kind] = self._make(traced(self._model[0], *inputs))
        with torch.autocast(device, enabled=False):  # its casts are in the graph, and what it keeps in float32 stays so
            return self._made[kind](*inputs)

    def _make(self, graph: nn.Module) -> Callable[..., Any]:
        return graph


class CompiledModel(TracedModel):
    """A network whose forward and backward pass are compiled at the first call of each kind of inputs.

    What is compiled is the graph of its tensors: otherwise each call would check the attributes of all modules anew,
    which takes a sixth of a step of 25 rows. Its kernels are compiled in this process: a pool of compilers beside each
    worker would take CPUs that nobody asked for.
    """

    def _make(self, graph: nn.Module) -> Callable[..., Any]:
        torch._inductor.config.compile_threads = 1  # its public variable is read when torch is imported
        return torch.compile(graph, fullgraph=True, dynamic=False)


def traced(function: Callable[..., Any], *examples: Tensor) -> nn.Module:
    """The operations of a function for inputs shaped as `examples`, as one graph that reads parameters where they are.

    For speed alone: it takes inputs of another shape without an error and may give wrong numbers. To save a flow for
    use elsewhere there is `torch.export`.
    """
    return make_fx(lambda *inputs: function(*inputs))(*examples)
