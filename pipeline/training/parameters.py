"""The parameters of networks while they are trained: the small ones as one vector, and their moving average.

A flow of 12 blocks has 168 small parameters. As one vector they take one AdamW kernel, one norm, and one message
between workers, and a compiled step meets one parameter instead of all: at 25 rows that saves a sixth of its time.
A large parameter stays apart: to copy its gradient into the vector would cost more than its own kernels do.

The exponential moving average of the parameters is what is looked at, and what a training ends as.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["LARGE", "FlatModel", "MovingAverage", "StackedModel"]

# Elements from which a parameter stays apart. With those of 512 × 512 in the vector, a step of 25 rows through 12
# blocks of width 512 took 2 ms of 39 more.
LARGE = 2**18


class FlatModel(nn.Module):
    """A network as a function of `flat` [P], which holds its small parameters, and of its large ones as they are.

    The network's own small parameters become views into `flat`: what is trained here is read there, under its own
    names, and what is loaded there is seen here. `parameters()` are all that is trained.

    Args:
        model: a network on its device; parameters that need a gradient have one type, and at least one is small.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> flat = FlatModel(model)
        >>> with torch.no_grad():
        ...     _ = flat.flat.fill_(1.0)
        >>> flat(torch.ones(1, 2)).item(), model.weight.tolist()
        (3.0, [[1.0, 1.0]])
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        named = {name: parameter for name, parameter in trained.items() if parameter.numel() < LARGE}
        self._names, self._shapes = tuple(named), tuple(parameter.shape for parameter in named.values())
        self._sizes = [math.prod(shape) for shape in self._shapes]
        self.flat = nn.Parameter(torch.cat([parameter.detach().flatten() for parameter in named.values()]))
        for parameter, view in zip(named.values(), self._views(self.flat.detach()), strict=True):
            parameter.data = view
        self.large = nn.ParameterList(parameter for parameter in trained.values() if parameter.numel() >= LARGE)
        self._viewed = False
        self._model = (model,)  # in a tuple, or its parameters would be parameters here too

    def eager(self) -> nn.Module:
        """The network itself, the gradients of whose small parameters are views into `flat.grad` from now on.

        It gives the same as `forward`, sooner where nothing is compiled: no views are made, and none taken back.
        """
        self._viewed = True
        self.flat.grad = torch.zeros_like(self.flat)
        named = dict(self._model[0].named_parameters())
        for name, view in zip(self._names, self._views(self.flat.grad), strict=True):
            named[name].grad = view
        return self._model[0]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients before a backward pass; where they are views into it, `flat.grad` stays and is zero."""
        views = self.flat.grad if self._viewed else None
        super().zero_grad(set_to_none)
        if views is not None:
            self.flat.grad = views.zero_()

    def clip(self, most: float) -> Tensor:
        """Shrink the gradient to a norm of at most `most`; gives the norm before."""
        return nn.utils.clip_grad_norm_(self.parameters(), most)

    def by_member(self, values: Sequence[Tensor]) -> list[list[Tensor]]:
        """Of values like `parameters()`, those of each network: of this one all."""
        return [list(values)]

    def rows(self) -> list[list[nn.Parameter]]:
        """What an optimiser is given of each network."""
        return [list(self.parameters())]

    def forward(self, *inputs: Tensor) -> Any:
        """What the network gives, as a function of the parameters here: the form to compile."""
        values = dict(zip(self._names, self._views(self.flat), strict=True))
        return functional_call(self._model[0], values, inputs)

    def _views(self, flat: Tensor) -> list[Tensor]:
        """`split` and not slices: the backward pass of it all is one concatenation."""
        return [part.view(shape) for part, shape in zip(flat.split(self._sizes), self._shapes, strict=True)]


class StackedModel:
    """F stacked networks, with what `FlatModel` has of one: gradients are clipped, and rows stepped, each by itself.

    Args:
        model: its parameters [F, …] hold a row of each network.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = list(model.parameters())
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)

    def parameters(self) -> list[nn.Parameter]:
        """All of them [F, …]."""
        return self._parameters

    def rows(self) -> list[list[nn.Parameter]]:
        """What an optimiser is given of each network: views, as are their gradients."""
        return [[_row(parameter, index) for parameter in self._parameters] for index in range(len(self._parameters[0]))]

    def zero_grad(self) -> None:
        """Clear the gradients where they are."""
        for gradient in self._gradients():
            gradient.zero_()

    def clip(self, most: float) -> Tensor:
        """Shrink the gradient of each network to a norm of at most `most`; gives the norms before [F]."""
        of_each = [torch.linalg.vector_norm(gradient.flatten(1), dim=1) for gradient in self._gradients()]
        norms: Tensor = torch.linalg.vector_norm(torch.stack(of_each), dim=0)
        share = (most / (norms + 1e-6)).clamp(max=1.0)  # as `clip_grad_norm_` has it
        for gradient in self._gradients():
            gradient.mul_(share.view(-1, *[1] * (gradient.dim() - 1)))
        return norms

    def by_member(self, values: Sequence[Tensor]) -> list[list[Tensor]]:
        """Of values like `parameters()`, those of each network."""
        return [list(rows) for rows in zip(*values, strict=True)]

    def _gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self._parameters if parameter.grad is not None]


def _row(parameter: nn.Parameter, index: int) -> nn.Parameter:
    assert parameter.grad is not None
    row = nn.Parameter(parameter.detach()[index])
    row.grad = parameter.grad[index]
    return row


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

    def update(self, steps: int | Tensor) -> None:
        """Take the parameters in, after so many steps; in a tensor where one graph serves all of them."""
        share: float | Tensor
        if isinstance(steps, Tensor):
            exact = steps.double()
            share = (1 - ((1 + exact) / (10 + exact)).clamp(max=self.decay)).float()
        else:
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
