"""Combinations of values that no training image shows: how well a map does what it has never seen."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.prepare.only import category_of
from pipeline.prepare.sources.stored_images import Rendered, Source

__all__ = ["LeftOut", "numbered_cells"]

Cell = dict[str, int]
"""Concept → category."""


def numbered_cells(
    cells: Sequence[Mapping[str, str | int]], source: Source, concepts: Sequence[str]
) -> tuple[Cell, ...]:
    """The cells of `data.leave_out` by the numbers of their categories.

    Raises:
        InputError: there is no such concept or value, or the concept is continuous.
    """
    return tuple(
        {name: _number(f"data.leave_out.{place}", name, value, source, concepts) for name, value in cell.items()}
        for place, cell in enumerate(cells)
    )


class LeftOut:
    """Drops the rows of some cells, and counts what is left of their values.

    Args:
        cells: from `numbered_cells`.
        names: concept → names of its categories, of those that have names.
    """

    def __init__(self, cells: Sequence[Cell], names: Mapping[str, Sequence[str]]) -> None:
        self._cells, self._names = cells, names
        self._left: dict[tuple[str, int], int] = defaultdict(int)
        self._dropped = 0

    def without(self, rendered: Rendered) -> Rendered:
        """The copies that are in none of the cells."""
        if not self._cells:
            return rendered
        kept = ~np.any([_shows(cell, rendered.labels) for cell in self._cells], axis=0)
        for concept, number in {item for cell in self._cells for item in cell.items()}:
            self._left[concept, number] += int((rendered.labels[concept][kept] == number).sum())
        self._dropped += int((~kept).sum())
        sound = rendered.sound.copy()
        sound[sound] = kept
        return replace(
            rendered,
            sound=sound,
            pixels=rendered.pixels[kept],
            labels={name: labels[kept] for name, labels in rendered.labels.items()},
            values={name: values[kept] for name, values in rendered.values.items()},
        )

    def require_some_left(self) -> None:
        """Refuse cells that leave no image of a value, of which nothing could be learned.

        Raises:
            InputError: there is such a value.
        """
        for (concept, number), count in sorted(self._left.items()):
            if not count:
                name = self._names[concept][number] if concept in self._names else number
                raise InputError(
                    f"data.leave_out: leaves no training image whose {concept} is {name}; accepted are cells that "
                    "leave some of each value"
                )

    def report(self) -> None:
        """Say how many copies were left out."""
        if self._cells:
            print(f"data/images: {self._dropped} copies of data.leave_out are in test alone", flush=True)


def _shows(cell: Cell, labels: Mapping[str, NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Which rows [k] are in a cell."""
    shown: NDArray[np.bool_] = np.all([labels[concept] == number for concept, number in cell.items()], axis=0)
    return shown


def _number(key: str, concept: str, value: str | int, source: Source, concepts: Sequence[str]) -> int:
    if concept not in concepts:
        raise InputError(
            f"{key}: found concept '{concept}', accepted are those of data.concepts that no sketch gives: "
            f"{', '.join(concepts)}"
        )
    if concept in source.values:
        raise InputError(f"{key}: concept '{concept}' is continuous; accepted are concepts of classes")
    return category_of(f"{key}.{concept}", concept, value, source)
