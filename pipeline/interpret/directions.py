"""Leading directions of each factor: those along which the output of the network moves the most.

Codes are nearly N(0, 1) in every direction, so that a factor's own spread ranks none of them. What ranks them here is
the mean of JᵀJ, J the change of the output by a step of 1 along each number of the factor, about the codes of some
images: its eigenvectors, the largest eigenvalue first. The sliders of the report and of the live explorer are these,
and where there is no concept a figure shows them, from more images.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.interpret.subject import Subject

__all__ = ["STEP", "Effort", "Outputs", "directions", "leading_directions", "outputs_of"]

STEP = 0.5  # to either side, in standard deviations of N(0, 1)
_IMAGES = 16  # at most
_FEWEST = 2  # images


@dataclass(frozen=True)
class Effort:
    """How much is computed for the directions.

    Attributes:
        tried: directions of a factor, at most: of a larger one those in which the codes vary most.
        outputs: that are made over all factors, about.
    """

    tried: int = 32
    outputs: int = 640


BRIEF = Effort()

Outputs = Callable[[Tensor, NDArray[np.int64]], Tensor]
"""Outputs [n, …] of codes [n, N] whose recipients are rows [n]."""


def directions(subject: Subject, num: int) -> dict[str, Tensor]:
    """The leading directions of each factor of a layer, as `leading_directions`; of classes the probabilities count."""
    rows = subject.recipients(_IMAGES)
    return leading_directions(outputs_of(subject, rows), subject.rows.codes[rows], subject.layout, num)


def outputs_of(subject: Subject, rows: NDArray[np.int64]) -> Outputs:
    """What the network makes of codes whose recipients are numbers among `rows`; of classes the probabilities."""
    decides = subject.rows.interpretation.backbone.decides

    def outputs(codes: Tensor, recipients: NDArray[np.int64]) -> Tensor:
        found = subject.rows.outputs(codes, rows[recipients])
        return found.softmax(dim=1) if decides else found

    return outputs


def leading_directions(
    outputs: Outputs, codes: Tensor, layout: Layout, num: int, effort: Effort = BRIEF
) -> dict[str, Tensor]:
    """Unit vectors [k, N_F] of each factor, k = min(`num`, N_F), the one that moves the output the most first.

    Args:
        outputs: of the network.
        codes: of the rows [n, N]; steps are taken about the first of them.
        layout: the factors.
        num: directions a factor, at most.
        effort: how much is computed.
    """
    tried = {name: _tried(codes[:, layout.slice(name)], effort.tried) for name in layout.names}
    counts = [len(axes) for axes in tried.values()]
    steps, start = torch.zeros(sum(counts), layout.num_dims), 0
    for name, axes in tried.items():
        steps[start : start + len(axes), layout.slice(name)] = STEP * axes
        start += len(axes)
    moved = {name: torch.zeros(len(axes), len(axes)) for name, axes in tried.items()}
    for row in range(min(len(codes), max(_FEWEST, effort.outputs // (2 * len(steps))))):
        both = torch.cat((codes[row] + steps, codes[row] - steps))
        there, back = outputs(both, np.full(len(both), row)).flatten(1).chunk(2)
        for name, change in zip(tried, (there - back).split(counts), strict=True):
            moved[name] += change @ change.T
    return {name: _leading(moved[name], axes)[:num] for name, axes in tried.items()}


def _tried(numbers: Tensor, most: int) -> Tensor:
    """Orthonormal directions [k, N_F] of a factor's numbers [n, N_F]: its own, or where they are many the principal."""
    size = numbers.shape[1]
    if size <= most:
        return torch.eye(size)
    centred = numbers - numbers.mean(dim=0)
    return _eigenvectors(centred.T @ centred)[:most]


def _leading(square: Tensor, axes: Tensor) -> Tensor:
    """Directions [k, N_F] by what they move, the most first; each points to where its largest number is positive."""
    directions = _eigenvectors(square) @ axes
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    return directions * largest.sign()


def _eigenvectors(square: Tensor) -> Tensor:
    """Of a symmetric matrix [k, k], one a row, that of the largest eigenvalue first."""
    vectors: Tensor = torch.linalg.eigh(square)[1]
    return vectors.T.flip(0)
