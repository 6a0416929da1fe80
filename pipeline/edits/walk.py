"""A random walk inside one factor of a code that never leaves the prior: an Ornstein-Uhlenbeck process."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline.layout import Layout

__all__ = ["walk"]


def walk(codes: Tensor, layout: Layout, factor: str, num: int, seed: int, rate: float = 0.2) -> Iterator[Tensor]:
    """Points of a walk from each code on, in one factor, which leaves every other number as it is.

    The process dx = −x dt + √2 dW has N(0, 1) as its stationary distribution. Over a time of `rate` it is exactly
    x_{t+1} = a x_t + √(1 − a²) ε with a = exp(−rate), ε from N(0, 1) (Uhlenbeck, Ornstein, On the theory of the
    Brownian motion, Physical Review 36, 1930); so that a walk starts beside the code, and ends anywhere in the prior.

    Args:
        codes: [n, N], where the walks start.
        layout: the factors of a code.
        factor: name of the factor to walk in.
        num: number of points, without the start.
        seed: of the steps, which are the same on every device.
        rate: time of a step.

    Yields:
        Codes [n, N], a new tensor each; the argument is not changed.

    Raises:
        ValueError: if the shape is not [n, N], the rate is not above 0, or the layout has no such factor.
    """
    if codes.ndim != 2 or codes.shape[1] != layout.num_dims:
        raise ValueError(f"walk: codes {tuple(codes.shape)} must be [n, {layout.num_dims}]")
    if rate <= 0:
        raise ValueError(f"walk: rate {rate} must be above 0")
    where = layout.slice(factor)
    return _points(codes, where, num, torch.Generator().manual_seed(seed), math.exp(-rate))


def _points(codes: Tensor, where: slice, num: int, generator: torch.Generator, kept: float) -> Iterator[Tensor]:
    for _ in range(num):
        codes = codes.clone()
        noise = torch.randn(len(codes), where.stop - where.start, generator=generator, dtype=codes.dtype)
        codes[:, where] = kept * codes[:, where] + math.sqrt(1 - kept**2) * noise.to(codes.device)
        yield codes
