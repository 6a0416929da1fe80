"""Exponential moving average of the parameters: the network that a training at a constant rate ends as."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["MovingAverage"]


class MovingAverage:
    """The moving average of a network's parameters over the steps of a training.

    A step at a constant rate never settles; its average does, and fits held-out rows better than a rate that falls to
    0, which goes on to fit the training rows. Its decay is min(decay, (1 + n) / (10 + n)) after n steps, so that a
    short training forgets its start too.

    Args:
        parameters: of the network as it is now.
        decay: a step, in [0, 1).

    References:
        Acceleration of Stochastic Approximation by Averaging (Polyak and Juditsky, 1992); the rise of the decay is
        that of TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self.parameters, self.decay = parameters, decay
        self.values = self._copies()

    def update(self, steps: int) -> None:
        """Take the parameters in, after so many steps."""
        share = 1 - min(self.decay, (1 + steps) / (10 + steps))
        for value, parameter in zip(self.values, self.parameters, strict=True):
            value.lerp_(parameter.detach(), share)

    @contextmanager
    def in_place(self) -> Iterator[list[Tensor]]:
        """The network is the average in here; gives the parameters that it will go on from."""
        last = self._copies()
        self.take()
        try:
            yield last
        finally:
            self._set(last)

    def take(self) -> None:
        """Make the network the average."""
        self._set(self.values)

    def _copies(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def _set(self, values: Sequence[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.copy_(value)
