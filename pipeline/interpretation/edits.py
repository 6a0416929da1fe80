"""Edits of a code: swap a factor, move it, draw it anew, walk in it or straight to another code.

Torch and the layout only. An edit is a value: a function that changes codes z̃ = T(z), given the layout of their
factors. What it means is seen after T⁻¹, in the output of the network that is interpreted.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from pipeline.basis.layout import Layout

__all__ = ["Edit", "Walk", "move", "path", "place", "sample", "swap", "walk"]

Edit = Callable[[Tensor, Layout], Tensor]
"""From codes [n, N] to new codes [n, N]; the argument is not changed.

It raises a ValueError where the codes are not of the layout's width, or the layout has no such factor.
"""

Walk = Callable[[Tensor, Layout], Iterator[Tensor]]
"""From codes [n, N] to new codes [n, N], one after another; it raises what an `Edit` does."""


def swap(factor: str, donors: Tensor) -> Edit:
    """Give each code the donor's `factor`, and leave every other number of it as it is.

    Args:
        factor: name of the factor to replace.
        donors: codes [n, N], one a code that is edited; the edit raises a ValueError for another shape.
    """

    def swapped(codes: Tensor, layout: Layout) -> Tensor:
        dims = _dims(codes, layout, factor, "swap")
        if donors.shape != codes.shape:
            raise ValueError(f"swap: donors {tuple(donors.shape)} must be {list(codes.shape)}, one a code")
        edited = codes.clone()
        edited[:, dims] = donors[:, dims]
        return edited

    return swapped


def move(factor: str, direction: Tensor | Sequence[float], amount: float) -> Edit:
    """Add `amount` times the unit vector of `direction` to a factor of each code; other numbers stay as they are.

    Args:
        factor: name of the factor to move.
        direction: [N_F], of any length but 0; the edit raises a ValueError for another shape, or for 0.
        amount: in units of the prior's standard deviation.
    """

    def moved(codes: Tensor, layout: Layout) -> Tensor:
        dims = _dims(codes, layout, factor, "move")
        along = torch.as_tensor(direction, dtype=codes.dtype, device=codes.device)
        if along.shape != (dims.stop - dims.start,) or not along.norm() > 0:
            raise ValueError(f"move: direction {tuple(along.shape)} must be [{dims.stop - dims.start}] and not 0")
        edited = codes.clone()
        edited[:, dims] += amount * along / along.norm()
        return edited

    return moved


def place(factor: str, numbers: Tensor) -> Edit:
    """Put these numbers in the place of a factor, and leave every other number of a code as it is.

    Args:
        factor: name of the factor to replace.
        numbers: [n, N_F], one row a code that is edited, or [1, N_F] for all; the edit raises a ValueError for another
            shape.
    """

    def placed(codes: Tensor, layout: Layout) -> Tensor:
        dims = _dims(codes, layout, factor, "place")
        size = dims.stop - dims.start
        if numbers.ndim != 2 or numbers.shape[1] != size or len(numbers) not in (1, len(codes)):
            raise ValueError(f"place: numbers {tuple(numbers.shape)} must be [{len(codes)}, {size}] or [1, {size}]")
        edited = codes.clone()
        edited[:, dims] = numbers.to(codes)
        return edited

    return placed


def sample(factor: str, seed: int) -> Edit:
    """Replace `factor` of each code by its own draw from N(0, 1), and leave every other number as it is.

    Args:
        factor: name of the factor to draw.
        seed: of the draws, which are the same on every device, and each time that the edit is made.
    """

    def drawn(codes: Tensor, layout: Layout) -> Tensor:
        dims = _dims(codes, layout, factor, "sample")
        edited = codes.clone()
        edited[:, dims] = _noise(codes, dims, torch.Generator().manual_seed(seed))
        return edited

    return drawn


def walk(factor: str, num: int, seed: int, rate: float = 0.2) -> Walk:
    """Points of a walk from each code on, in one factor, which leaves every other number as it is.

    The process dx = −x dt + √2 dW has N(0, 1) as its stationary distribution. Over a time of `rate` it is exactly
    x_{t+1} = a x_t + √(1 − a²) ε with a = exp(−rate), ε from N(0, 1) (Uhlenbeck, Ornstein, On the theory of the
    Brownian motion, Physical Review 36, 1930); so that a walk starts beside the code, and ends anywhere in the prior.

    Args:
        factor: name of the factor to walk in.
        num: number of points, without the start.
        seed: of the steps, which are the same on every device, and on every walk.
        rate: time of a step.

    Raises:
        ValueError: if the rate is not above 0.
    """
    if rate <= 0:
        raise ValueError(f"walk: rate {rate} must be above 0")

    def walked(codes: Tensor, layout: Layout) -> Iterator[Tensor]:
        dims = _dims(codes, layout, factor, "walk")  # before the first point is asked for
        return _points(codes, dims, num, torch.Generator().manual_seed(seed), math.exp(-rate))

    return walked


def path(code_a: Tensor, code_b: Tensor, num: int) -> Tensor:
    """`num` evenly spaced points on the straight line from `code_a` to `code_b`, both ends included and exact.

    The paper wants such lines to stay on valid codes (Esser, Rombach, Ommer, CVPR 2020, section 3.1); between two
    latents the same line need not.

    Args:
        code_a: [N].
        code_b: [N].
        num: number of points, at least 2.

    Returns:
        [num, N].

    Raises:
        ValueError: if the shapes differ or are not [N], or `num` is below 2.
    """
    if code_a.ndim != 1 or code_a.shape != code_b.shape:
        raise ValueError(f"path: ends {tuple(code_a.shape)} and {tuple(code_b.shape)} must both be [N]")
    if num < 2:
        raise ValueError(f"path: a line needs at least 2 points, found {num}")
    share = torch.linspace(0, 1, num, dtype=code_a.dtype, device=code_a.device)[:, None]
    return torch.lerp(code_a, code_b, share)


def _dims(codes: Tensor, layout: Layout, factor: str, name: str) -> slice:
    """The numbers of a code [n, N] that are the factor's; a ValueError says which edit was given what."""
    if codes.ndim != 2 or codes.shape[1] != layout.num_dims:
        raise ValueError(f"{name}: codes {tuple(codes.shape)} must be [n, {layout.num_dims}]")
    return layout.slice(factor)


def _points(codes: Tensor, dims: slice, num: int, generator: torch.Generator, kept: float) -> Iterator[Tensor]:
    for _ in range(num):
        codes = codes.clone()
        codes[:, dims] = kept * codes[:, dims] + math.sqrt(1 - kept**2) * _noise(codes, dims, generator)
        yield codes


def _noise(codes: Tensor, dims: slice, generator: torch.Generator) -> Tensor:
    """Draws [n, N_F] from N(0, 1), made on the CPU, where every device's user gets the same."""
    noise = torch.randn(len(codes), dims.stop - dims.start, generator=generator, dtype=codes.dtype)
    return noise.to(codes.device)
