"""What a sweep tries: values of the searched keys, and factor sizes around the estimate."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution

from pipeline.basis.layout import Layout
from pipeline.params import FlowParams, Params
from pipeline.tuning.space import SEARCHED, Candidate

__all__ = ["Sampler", "scaled_sizes"]

SCALE = "scale."


@dataclass(frozen=True)
class Sampler:
    """The choices of a sweep; the params' own settings are always among them.

    Attributes:
        own: the params' own value of each searched key.
        values: values to try of each of them.
        scale: shares of its estimated size that a concept may get.
        estimate: the layout around which to search.
    """

    own: dict[str, Any]
    values: dict[str, tuple[Any, ...]]
    scale: tuple[float, ...]
    estimate: Layout

    @classmethod
    def of(cls, params: Params, estimate: Layout) -> "Sampler":
        """The space that section `tune` states, around the settings of sections `flow` and `train`."""
        own = {key: getattr(params.flow if key in FlowParams.model_fields else params.train, key) for key in SEARCHED}
        values = {key: getattr(params.tune, key) for key in SEARCHED}
        return cls(own, values, params.tune.scale, estimate)

    def choices(self) -> dict[str, list[Any]]:
        """The values of each parameter of the search."""
        searched = {key: sorted({own, *self.values[key]}) for key, own in self.own.items()}
        return searched | self._of_each_concept(sorted(self.scale))

    def first(self) -> Candidate:
        """The candidate to begin with: the params' own settings, and the sizes closest to the estimate."""
        closest = min(self.scale, key=lambda scale: abs(scale - 1))
        return self.candidate(self.own | self._of_each_concept(closest))

    def candidates(self, num: int, seed: int, spectrum: Layout | None = None) -> list[Candidate]:
        """Different candidates, `num` or all where there are fewer: the first, then some drawn by Optuna.

        Second come the params' own settings with the sizes of `spectrum`, where it is given. All are drawn before the
        first is tried, so that they don't depend on how many are tried at once.
        """
        choices = self.choices()
        grid = (dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values()))
        begin = [self.first(), *([Candidate(self.own, spectrum)] if spectrum else [])][:num]
        num_different = len({self.candidate(point).name for point in grid} | {each.name for each in begin})
        distributions: dict[str, BaseDistribution] = {
            key: CategoricalDistribution(values) for key, values in choices.items()
        }
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed % 2**32))
        drawn = {candidate.name: candidate for candidate in begin}
        while len(drawn) < min(num, num_different):
            candidate = self.candidate(study.ask(distributions).params)
            drawn.setdefault(candidate.name, candidate)
        return list(drawn.values())

    def candidate(self, point: Mapping[str, Any]) -> Candidate:
        """The candidate at a point of the search."""
        scales = [float(point[f"{SCALE}{concept}"]) for concept in self.estimate.concepts]
        sizes = scaled_sizes(self.estimate.sizes, scales)
        return Candidate({key: point[key] for key in self.own}, Layout(self.estimate.names, sizes))

    def _of_each_concept(self, value: Any) -> dict[str, Any]:
        return {f"{SCALE}{concept}": value for concept in self.estimate.concepts}


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
