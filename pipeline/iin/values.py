"""What the training rows have in a concept's factor where they have a value of it: how a concept is set by its value.

Of a category it is the mean of its rows' codes; of a continuous concept the ridge regression of the code on the value
and its products of two (so that a way through the factor may be curved). What rows of one value differ by is normal
about it, with the covariance that all values share: the model of linear discriminant analysis (Hastie, Tibshirani,
Friedman, The Elements of Statistical Learning, 2009, section 4.3), and its like for a regression.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageColor
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.errors import InputError, one_line

if TYPE_CHECKING:  # a served model only reads, and needs no tables
    from pipeline.tables.latents import Latents

__all__ = [
    "VALUES",
    "Categories",
    "Continuous",
    "Value",
    "Values",
    "fit_values",
    "read_values",
    "values_as_bytes",
]

VALUES = "values.safetensors"
BEYOND = 0.05  # of the training rows' range, up to which a continuous value may lie outside of it
CURVED = 8  # components up to which products of two of them count
ROWS = 10_000  # of a concept, at most
RIDGE = 1e-6  # of the rows' own sum of squares
CLASS_NAMES = "class_names"

Value = str | int | float | Sequence[float]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Categories:
    """A concept of classes.

    Attributes:
        categories: those that training rows have [C], ascending.
        means: of the rows of each in the factor [C, N_F].
        spread: a matrix A [N_F, N_F]: codes of rows of one class are its mean and A · N(0, 1).
        class_names: of all classes, by their number; empty where they have none.
    """

    categories: NDArray[np.int64]
    means: Array
    spread: Array
    class_names: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The values that training rows have, by their names where they have some."""
        return [self.class_names[number] if self.class_names else str(number) for number in self.categories]

    @property
    def accepted(self) -> str:
        """The same in words."""
        return ", ".join(self.names)

    def read(self, value: Value) -> NDArray[np.int64]:
        """A category [1], by its number or its name; a ValueError where no training row has it."""
        if isinstance(value, str) and value in self.class_names:
            value = self.class_names.index(value)
        number = float(value)  # type: ignore[arg-type]  # a sequence is refused as any other wrong value
        if number not in self.categories:
            raise ValueError(value)
        return np.array([number], np.int64)

    def middle(self, value: Value) -> Array:
        """The codes of a value's rows in the middle [1, N_F]; errors are those of `read`."""
        return self.codes(self.read(value))

    def codes(self, values: NDArray[np.int64]) -> Array:
        """Codes [n, N_F] of categories [n], each of which training rows have."""
        return self.means[np.searchsorted(self.categories, values)]


@dataclass(frozen=True, eq=False)
class Continuous:
    """A concept of D numbers.

    Attributes:
        low, high: ends of each component over the training rows [D].
        coefficients: of the regression [P, N_F]; see `_terms`.
        spread: a matrix A [N_F, N_F]: codes of rows of one value are its prediction and A · N(0, 1).
    """

    low: Array
    high: Array
    coefficients: Array
    spread: Array

    @property
    def accepted(self) -> str:
        """The values that training rows have, in words."""
        ends = [f"{low:.3g} to {high:.3g}" for low, high in zip(self.low, self.high, strict=True)]
        numbers = ends[0] if len(ends) == 1 else f"{len(ends)} numbers, of {'; '.join(ends)}"
        return f"{numbers}, or the name of a colour" if self.is_colour else numbers

    def read(self, value: Value) -> Array:
        """A value [1, D]: numbers, or text of them; of a colour its name, too, whose nearest it is in their range.

        It is a ValueError where it lies outside of what training rows have.
        """
        if isinstance(value, str) and self.is_colour and not value[:1].isdecimal():
            numbers = np.array(ImageColor.getrgb(value)[:3]) / 255
            return np.clip(numbers, self.low, self.high)[None]
        parts = value.split(",") if isinstance(value, str) else np.atleast_1d(value)
        numbers = np.array([float(part) for part in parts])
        margin = BEYOND * (self.high - self.low)
        if (
            numbers.shape != self.low.shape
            or not ((numbers >= self.low - margin) & (numbers <= self.high + margin)).all()
        ):
            raise ValueError(value)
        return numbers[None]

    def middle(self, value: Value) -> Array:
        """The codes of a value's rows in the middle [1, N_F]; errors are those of `read`."""
        return self.codes(self.read(value))

    @property
    def is_colour(self) -> bool:
        """Three numbers of 0 to 1, as red, green and blue are."""
        return len(self.low) == 3 and bool((self.low >= 0).all() and (self.high <= 1).all())

    def codes(self, values: Array) -> Array:
        """Codes [n, N_F] of values [n, D]."""
        return _terms(values, self.low, self.high) @ self.coefficients


Values = Mapping[str, Categories | Continuous]
"""By concept."""


