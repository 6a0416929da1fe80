"""Exponential moving average of the parameters: the network that a training at a constant rate ends as."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["MovingAverage"]


class MovingAverage:
    """The moving average of one parameter vector over the steps of a training.

    A step at a constant rate never settles; its average does, and fits held-out rows better than a rate that falls to
    0, which goes on to fit the training rows. Its decay is min(decay, (1 + n) / (10 + n)) after n steps, so that a
    short training forgets its start too.

    Args:
        parameter: [P], of the network as it is now.
        decay: a step, in [0, 1).

    References:
        Acceleration of Stochastic Approximation by Averaging (Polyak and Juditsky, 1992); the rise of the decay is
        that of TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, parameter: nn.Parameter, decay: float) -> None:
        self.parameter, self.decay = parameter, decay
        self.value = parameter.detach().clone()

    def update(self, steps: int) -> None:
        """Take the parameters in, after so many steps."""
        self.value.lerp_(self.parameter.detach(), 1 - min(self.decay, (1 + steps) / (10 + steps)))

    @contextmanager
    def in_place(self) -> Iterator[Tensor]:
        """The network is the average in here; gives the parameters [P] that it will go on from."""
        last = self.parameter.detach().clone()
        self.take()
        try:
            yield last
        finally:
            with torch.no_grad():
                self.parameter.copy_(last)

    @torch.no_grad()
    def take(self) -> None:
        """Make the network the average."""
        self.parameter.copy_(self.value)
