"""What the images of a study are, counted as they are read: classes, values, pairs, and what is missing or damaged."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.prepare.sources.stored_images import Rendered, Source

__all__ = ["Tally"]

_SHOWN = 5  # names in a line


class Tally:
    """Counts of originals.

    Args:
        concepts: those that get a factor.
        source: where the images come from.
        graded: those whose pairs need not be of one value.
    """

    def __init__(self, concepts: Sequence[str], source: Source, graded: Collection[str] = ()) -> None:
        self._source, self._graded = source, graded
        self._counts = {name: np.zeros(source.categories[name], np.int64) for name in concepts}
        self._ranges: dict[str, tuple[float, float]] = {}
        self._values: dict[tuple[str, str], set[int]] = {}
        self._seen_in: dict[tuple[str, str], dict[int, int]] = {}  # value → first original, while there is no pair
        self._paired: set[tuple[str, str]] = set()
        self._missing = dict.fromkeys(concepts, 0)
        self._unread: list[str] = []
        self._seen = 0

    def add(self, split: str, rendered: Rendered) -> None:
        """Count some originals by their first copy."""
        self._seen += len(rendered.sound)
        self._unread += rendered.unread
        for concept in self._missing:
            labels = rendered.labels[concept]
            self._missing[concept] += int((labels < 0).sum())
            self._counts[concept] += np.bincount(labels[labels >= 0], minlength=len(self._counts[concept]))
            if concept in rendered.values and (labels >= 0).any():
                numbers = rendered.values[concept][labels >= 0]
                low, high = self._ranges.get(concept, (np.inf, -np.inf))
                self._ranges[concept] = min(low, float(numbers.min())), max(high, float(numbers.max()))
            values = self._values.setdefault((split, concept), set())
            if len(values) < 2:
                values.update(np.unique(labels[labels >= 0])[:2].tolist())

    def add_copy(self, split: str, rendered: Rendered, originals: NDArray[np.int64]) -> None:
        """Note of any copy what has pairs: two originals that share a value, or, where distances pair them, have any.

        Args:
            split: which they are of.
            rendered: the copies.
            originals: of those that could be read.
        """
        for concept in self._missing:
            if (split, concept) in self._paired:
                continue
            first = self._seen_in.setdefault((split, concept), {})
            for label, original in zip(rendered.labels[concept].tolist(), originals.tolist(), strict=True):
                if label >= 0 and first.setdefault(0 if concept in self._graded else label, original) != original:
                    self._paired.add((split, concept))
                    first.clear()
                    break

    def require_pairs(self, split: str) -> None:
        """Refuse a concept that no two originals of a split share."""
        for concept in self._missing:
            if (split, concept) not in self._paired:
                num = len(set(self._seen_in[split, concept].values()))
                raise InputError(
                    f"concept '{concept}': {num} originals of split {split} have a value, no two of them the same, so "
                    "that there are no pairs; accepted are two originals of one value in each split: more images, or "
                    "another data.val_share or data.test_share"
                )

    def require_two_values(self, split: str) -> None:
        """Refuse a concept that is the same all over a split."""
        for concept in self._missing:
            values = self._values[split, concept]
            if len(values) < 2:
                found = f"one value ({values.pop()})" if values else "no value"
                raise InputError(f"concept '{concept}' has {found} in split {split}; at least two are needed")

    def require_few_unread(self, share: float) -> None:
        """Refuse more images that can't be read than `share` of all."""
        if len(self._unread) > share * self._seen:
            raise InputError(
                f"data.corrupt_share: {self._what()}, {len(self._unread) / self._seen:.2%} of {self._seen}, accepted "
                f"are {share:.2%}"
            )

    def report(self) -> None:
        """Say what each concept was taken for, what was made of the images, and what is missing, if anything is."""
        for name in self._counts:
            print(f"data/images: {name}: {self._described(name)}", flush=True)
        for remark in self._source.remarks():
            print(remark, flush=True)
        missing = [f"{count} in '{name}'" for name, count in self._missing.items() if count]
        if missing:
            print(f"images whose concept is missing, which take no part in its pairs: {', '.join(missing)}", flush=True)
        if self._unread:
            print(f"{self._what()}; they are left out", flush=True)

    def _described(self, concept: str) -> str:
        """Classes with their counts, or a value with its range."""
        counts = self._counts[concept]
        if concept in self._ranges:
            numbers = self._source.values[concept]
            low, high = self._ranges[concept]
            each = f", {numbers} numbers each" if numbers > 1 else ""
            return f"continuous{each}, {low:.4g} to {high:.4g}, {np.count_nonzero(counts)} different values"
        names = self._source.class_names.get(concept) or range(len(counts))
        some = ", ".join(f"{name} ({count})" for name, count in zip(names, counts[:_SHOWN], strict=False))
        more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
        return f"{len(counts)} classes: {some}{more}"

    def _what(self) -> str:
        some = ", ".join(self._unread[:_SHOWN]) + (" …" if len(self._unread) > _SHOWN else "")
        return f"{len(self._unread)} images are empty or damaged ({some})"