def fit_values(
    latents: "Latents", layout: Layout, transform: Callable[[Tensor], Tensor], seed: int
) -> dict[str, Categories | Continuous]:
    """What the training rows have in each concept's factor, from 10,000 rows a concept at most, as many of each class.

    Args:
        latents: the training rows, of which those without a value of a concept do not count for it.
        layout: the factors; a concept that is no factor is left out.
        transform: codes [m, N] of latents [m, N], some thousand at a time.
        seed: of the rows that are drawn where there are more.
    """
    # as with the tables
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own requirement

    rng = np.random.default_rng(seed)
    drawn = {
        name: _drawn(labels, name in latents.values, rng)
        for name, labels in latents.labels.items()
        if name in layout.concepts
    }
    if not drawn:
        return {}
    rows = np.unique(np.concatenate(list(drawn.values())))
    parts = np.array_split(rows, -(-len(rows) // latents.rows_at_once) or 1)
    found: dict[str, Categories | Continuous] = {}
    with threadpool_limits(1):  # with several threads the last bits depend on how many the machine has
        codes = np.concatenate([transform(torch.from_numpy(latents.mean[part])).numpy() for part in parts])
        for name, of_it in drawn.items():
            code = codes[np.searchsorted(rows, of_it)][:, layout.slice(name)].astype(np.float64)
            if name in latents.values:
                found[name] = _continuous(latents.values[name][of_it].astype(np.float64), code)
            else:
                found[name] = _categories(latents.labels[name][of_it], code, latents.class_names.get(name, ()))
    return found


def values_as_bytes(values: Values) -> bytes:
    """Content of their file; equal values give equal bytes."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for concept, of_it in values.items():
        fields = ("categories", "means", "spread") if isinstance(of_it, Categories) else _CONTINUOUS
        arrays |= {f"{concept}/{name}": np.ascontiguousarray(getattr(of_it, name)) for name in fields}
    names = {concept: of_it.class_names for concept, of_it in values.items() if isinstance(of_it, Categories)}
    content: bytes = save(arrays, {CLASS_NAMES: json.dumps(names)})
    return content


def read_values(path: Path) -> dict[str, Categories | Continuous]:
    """Read a file that `values_as_bytes` is the content of.

    Raises:
        InputError: the file is missing or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: not there; run `dvc repro`")
    found: dict[str, dict[str, NDArray[np.generic]]] = {}
    try:
        with safe_open(path, "numpy") as file:
            names = json.loads(file.metadata()[CLASS_NAMES])
            for key in file.keys():  # noqa: SIM118  it is no mapping
                concept, _, name = key.rpartition("/")
                found.setdefault(concept, {})[name] = file.get_tensor(key)
        return {
            concept: Categories(**arrays, class_names=tuple(names[concept]))  # type: ignore[arg-type]
            if "categories" in arrays
            else Continuous(**arrays)  # type: ignore[arg-type]
            for concept, arrays in found.items()
        }
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no values of a map's factors ({one_line(error)})") from None


_CONTINUOUS = ("low", "high", "coefficients", "spread")


def _drawn(labels: NDArray[np.int64], continuous: bool, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of the rows to learn from, ascending: at most `ROWS`, of classes as many of each as it has."""
    rows = rng.permutation(np.flatnonzero(labels >= 0))
    if not continuous:
        classes, inverse = np.unique(labels[rows], return_inverse=True)
        most = max(ROWS // max(len(classes), 1), 1)
        order = np.argsort(inverse, kind="stable")
        starts = np.searchsorted(inverse[order], np.arange(len(classes)))
        rank = np.arange(len(order)) - starts[inverse[order]]
        rows = rows[order[rank < most]]
    return np.sort(rows[:ROWS] if continuous else rows)


def _categories(labels: NDArray[np.int64], codes: Array, names: Sequence[str]) -> Categories:
    categories, inverse = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(categories), codes.shape[1]))
    np.add.at(sums, inverse, codes)
    means = sums / np.bincount(inverse)[:, None]
    return Categories(categories, means, _spread(codes - means[inverse], len(categories)), tuple(names))


def _continuous(values: Array, codes: Array) -> Continuous:
    low, high = values.min(axis=0), values.max(axis=0)
    seen = _terms(values, low, high)
    square = seen.T @ seen
    square += RIDGE * np.trace(square) / len(square) * np.eye(len(square))
    coefficients = np.asarray(np.linalg.solve(square, seen.T @ codes), np.float64)
    return Continuous(low, high, coefficients, _spread(codes - seen @ coefficients, len(square)))


def _terms(values: Array, low: Array, high: Array) -> Array:
    """[n, P]: 1, each component as a number of −1 to 1 and, of few components, the products of any two of them."""
    middle, half = (low + high) / 2, np.where(high > low, (high - low) / 2, 1.0)
    scaled = (values - middle) / half
    columns = [np.ones(len(scaled)), *scaled.T]
    if scaled.shape[1] <= CURVED:
        columns += [a * b for a, b in combinations_with_replacement(scaled.T, 2)]
    return np.stack(columns, axis=1)


def _spread(residuals: Array, fitted: int) -> Array:
    """A with A Aᵀ the covariance of rows [n, N_F] about means that `fitted` numbers were fitted for."""
    covariance = residuals.T @ residuals / max(len(residuals) - fitted, 1)
    lengths, axes = np.linalg.eigh(covariance)
    return np.asarray(axes * np.sqrt(np.maximum(lengths, 0)))
