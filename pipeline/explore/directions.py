"""Leading directions of each factor: those along which the output of the network moves the most.

Codes are nearly N(0, 1) in every direction, so that a factor's own spread ranks none of them. What ranks them here is
the mean of JᵀJ, J the change of the output by a step of 1 along each number of the factor, from the codes of some
images: its eigenvectors, the largest eigenvalue first.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.basis.layout import Layout

__all__ = ["leading_directions"]

_TRIED = 32  # directions of a factor, at most: of a larger one those in which the codes vary most
_STEPS = 640  # outputs over all factors that are made for it, about
_FEWEST = 2  # images

Outputs = Callable[[Tensor, NDArray[np.int64]], Tensor]
"""Outputs [n, …] of codes [n, N] whose recipients are rows [n]."""


def leading_directions(outputs: Outputs, codes: Tensor, layout: Layout, num: int) -> dict[str, Tensor]:
    """Unit vectors [k, N_F] of each factor, k = min(`num`, N_F), the one that moves the output the most first.

    Args:
        outputs: of the network.
        codes: of the rows [n, N]; the first of them are stepped from.
        layout: the factors.
        num: directions a factor, at most.
    """
    tried = {name: _tried(codes[:, layout.slice(name)]) for name in layout.names}
    steps = sum(map(len, tried.values()))
    rows = np.arange(min(len(codes), max(_FEWEST, _STEPS // steps)))
    moved = {name: torch.zeros(len(axes), len(axes)) for name, axes in tried.items()}
    for row in rows:
        whole = torch.zeros(steps + 1, layout.num_dims)  # the last row is no step
        start = 0
        for name, axes in tried.items():
            whole[start : start + len(axes), layout.slice(name)] = axes
            start += len(axes)
        answers = outputs(codes[row] + whole, np.full(steps + 1, row)).flatten(1)
        changes = answers[:-1] - answers[-1]
        for name, of_it in zip(tried, changes.split([len(axes) for axes in tried.values()]), strict=True):
            moved[name] += of_it @ of_it.T
    return {name: _leading(moved[name], axes)[:num] for name, axes in tried.items()}


def _tried(numbers: Tensor) -> Tensor:
    """Orthonormal directions [k, N_F] of a factor's numbers [n, N_F]: its own, or where they are many the principal."""
    size = numbers.shape[1]
    if size <= _TRIED:
        return torch.eye(size)
    centred = numbers - numbers.mean(dim=0)
    return _eigenvectors(centred.T @ centred)[:_TRIED]


def _leading(square: Tensor, axes: Tensor) -> Tensor:
    """Directions [k, N_F] by what they move, the most first; each points to where its largest number is positive."""
    directions = _eigenvectors(square) @ axes
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    return directions * largest.sign()


def _eigenvectors(square: Tensor) -> Tensor:
    """Of a symmetric matrix [k, k], one a row, that of the largest eigenvalue first."""
    vectors: Tensor = torch.linalg.eigh(square)[1]
    return vectors.T.flip(0)
