"""The matrix products of a flow's training step or inverse, timed alone: a bound that no step can pass."""

from collections.abc import Callable
from itertools import pairwise

import torch
from timing import seconds_of
from torch import Tensor

__all__ = ["product_flops", "product_seconds"]


def product_flops(num_blocks: int, width: int, num_dims: int, batch: int) -> float:
    """Floating-point operations of the products of one training step: forward, and both gradients."""
    half = num_dims // 2
    return 3 * 2 * batch * 2 * num_blocks * (half * width + width * width + width * num_dims)


def product_seconds(
    num_blocks: int,
    width: int,
    num_dims: int,
    batch: int,
    device: torch.device,
    *,
    backward: bool,
    mixing: bool = False,
    rounds: int = 5,
) -> float:
    """Seconds of all products of a step, the fastest of `rounds`; each layer has weights of its own.

    With `backward` the gradients to inputs and weights too: even the first layer's input has one, as an ActNorm with
    parameters of its own comes before it. With `mixing` also those by the fixed rotation of each block.
    """
    half = num_dims // 2
    products: list[Callable[[], Tensor]] = []
    for _ in range(2 * num_blocks):
        for num_in, num_out in pairwise((half, width, width, num_dims)):
            weight, x, y = (
                torch.randn(shape, device=device) for shape in ((num_out, num_in), (batch, num_in), (batch, num_out))
            )
            products.append(_product(x, weight.T, y))
            if backward:
                products.append(_product(y.T, x, torch.empty_like(weight)))
                products.append(_product(y, weight, torch.empty_like(x)))

    for _ in range(num_blocks if mixing else 0):
        rotation, x, y = (
            torch.randn(shape, device=device) for shape in ((num_dims, num_dims), (batch, num_dims), (batch, num_dims))
        )
        products += [_product(x, rotation, y), _product(y, rotation.T, x)][: 2 if backward else 1]

    def run() -> None:
        for product in products:
            product()

    run()
    return min(
        seconds_of(run, device, max(1, int(1e9 / product_flops(num_blocks, width, num_dims, batch))))
        for _ in range(rounds)
    )


def _product(left: Tensor, right: Tensor, out: Tensor) -> Callable[[], Tensor]:
    return lambda: torch.mm(left, right, out=out)
