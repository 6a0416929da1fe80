"""Pairs of rows that share a concept: the training signal (Esser, Rombach, Ommer, CVPR 2020, section 3.2).

They are drawn by whole numbers alone, where they are used: the same on each device, and for any number of workers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.basis.counter import Counter, below, share
from pipeline.errors import InputError
from pipeline.pairing.pairs import Indexed, Partners, Spans
from pipeline.pairing.scenes import scenes_of

if TYPE_CHECKING:  # who pairs rows of one table need not import the other
    from pipeline.tables.images import Images
    from pipeline.tables.latents import Latents

__all__ = ["Neighbours", "PairSampler", "Pairs", "pair_sampler"]

CPU = torch.device("cpu")
MOMENT_PAIRS = 100_000  # standard error of a correlation .003
REACH = 2.0  # lengths to either side, of the half of the pairs that are near

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Row numbers of both members [P] each, the number 1 … K of the concept that they share [P], 0 where there is none,
    −k where they differ in concept k and share all else, and how far apart they are in what they share [P]: 0 where
    their values are equal, else their distance over the length of a graded concept.
    """

    a: Rows
    b: Rows
    concept: Rows
    distance: NDArray[np.float64]

    def near(self) -> "Pairs":
        """Those that share a concept, no further apart than its length: all, unless one is graded or sketched."""
        kept = (self.distance <= 1) & (self.concept >= 0)
        return Pairs(self.a[kept], self.b[kept], self.concept[kept], self.distance[kept])


