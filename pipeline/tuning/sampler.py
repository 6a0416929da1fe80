"""What a sweep can try: values of the searched keys, and factor sizes; drawn at random, or all in order."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.params import FlowParams, Params
from pipeline.tuning.flow_file import SEARCHED, Candidate

__all__ = ["Drawn", "Point", "Sampler", "scaled_sizes", "shared_sizes"]

SCALE, SHARE, LISTED = "scale.", "share.", "sizes"
SMALLEST = 1e-9  # of a number whose logarithm is taken

Point = Mapping[str, Any]


@dataclass(frozen=True)
class Drawn:
    """A candidate, and the point of the search that it is at; None where it lies beside the searched values."""

    candidate: Candidate
    point: Point | None


@dataclass(frozen=True)
class Sampler:
    """The choices of a sweep; the params' own settings are always among them.

    Attributes:
        own: the params' own value of each searched key.
        values: values to try of each of them.
        scale: shares of its estimated size that a concept may get.
        estimate: the layout around which to search.
        sizes: as section `tune` has it: by `scale`, any, or those that are listed.
    """

    own: dict[str, Any]
    values: dict[str, tuple[Any, ...]]
    scale: tuple[float, ...]
    estimate: Layout
    sizes: str | tuple[tuple[int, ...], ...] = "scale"

    @classmethod
    def of(cls, params: Params, estimate: Layout) -> "Sampler":
        """The space that section `tune` states, around the settings of sections `flow` and `train`.

        Raises:
            InputError: a list of sizes does not fit the latents.
        """
        values = {key: getattr(params.tune, key) for key in SEARCHED if getattr(params.tune, key)}
        own = {key: getattr(params.flow if key in FlowParams.model_fields else params.train, key) for key in values}
        sizes = params.tune.sizes
        for number, listed in enumerate(sizes if isinstance(sizes, tuple) else ()):
            if sum(listed) != estimate.num_dims:
                raise InputError(
                    f"tune.sizes.{number}: {list(listed)} sum to {sum(listed)}, but the layer gives the flow "
                    f"{estimate.num_dims} dimensions"
                )
        return cls(own, values, params.tune.scale, estimate, sizes)

    def choices(self) -> dict[str, list[Any]]:
        """The values of each parameter of the search that has a list of them."""
        searched = {key: sorted({own, *self.values[key]}) for key, own in self.own.items()}
        if isinstance(self.sizes, tuple):
            return searched | {LISTED: list(range(len(self.sizes)))}
        return searched | (self._of_each_concept(sorted(self.scale)) if self.sizes == "scale" else {})

    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters of the search, as Optuna has them."""
        of_choices: dict[str, BaseDistribution] = {
            key: CategoricalDistribution(values) for key, values in self.choices().items()
        }
        shares = self.estimate.names if self.sizes == "simplex" else ()
        return of_choices | {f"{SHARE}{name}": FloatDistribution(SMALLEST, 1.0) for name in shares}

    def begin(self, spectrum: Layout | None = None) -> list[Drawn]:
        """What is tried first: the params' own settings, with the sizes closest to the estimate (the first of a list),
        then with those of `spectrum`, where it is given and sizes are not listed."""
        if isinstance(self.sizes, tuple):
            return [self._at(self.own | {LISTED: 0})]
        if self.sizes == "simplex":
            layouts = [self.estimate, *([spectrum] if spectrum else [])]
            return [self._at(self.own | self._shares_of(layout.sizes)) for layout in layouts]
        closest = min(self.scale, key=lambda scale: abs(scale - 1))
        first = self._at(self.own | self._of_each_concept(closest))
        return [first, *([Drawn(Candidate(self.own, spectrum), None)] if spectrum else [])]

    def candidates(self, num: int, seed: int, spectrum: Layout | None = None) -> list[Drawn]:
        """Different candidates, `num` or all where there are fewer: those of `begin`, then some drawn by Optuna.

        All are drawn before the first is tried, so that they don't depend on how many are tried at once.
        """
        drawn = {each.candidate.name: each for each in self.begin(spectrum)[:num]}
        most = self.num_different(num, drawn)
        for each in self.random(seed):
            if len(drawn) >= most:
                break
            drawn.setdefault(each.candidate.name, each)
        return list(drawn.values())

    def grid(self, num: int, spectrum: Layout | None = None) -> list[Drawn]:
        """The same number of them: those of `begin`, then all other combinations in order, the last key soonest."""
        drawn = {each.candidate.name: each for each in self.begin(spectrum)[:num]}
        for point in self._combinations():
            if len(drawn) >= num:
                break
            each = self._at(point)
            drawn.setdefault(each.candidate.name, each)
        return list(drawn.values())

    def random(self, seed: int) -> Iterator[Drawn]:
        """Candidates drawn with replacement, without end."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed % 2**32))
        distributions = self.distributions()
        while True:
            yield self._at(study.ask(distributions).params)

    def num_different(self, most: int, drawn: Mapping[str, Drawn]) -> int:
        """How many different candidates there are, those of `drawn` among them; of more than `most`, `most`."""
        if self.sizes == "simplex":
            points = math.prod(len(values) for values in self.choices().values())
            return min(most, points * math.comb(self.estimate.num_dims - 1, len(self.estimate.concepts)))
        names = set(drawn)
        for point in self._combinations():
            if len(names) >= most:
                break
            names.add(self.candidate(point).name)
        return min(most, len(names))

    def candidate(self, point: Point) -> Candidate:
        """The candidate at a point of the search."""
        settings = {key: point[key] for key in self.own}
        if isinstance(self.sizes, tuple):
            sizes = self.sizes[point[LISTED]]
        elif self.sizes == "simplex":
            shares = [-math.log(point[f"{SHARE}{name}"]) for name in self.estimate.names]
            sizes = shared_sizes(self.estimate.num_dims, shares)
        else:
            scales = [float(point[f"{SCALE}{concept}"]) for concept in self.estimate.concepts]
            sizes = scaled_sizes(self.estimate.sizes, scales)
        return Candidate(settings, Layout(self.estimate.names, sizes))

    def _at(self, point: Point) -> Drawn:
        return Drawn(self.candidate(point), dict(point))

    def _combinations(self) -> Iterator[Point]:
        choices = self.choices()
        return (dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values()))

    def _of_each_concept(self, value: Any) -> dict[str, Any]:
        return {f"{SCALE}{concept}": value for concept in self.estimate.concepts}

    def _shares_of(self, sizes: Sequence[int]) -> dict[str, float]:
        """A point of the search that gives these sizes."""
        spare = max(1, sum(sizes) - len(sizes))
        return {
            f"{SHARE}{name}": max(SMALLEST, math.exp(-(size - 1) / spare))
            for name, size in zip(self.estimate.names, sizes, strict=True)
        }


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


def shared_sizes(num_dims: int, shares: Sequence[float]) -> tuple[int, ...]:
    """Sizes that sum to N, each at least 1: the rest is shared out by the largest remainders, of equal ones to the
    first. Shares −log u of u uniform in (0, 1) are uniform over all proportions.

    Example:
        >>> shared_sizes(32, (15, 6, 8)), shared_sizes(3, (0.2, 0.0, 5.0)), shared_sizes(6, (0.0, 0.0, 0.0))
        ((16, 7, 9), (1, 1, 1), (2, 2, 2))
    """
    shares = shares if sum(shares) > 0 else [1.0] * len(shares)
    exact = [(num_dims - len(shares)) * share / sum(shares) for share in shares]
    whole = [math.floor(part) for part in exact]
    order = sorted(range(len(shares)), key=lambda index: (whole[index] - exact[index], index))
    for index in order[: num_dims - len(shares) - sum(whole)]:
        whole[index] += 1
    return tuple(1 + part for part in whole)
