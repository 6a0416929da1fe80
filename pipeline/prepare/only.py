"""Images of some classes alone: a source whose rows that show others are left out before anything counts them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.prepare.sources.stored_images import Membership, Rendered, Source, Wrapped, strata_of
from pipeline.prepare.warp import Warps

__all__ = ["Only", "category_of", "with_only"]

KEY = "data.only"

Of = TypeVar("Of")


class Only(Wrapped):
    """A source with the rows of some classes (a `Source`).

    A column's classes are those that are kept, in the source's order. A column of one class says nothing more, and is
    gone.

    Args:
        source: of all images.
        classes: column → categories that are kept, ascending.
    """

    def __init__(self, source: Source, classes: Mapping[str, Sequence[int]]) -> None:
        super().__init__(source)
        self._classes = classes
        self._kept: NDArray[np.bool_] = np.all(
            [np.isin(source.labels[column], numbers) for column, numbers in classes.items()], axis=0
        )
        self._gone = {column for column, numbers in classes.items() if len(numbers) == 1}
        counts = {**source.categories} | {column: len(numbers) for column, numbers in classes.items()}
        self.categories: Mapping[str, int] = self._present(counts)
        kept_names = {column: [_names(source, column)[number] for number in of] for column, of in classes.items()}
        self.class_names: Mapping[str, Sequence[str]] = self._present({**source.class_names} | kept_names)

    @property
    def strata(self) -> NDArray[np.int64]:
        """Those of the source; classes that have become rare are one."""
        strata = np.full(len(self._kept), -1, np.int64)
        strata[self._kept] = strata_of(self._source.strata[self._kept])
        return strata

    @property
    def membership(self) -> Membership:
        """That of the source, and which rows are kept."""
        return replace(self._source.membership, kept=self._kept)

    @property
    def labels(self) -> Mapping[str, NDArray[np.int64]]:
        """Those of the source, by the numbers of the classes that are kept."""
        return self._numbered(self._source.labels)

    def render(self, originals: NDArray[np.int64], copy: int, warps: Warps | None) -> Rendered:
        """Each row [m] as the source has it."""
        rendered = self._source.render(originals, copy, warps)
        return replace(rendered, labels=self._numbered(rendered.labels))

    def _numbered(self, labels: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
        numbered = self._present(labels)
        for column in self._classes.keys() & numbered.keys():
            numbers = np.full(self._source.categories[column] + 1, -1)  # the last one is of what is missing, −1
            numbers[self._classes[column]] = np.arange(len(self._classes[column]))
            numbered[column] = numbers[labels[column]]
        return numbered

    def _present(self, columns: Mapping[str, Of]) -> dict[str, Of]:
        return {column: of for column, of in columns.items() if column not in self._gone}


def with_only(source: Source, only: Mapping[str, Sequence[str | int]]) -> Source:
    """The source, without the rows that show anything else than `data.only` names.

    Raises:
        InputError: there is no such column of classes, or no such class; a class is named twice, or no row of it is
            left.
    """
    if not only:
        return source
    accepted = [column for column in source.labels if column not in source.values]
    for column in only:
        if column not in accepted:
            raise InputError(f"{KEY}: no column of classes '{column}', accepted are {', '.join(accepted) or 'none'}")
    classes = {
        column: sorted(category_of(f"{KEY}.{column}", column, value, source) for value in values)
        for column, values in only.items()
    }
    filtered = Only(source, classes)
    kept = filtered.membership.kept
    for column, numbers in classes.items():
        found, named = source.labels[column][kept], _names(source, column)
        for place, number in enumerate(numbers):
            if number in numbers[:place]:
                raise InputError(f"{KEY}.{column}: {named[number]} is named twice; each class may be named once")
            if not (found == number).any():
                raise InputError(
                    f"{KEY}: leaves no image whose {column} is {named[number]}; accepted are classes of which some are "
                    "left"
                )
    return filtered


def category_of(key: str, column: str, value: str | int, source: Source) -> int:
    """The number of a class, which params.yaml names or numbers.

    Args:
        key: of params.yaml, for an error.
        column: of the source.
        value: name or number.
        source: whose classes they are.

    Raises:
        InputError: there is no such class.
    """
    names = source.class_names.get(column, ())
    if str(value) in names:
        return list(names).index(str(value))
    number = int(value) if str(value).isdecimal() else -1
    if not 0 <= number < source.categories[column]:
        accepted = ", ".join(names) or f"0 to {source.categories[column] - 1}"
        raise InputError(f"{key}: found {value!r}, accepted are {accepted}")
    return number


def _names(source: Source, column: str) -> Sequence[str]:
    """Names of the classes of a column: their numbers, where they have none."""
    return source.class_names.get(column) or [str(number) for number in range(source.categories[column])]
