"""Names and sizes of the factors of a code, in order, residual first.

A code z̃ = T(z) of N numbers is cut into factors z̃_0 (the residual), z̃_1, …, z̃_K (one a concept); a `Layout` says
where each begins and ends. Standard library only, so that flows and scores can share it without any other import.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

__all__ = ["RESIDUAL", "Layout", "file_name"]

RESIDUAL = "residual"


@dataclass(frozen=True)
class Layout:
    """The factors of a code.

    Attributes:
        names: factor names, the residual first, then the concepts in their params order; K + 1 of them.
        sizes: number of dimensions of each factor, at least 1, in the same order; they sum to N.

    Raises:
        ValueError: if names repeat, the residual is not first, or a size is below 1.

    Example:
        >>> layout = Layout(("residual", "digit", "colour"), (16, 7, 9))
        >>> layout.num_dims, layout.slice("digit")
        (32, slice(16, 23, None))
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.sizes):
            raise ValueError(f"layout: {len(self.names)} names {self.names} but {len(self.sizes)} sizes {self.sizes}")
        if not self.names or self.names[0] != RESIDUAL:
            raise ValueError(f"layout: the first factor must be '{RESIDUAL}', found {self.names[:1]}")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"layout: a factor is named twice in {self.names}")
        if min(self.sizes) < 1:
            raise ValueError(f"layout: sizes must be at least 1, found {self.sizes}")

    def __str__(self) -> str:
        """Each factor with its size, as people read it: `residual 16, digit 7, colour 9`."""
        return ", ".join(f"{name} {size}" for name, size in zip(self.names, self.sizes, strict=True))

    @classmethod
    def of(cls, concepts: Sequence[str], sizes: Sequence[int]) -> "Layout":
        """Layout of the residual and `concepts` (K names) with `sizes` (K + 1 numbers, residual first)."""
        return cls((RESIDUAL, *concepts), tuple(int(size) for size in sizes))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Layout":
        """Inverse of `as_dict`."""
        return cls(tuple(data["names"]), tuple(int(size) for size in data["sizes"]))

    def as_dict(self) -> dict[str, list[Any]]:
        """Plain lists under `names` and `sizes`, as JSON and YAML hold them."""
        return {"names": list(self.names), "sizes": list(self.sizes)}

    @property
    def num_dims(self) -> int:
        """N, the length of a code."""
        return sum(self.sizes)

    @property
    def num_factors(self) -> int:
        """K + 1, the residual included."""
        return len(self.names)

    @property
    def concepts(self) -> tuple[str, ...]:
        """The K names after the residual."""
        return self.names[1:]

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where each factor lies in a code, in order."""
        ends = list(accumulate(self.sizes))
        return tuple(slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True))

    def index(self, name: str) -> int:
        """Position of a factor: 0 for the residual, k for the k-th concept; ValueError names the factors there are."""
        if name not in self.names:
            raise ValueError(f"no factor is named '{name}'; the factors are {', '.join(self.names)}")
        return self.names.index(name)

    def slice(self, name: str) -> slice:
        """Where the factor `name` lies in a code."""
        return self.slices[self.index(name)]


def file_name(factor: str) -> str:
    """A factor's name as part of a file's or a metric's: `_` for all but letters, digits, spaces, `_`, `.` and `-`.

    Example:
        >>> file_name("hair.colour"), file_name("age (years)")
        ('hair.colour', 'age _years_')
    """
    return re.sub(r"[^\w .-]", "_", factor)
