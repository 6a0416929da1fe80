"""Synthetic codes for scores that read one dimension at a time: a perfect one, and ways to spoil it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ortho_group


@dataclass(frozen=True)
class Table:
    """Digit (5 classes), shape (4 classes) and colour (3 values), and a code with a dimension for each, in order."""

    concepts: dict[str, NDArray]
    code: NDArray[np.float64]

    def with_code(self, code: NDArray[np.float64]) -> "Table":
        return replace(self, code=code)

    def classes(self) -> "Table":
        """The two concepts of classes alone, with their dimensions."""
        return Table({name: self.concepts[name] for name in ("digit", "shape")}, self.code[:, :2])

    def rotated_within_colour(self) -> "Table":
        rotation = np.eye(5)
        rotation[2:, 2:] = ortho_group.rvs(3, random_state=0)
        return self.with_code(self.code @ rotation)

    def rotated_across(self) -> "Table":
        standard = (self.code - self.code.mean(axis=0)) / self.code.std(axis=0)
        return self.with_code(standard @ ortho_group.rvs(standard.shape[1], random_state=1))

    def duplicated(self) -> "Table":
        return self.with_code(np.hstack([self.code, 3 * self.code + 1]))

    def leaky(self) -> "Table":
        """A further dimension says a part of the digit, and the dimension of the shape too."""
        leak = self.concepts["digit"] + np.random.default_rng(7).normal(size=len(self.code))
        code = np.column_stack([self.code, leak])
        code[:, 1] += 0.5 * leak
        return self.with_code(code)

    def noise(self) -> "Table":
        return self.with_code(np.random.default_rng(8).normal(size=self.code.shape))

    def halves(self) -> tuple[NDArray, dict[str, NDArray], NDArray, dict[str, NDArray]]:
        """Train rows (even ones) and test rows."""
        even, odd = slice(0, None, 2), slice(1, None, 2)
        of_even, of_odd = ({name: c[rows] for name, c in self.concepts.items()} for rows in (even, odd))
        return self.code[even], of_even, self.code[odd], of_odd


def perfect_table(num_rows: int = 600, seed: int = 0) -> Table:
    rng = np.random.default_rng(seed)
    digit, shape = rng.integers(5, size=num_rows), rng.integers(4, size=num_rows)
    colour = rng.uniform(size=(num_rows, 3))
    code = np.column_stack([digit, 2.0 * shape, colour]) + 0.001 * rng.normal(size=(num_rows, 5))
    return Table({"digit": digit, "shape": shape, "colour": colour}, code)