class Neighbours:
    """Rows of one graded concept, sorted by value; every row of another original is a partner, near or far.

    Args:
        values: of each row [n], in lengths of the concept; NaN where it is missing.
        original: [n]; copies of one image share it, and are no partners.

    Attributes:
        num_rows: how many rows may be drawn: all that have a value, where they are of two originals at least.
        num_alone: how many rows have a value but no partner.
    """

    def __init__(self, values: NDArray[np.floating], original: NDArray[np.int64]) -> None:
        order = np.argsort(values, kind="stable")  # NaN comes last
        order = order[: np.count_nonzero(np.isfinite(values))]
        several = len(np.unique(original[order])) > 1
        self.num_rows = len(order) if several else 0
        self.num_alone = len(order) - self.num_rows
        self._order, self._original = torch.from_numpy(order), torch.from_numpy(original[order])
        self._values = torch.from_numpy(values[order].astype(np.float64))
        self._next_other = torch.from_numpy(_next_other(original[order])) if several else self._order

    def to(self, device: torch.device) -> "Neighbours":
        """Move the tables to a device."""
        for name in ("_order", "_original", "_values", "_next_other"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def pick(self, word: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows a and b, and the distance of their values in float64, from two random words each [P].

        Half of the b are any row, half lie within two lengths of a; the next of another original where one is a's.
        """
        a = below(word, self.num_rows)
        which = share(other)
        anywhere = below(other << 1, self.num_rows)
        wanted = self._values[a] + REACH * (4 * which - 3)
        nearby = torch.searchsorted(self._values, wanted).clamp(max=self.num_rows - 1)
        b = torch.where(which < 0.5, anywhere, nearby)
        b = torch.where(self._original[a] == self._original[b], self._next_other[b], b)
        return self._order[a], self._order[b], (self._values[a] - self._values[b]).abs()

    def second_moment(self, rows: Indexed, centre: NDArray[np.float64] | float, size: int) -> NDArray[np.float64]:
        """As of `Partners`, over drawn pairs that are no further apart than the length."""
        counter, moment, num = Counter(0, "moments"), np.zeros(2 * (rows.shape[1],)), 0
        for start in range(0, MOMENT_PAIRS, size):
            numbers = torch.arange(start, min(start + size, MOMENT_PAIRS))
            picked = self.pick(counter.words(0, numbers), counter.words(1, numbers))
            a, b, distance = (column.numpy() for column in picked)
            near = distance <= 1
            x_a, x_b = (rows[member[near]] - np.float64(centre) for member in (a, b))
            moment += x_a.T @ x_b
            num += int(near.sum())
        moment /= max(num, 1)
        return np.asarray((moment + moment.T) / 2)


def _next_other(original: NDArray[np.int64]) -> Rows:
    """For each position the next one, from the end on to the beginning, of another original, of two at least."""
    num = len(original)
    changes = np.flatnonzero(original != np.roll(original, 1))  # positions that begin a run, with the end before 0
    return changes[np.searchsorted(changes, np.arange(num), side="right") % len(changes)]


class _Tables(NamedTuple):
    """What is drawn from, on a device: of each concept its first row of `classes` and how many it has there [K], the
    classes of all concepts behind each other, the graded concepts by their number from 0, and the number that `Pairs`
    has for each; changes come after the concepts."""

    first: Tensor
    num_rows: Tensor
    classes: "Spans[Tensor] | None"
    graded: dict[int, Neighbours]
    number: Tensor


class PairSampler:
    """Draws pairs: concept uniform over K, a uniform over rows, b uniform over rows of equal value of another original.

    Without a concept a pair is any two rows of two originals, which share nothing: its concept is 0. Of a concept that
    two sketches give, as many pairs again show a change: two of the three rows of a scene, which share all else. An
    image as it was has no partner in it, as nobody said how two of them compare.

    Each draw is a function of (seed, purpose, step, number of the pair) alone. A row with no partner in a concept (no
    other original has its value) is left out of this concept's pairs and counted in `num_alone`, one whose value is
    missing in `num_missing`.

    Args:
        labels: concept → category of each row [n], −1 where it is missing, in the order of the factors.
        original: [n]; copies of one image share it.
        seed: the study's.
        purpose: names the stream of draws.
        graded: concept → value of each row [n], NaN where it is missing, in lengths of the concept. Its pairs need
            not be of equal value: half of them are uniform, half within two lengths.
        scenes: sketched concept → scene of each row [n]: an image as it was, of category 0, and in both styles, of
            categories 1 and 2; −1 where a row is in a style of another concept.

    Raises:
        InputError: if no row of a concept has a partner; without a concept, if all rows are of one original.
    """

    def __init__(
        self,
        labels: Mapping[str, Rows],
        original: Rows,
        seed: int,
        purpose: str,
        graded: Mapping[str, NDArray[np.floating]] | None = None,
        scenes: Mapping[str, Rows] | None = None,
    ) -> None:
        values, scenes = graded or {}, scenes or {}
        self._counter = Counter(seed, purpose)
        styled = {name: np.where(labels[name] > 0, labels[name], -1) for name in scenes}
        self._concepts = {
            name: Neighbours(values[name], original) if name in values else Partners(category, original)
            for name, category in {**labels, **styled}.items()
        }
        numbers = np.arange(len(original))
        self._changes = [(1 + list(labels).index(name), Partners(scene, numbers)) for name, scene in scenes.items()]
        self.num_alone = {name: rows.num_alone for name, rows in self._concepts.items()}
        self.num_missing = {name: int((category < 0).sum()) for name, category in labels.items()}
        for name, rows in self._concepts.items():
            if not rows.num_rows:
                raise InputError(
                    f"concept '{name}': no two originals share a value, so there are no pairs to learn from"
                )
        shared = list(self._concepts.values()) or [Partners(np.zeros(len(original), np.int64), original)]
        if not shared[0].num_rows:
            raise InputError(f"{len(original)} rows are of one original, expected are two or more")
        self._drawn = [*shared, *(partners for _, partners in self._changes)]
        self._device = CPU

    def to(self, device: torch.device) -> "PairSampler":
        """Draw on this device; before the first draw."""
        self._device = device
        return self

    @cached_property
    def _tables(self) -> "_Tables":
        """The classes of all concepts as one table, so that a draw takes as many kernels for forty as for one."""
        classes = {k: rows for k, rows in enumerate(self._drawn) if isinstance(rows, Partners)}
        num_rows = np.ones(len(self._drawn), np.int64)  # of a graded concept: any row, which is not taken
        num_rows[list(classes)] = [rows.num_rows for rows in classes.values()]
        first = np.zeros(len(self._drawn), np.int64)
        first[list(classes)] = np.cumsum([0, *(rows.num_rows for rows in classes.values())])[:-1]
        spans = [rows.spans for rows in classes.values()]
        numbers = [*(range(1, 1 + len(self._concepts)) if self._concepts else [0]), *(-k for k, _ in self._changes)]
        return _Tables(
            torch.from_numpy(first).to(self._device),
            torch.from_numpy(num_rows).to(self._device),
            Spans.joined(spans).to(self._device) if spans else None,
            {k: r.to(self._device) for k, r in enumerate(self._drawn) if isinstance(r, Neighbours)},
            torch.tensor(numbers, device=self._device),
        )

    def second_moments(
        self, rows: Indexed, centre: NDArray[np.float64] | float = 0.0, size: int = MOMENT_PAIRS
    ) -> NDArray[np.float64]:
        """Of each concept the mean of x_a x_bᵀ over its pairs, symmetric [K, N, N].

        Args:
            rows: of which x is what is left without the centre [n, N].
            centre: [N], or 0.
            size: how many rows are read at once.
        """
        moments = [concept.second_moment(rows, centre, size) for concept in self._concepts.values()]
        return np.array(moments).reshape(-1, rows.shape[1], rows.shape[1])

    def alone(self) -> str:
        """Rows that can't be paired, a count for each concept that has any; empty where every row has a partner."""
        counts = [f"{count} in '{name}'" for name, count in self.num_alone.items() if count]
        missing = [f"{count} in '{name}'" for name, count in self.num_missing.items() if count]
        lines = [f"rows without a partner (no other original has their value): {', '.join(counts)}"] if counts else []
        lines += [f"rows whose value is missing: {', '.join(missing)}"] if missing else []
        return "; ".join(lines)

    def draw(self, step: int, num_pairs: int) -> Pairs:
        """The `num_pairs` pairs of a step, as arrays."""
        drawn = self.tensors(step, torch.arange(num_pairs, device=self._device))
        return Pairs(*(column.cpu().numpy() for column in drawn))

    def tensors(self, step: int | Tensor, number: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Some pairs of a step on the device: a, b, concept and distance, as in `Pairs`.

        Args:
            step: from 0; in a tensor where one graph serves all steps.
            number: of the pairs within the step [P], int64, on the device.
        """
        words, others = self._counter.words(step, 2 * number), self._counter.words(step, 2 * number + 1)
        concept = below(words, len(self._drawn), low=True)
        first, num_rows, classes, graded, numbers = self._tables
        if classes is None:
            a = b = torch.zeros_like(number)
        else:
            member = first[concept] + below(words, num_rows[concept])
            a, b = (rows.long() for rows in classes.rows(member, below(others, classes.num_partners[member])))
        distance = torch.zeros_like(a, dtype=torch.float64)
        for k, rows in graded.items():
            mine = concept == k
            picked = rows.pick(words, others)
            a, b, distance = (torch.where(mine, new, old) for new, old in zip(picked, (a, b, distance), strict=True))
        return a, b, numbers[concept], distance


def pair_sampler(rows: "Latents | Images", seed: int, purpose: str) -> PairSampler:
    """Pairs of rows of one split, graded where the study says so.

    Args:
        rows: of the split.
        seed: the study's.
        purpose: names the stream of draws.
    """
    scenes = scenes_of(rows.id, rows.labels, rows.sketches)
    graded = {name: rows.values[name][:, 0] / length for name, length in rows.graded.items()}
    return PairSampler(rows.labels, rows.original, seed, purpose, graded, scenes)
