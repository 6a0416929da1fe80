"""One step of a training: draw, forward, backward, clip, AdamW, moving average. On a GPU it is one CUDA graph.

A step of a small network is some 1,500 small kernels, whose launch from Python takes ten times as long as their work.
A graph is captured once and replayed: what differs from step to step (its number, the learning rates) lies in tensors
that it reads. The figures of a step are tensors, too, and are read when they are logged, never in between.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipeline.params import Optimisation
from pipeline.progress import note
from pipeline.training.parameters import FlatModel, MovingAverage, StackedModel

__all__ = ["Loss", "Step", "Stepped", "learning_rate"]

WARM_UP = 3  # steps on a stream of their own before the capture, as libraries set themselves up in the first ones

# of a network, a step (a number, or a tensor where it is captured) and a part of the batch
Loss = Callable[[nn.Module, Any, slice], tuple[Tensor, dict[str, Tensor]]]


@dataclass(frozen=True)
class Stepped:
    """What a step works on.

    Attributes:
        loss: of each network, and figures, at a step and a part of its batch.
        called: what the loss calls.
        model: whose parameters are stepped.
        average: of the parameters; None: there is none.
        optimiser: with a group for each of `configs`.
        configs: whose learning rates the groups have.
        part: of the batch, that this worker takes.
        weight: of its part, with which the mean over workers is that over examples.
        world: how many workers there are.
    """

    loss: Loss
    called: nn.Module
    model: FlatModel | StackedModel
    average: MovingAverage | None
    optimiser: torch.optim.Optimizer
    configs: Sequence[Optimisation]
    part: slice
    weight: float = 1.0
    world: int = 1


class Step:
    """Takes the steps of a training, each given its number.

    Args:
        stepped: what it works on.
        captured: whether to replay a graph: on a GPU, of a loss that takes its step as a tensor and reads nothing
            from the host. Where it can't be captured, the steps go on one kernel at a time, and a line says so.
    """

    def __init__(self, stepped: Stepped, *, captured: bool) -> None:
        self._of, self._parameters = stepped, list(stepped.model.parameters())
        clip = stepped.configs[0].clip
        self._clip = math.inf if clip is None else clip
        self._captured, self._taken = captured, 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._failed: torch.cuda.CUDAGraph | None = None
        self._figures: dict[str, Tensor] = {}
        device = self._parameters[0].device
        self._number = torch.zeros((), dtype=torch.int64, device=device)
        self._rates = [torch.zeros((), device=device) for _ in stepped.configs]

    def __call__(self, number: int) -> dict[str, Tensor]:
        """Take step `number`, from 0; gives its figures, with the norm of the gradient before it was clipped.

        They are those of the newest step: a later one may write over them.
        """
        rates = [learning_rate(config, number) for config in self._of.configs]
        if not self._captured:
            for group, rate in zip(self._of.optimiser.param_groups, rates, strict=True):
                group["lr"] = rate
            return self._take(number)
        self._number.fill_(number)
        for group, own, rate in zip(self._of.optimiser.param_groups, self._rates, rates, strict=True):
            group["lr"] = own.fill_(rate)
        if self._taken == WARM_UP:
            self._capture()
        self._taken += 1
        if self._graph:
            self._graph.replay()
        else:
            self._figures = self._beside(self._number) if self._taken <= WARM_UP else self._take(self._number)
        return self._figures

    def _take(self, number: int | Tensor) -> dict[str, Tensor]:
        of = self._of
        loss, figures = of.loss(of.called, number, of.part)
        of.model.zero_grad()
        (loss * of.weight).sum().backward()
        for parameter in self._parameters if of.world > 1 else ():
            assert parameter.grad is not None
            dist.all_reduce(parameter.grad)
            parameter.grad /= of.world
        norm = of.model.clip(self._clip)
        of.optimiser.step()
        if of.average:
            of.average.update(number + 1)
        # without what they were computed by, whose nodes would bind later steps to the stream of this one
        return {name: value.detach() for name, value in figures.items()} | {"gradient_norm": norm}

    def _beside(self, number: Tensor) -> dict[str, Tensor]:
        """Take the step on a stream of its own, as a capture will."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            figures = self._take(number)
        torch.cuda.current_stream().wait_stream(stream)
        return figures

    def _capture(self) -> None:
        """Record what a step does, which takes none."""
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph):
                self._figures = self._take(self._number)
            self._graph = graph
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            torch.cuda.set_stream(stream)  # a capture that fails leaves its own
            self._failed = graph  # the allocator still knows its pool
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            note(f"a step can't be captured as a graph, so it goes on eager: {reason}")


def learning_rate(config: Optimisation, step: int) -> float:
    """Learning rate of a step in 0 … steps − 1, as the schedule has it."""
    fall = 0.5 * (1 + math.cos(math.pi * step / config.steps)) if config.schedule == "cosine" else 1.0
    return config.learning_rate * fall
