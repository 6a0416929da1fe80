"""Synthetic codes whose scores are known: a good one, and ways to spoil it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ortho_group

from pipeline.basis.layout import Layout
from pipeline.scores.probes.matrix import ProbeMatrix, probe_matrix, probe_scores
from pipeline.scores.statistics.score import Score

LAYOUT = Layout.of(("digit", "colour"), (6, 4, 5))


@dataclass(frozen=True)
class Study:
    digit: NDArray[np.int64]
    colour: NDArray[np.float64]
    code: NDArray[np.float64]

    @property
    def concepts(self) -> dict[str, NDArray]:
        return {"digit": self.digit, "colour": self.colour}

    def factor(self, name: str) -> NDArray[np.float64]:
        return self.code[:, LAYOUT.slice(name)]

    def with_factor(self, name: str, values: NDArray[np.float64]) -> "Study":
        code = self.code.copy()
        code[:, LAYOUT.slice(name)] = values
        return replace(self, code=code)

    def rotated(self, rotation: NDArray[np.float64]) -> "Study":
        return replace(self, code=self.code @ rotation)

    def matrix(self, kind: str = "linear", **more: object) -> ProbeMatrix:
        return probe_matrix(self.code, self.concepts, LAYOUT, kind, **more)

    def scores(self) -> dict[str, Score]:
        return probe_scores(self.matrix("linear"), LAYOUT, self.matrix("rbf"))


def good_study(num_rows: int = 300, seed: int = 0) -> Study:
    """Digit (5 classes) and colour (3 values) each in its factor, with little noise; the residual is noise."""
    rng = np.random.default_rng(seed)
    digit = rng.integers(5, size=num_rows)
    colour = rng.uniform(size=(num_rows, 3))
    code = rng.normal(size=(num_rows, LAYOUT.num_dims))
    centres = 3 * np.eye(5)[:, :4]
    code[:, LAYOUT.slice("digit")] = centres[digit] + 0.4 * code[:, LAYOUT.slice("digit")]
    mix = ortho_group.rvs(5, random_state=seed)[:3]
    code[:, LAYOUT.slice("colour")] = 3 * (colour - 0.5) @ mix + 0.1 * code[:, LAYOUT.slice("colour")]
    return Study(digit, colour, code)


def rotation_within(seed: int = 1) -> NDArray[np.float64]:
    """A rotation of each factor by itself."""
    rotation = np.zeros((LAYOUT.num_dims, LAYOUT.num_dims))
    for where, size in zip(LAYOUT.slices, LAYOUT.sizes, strict=True):
        rotation[where, where] = ortho_group.rvs(size, random_state=seed)
    return rotation


def rotation_across(seed: int = 1) -> NDArray[np.float64]:
    """A rotation that mixes all factors."""
    return ortho_group.rvs(LAYOUT.num_dims, random_state=seed)
