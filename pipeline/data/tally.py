"""What preparation counts as rows go by: values of each concept, missing ones, images that can't be read."""

from collections.abc import Sequence

import numpy as np

from pipeline.data.sources import Rendered
from pipeline.errors import InputError

__all__ = ["Tally"]

_SHOWN = 5  # names in a line


class Tally:
    """Counts of originals.

    Args:
        concepts: those that get a factor.
    """

    def __init__(self, concepts: Sequence[str]) -> None:
        self._values: dict[tuple[str, str], set[int]] = {}
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
            values = self._values.setdefault((split, concept), set())
            if len(values) < 2:
                values.update(np.unique(labels[labels >= 0])[:2].tolist())

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
        """Say in a line what is missing, if anything is."""
        missing = [f"{count} in '{name}'" for name, count in self._missing.items() if count]
        if missing:
            print(f"images whose concept is missing, which take no part in its pairs: {', '.join(missing)}", flush=True)
        if self._unread:
            print(f"{self._what()}; they are left out", flush=True)

    def _what(self) -> str:
        some = ", ".join(self._unread[:_SHOWN]) + (" …" if len(self._unread) > _SHOWN else "")
        return f"{len(self._unread)} images are empty or damaged ({some})"
