"""What a sweep tries: numbers of blocks, and factor sizes around the estimate."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution

from pipeline.basis.layout import Layout

__all__ = ["Space", "scaled_sizes"]

BLOCKS, SCALE = "num_blocks", "scale."


@dataclass(frozen=True)
class Space:
    """The choices of a sweep; the params' own number of blocks is always among them.

    Attributes:
        own_blocks: the params' own number of blocks.
        num_blocks: numbers of blocks to try.
        scale: shares of its estimated size that a concept may get.
        estimate: the layout around which to search.
    """

    own_blocks: int
    num_blocks: tuple[int, ...]
    scale: tuple[float, ...]
    estimate: Layout

    def choices(self) -> dict[str, list[float]]:
        """The values of each parameter of the search."""
        scale = sorted(self.scale)
        blocks: list[float] = sorted({self.own_blocks, *self.num_blocks})
        return {BLOCKS: blocks} | {f"{SCALE}{concept}": scale for concept in self.estimate.concepts}

    def own(self) -> dict[str, float]:
        """The point to begin with: the params' own number of blocks, and the sizes closest to the estimate."""
        closest = min(self.scale, key=lambda scale: abs(scale - 1))
        return {BLOCKS: self.own_blocks} | {f"{SCALE}{concept}": closest for concept in self.estimate.concepts}

    def points(self, num: int, seed: int) -> list[dict[str, Any]]:
        """Points of `num` different flows, or of all where there are fewer: the own one, then some drawn by Optuna.

        They are drawn before the first is tried, so that they don't depend on how many are tried at once.
        """
        choices = self.choices()
        names, grid = list(choices), itertools.product(*choices.values())
        num_flows = len({self.flow_of(dict(zip(names, values, strict=True))) for values in grid})
        distributions: dict[str, BaseDistribution] = {key: CategoricalDistribution(v) for key, v in choices.items()}
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed % 2**32))
        points: list[dict[str, Any]] = [self.own()]
        tried = {self.flow_of(self.own())}
        while len(points) < min(num, num_flows):
            point = study.ask(distributions).params
            if (flow := self.flow_of(point)) not in tried:
                tried.add(flow)
                points.append(point)
        return points

    def flow_of(self, point: Mapping[str, Any]) -> tuple[int, Layout]:
        """Number of blocks and layout of a point of the search."""
        scales = [float(point[f"{SCALE}{concept}"]) for concept in self.estimate.concepts]
        return int(point[BLOCKS]), Layout(self.estimate.names, scaled_sizes(self.estimate.sizes, scales))


def scaled_sizes(sizes: Sequence[int], scales: Sequence[float]) -> tuple[int, ...]:
    """Sizes (residual first) with each concept's scaled and rounded, at least 1, and the rest to the residual.

    While that leaves the residual below 1, one is taken from the largest concept.

    Example:
        >>> scaled_sizes((16, 7, 9), (0.5, 1.5)), scaled_sizes((4, 14, 14), (1.5, 1.0))
        ((14, 4, 14), (1, 17, 14))
    """
    scaled = [max(1, round(size * scale)) for size, scale in zip(sizes[1:], scales, strict=True)]
    while sum(scaled) >= sum(sizes):
        scaled[scaled.index(max(scaled))] -= 1
    return (sum(sizes) - sum(scaled), *scaled)
