"""Edits of a code: swap a factor, move it, draw it anew, walk in it or straight to another code.

Torch and the layout only. An edit changes a code z̃ = T(z). What it means is seen after T⁻¹, in the output of the
network that is interpreted.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from pipeline.basis.layout import Layout

__all__ = ["edit", "path", "sample", "swap", "walk"]


def edit(codes: Tensor, layout: Layout, factor: str, direction: Tensor | Sequence[float], amount: float) -> Tensor:
    """Add `amount` times the unit vector of `direction` to a factor of each code; other numbers stay as they are.

    Args:
        codes: [n, N].
        layout: the factors of a code.
        factor: name of the factor to move.
        direction: [N_F], of any length but 0.
        amount: in units of the prior's standard deviation.

    Returns:
        New codes [n, N]; the argument is not changed.

    Raises:
        ValueError: if a shape is another, the direction is 0, or the layout has no such factor.
    """
    if codes.ndim != 2 or codes.shape[1] != layout.num_dims:
        raise ValueError(f"edit: codes {tuple(codes.shape)} must be [n, {layout.num_dims}]")
    where = layout.slice(factor)
    along = torch.as_tensor(direction, dtype=codes.dtype, device=codes.device)
    if along.shape != (where.stop - where.start,) or not along.norm() > 0:
        raise ValueError(f"edit: direction {tuple(along.shape)} must be [{where.stop - where.start}] and not 0")
    moved = codes.clone()
    moved[:, where] += amount * along / along.norm()
    return moved


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


def sample(codes: Tensor, layout: Layout, factor: str, seed: int) -> Tensor:
    """Replace `factor` of each code by its own draw from N(0, 1), and leave every other number as it is.

    Args:
        codes: [n, N].
        layout: the factors of a code.
        factor: name of the factor to draw.
        seed: of the draws, which are the same on every device.

    Returns:
        New codes [n, N]; the argument is not changed.

    Raises:
        ValueError: if the shape is not [n, N], or the layout has no such factor.
    """
    if codes.ndim != 2 or codes.shape[1] != layout.num_dims:
        raise ValueError(f"sample: codes {tuple(codes.shape)} must be [n, {layout.num_dims}]")
    where = layout.slice(factor)
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(len(codes), where.stop - where.start, generator=generator, dtype=codes.dtype)
    drawn = codes.clone()
    drawn[:, where] = draws.to(codes.device)
    return drawn


def swap(recipient: Tensor, donor: Tensor, layout: Layout, factor: str) -> Tensor:
    """Give each recipient the donor's `factor`, and leave every other number of it as it is.

    Args:
        recipient: codes [n, N].
        donor: codes [n, N], one a recipient.
        layout: the factors of a code.
        factor: name of the factor to replace.

    Returns:
        New codes [n, N]; the arguments are not changed.

    Raises:
        ValueError: if the shapes are not [n, N] each, or the layout has no such factor.
    """
    if recipient.shape != donor.shape or recipient.ndim != 2 or recipient.shape[1] != layout.num_dims:
        raise ValueError(
            f"swap: recipient {tuple(recipient.shape)} and donor {tuple(donor.shape)} must be [n, {layout.num_dims}]"
        )
    where = layout.slice(factor)
    codes = recipient.clone()
    codes[:, where] = donor[:, where]
    return codes


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
