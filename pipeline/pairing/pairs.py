"""Pairs of rows that share a concept: the training signal (Esser, Rombach, Ommer, CVPR 2020, section 3.2).

Partners of a row are those of equal value of another original; in a graded concept they are more or less alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.basis.draws import draw_seed
from pipeline.errors import InputError

if TYPE_CHECKING:  # scores draw pairs too, without a table
    from pipeline.tables.latents import Latents

__all__ = ["Neighbours", "PairSampler", "Pairs", "Partners", "pair_sampler"]

MOMENT_PAIRS = 100_000  # standard error of a correlation .003
REACH = 2.0  # lengths to either side, of the half of the pairs that are near

Rows = NDArray[np.int64]


class Partners:
    """Rows of one concept and, of each, its partners: the rows of equal value of other originals.

    Rows are sorted by (value, original), so that the partners of a row are the span of its value less the run of its
    original.

    Args:
        category: of each row [n], negative where it is missing; rows of equal numbers share a value.
        original: [n]; copies of one image share it, and are no partners.

    Attributes:
        num_partners: of each row that has any [m], in the order of the sorted rows.
        num_alone: how many rows have a value but no partner.
    """

    def __init__(self, category: Rows, original: Rows) -> None:
        order = np.lexsort((original, category))
        self._order = order[np.count_nonzero(category < 0) :]  # the missing come first
        value, source = category[self._order], original[self._order]
        new_value = np.r_[True, value[1:] != value[:-1]][: len(value)]  # none, where every value is missing
        new_run = new_value | np.r_[True, source[1:] != source[:-1]]
        self._value_start, value_size = _spans(new_value)
        self._run_start, self._run_size = _spans(new_run)
        num_partners = self._num_others = value_size - self._run_size
        self._paired = np.flatnonzero(num_partners)  # positions within the sorted rows
        self.num_partners: Rows = num_partners[self._paired]
        self.num_alone = len(num_partners) - len(self._paired)

    @property
    def num_rows(self) -> int:
        """How many rows may be drawn: those that have a partner."""
        return len(self.num_partners)

    def rows(self, member: Rows, partner: Rows) -> tuple[Rows, Rows]:
        """Row numbers of both members of P pairs.

        Args:
            member: which of the rows that have a partner [P], from 0.
            partner: which of its partners [P], from 0 to its `num_partners` − 1.
        """
        a = self._paired[member]
        b = self._value_start[a] + partner
        b += np.where(b >= self._run_start[a], self._run_size[a], 0)  # skips the copies of a's own original
        return self._order[a], self._order[b]

    def pick(self, where: NDArray[np.float64], which: NDArray[np.float64]) -> tuple[Rows, Rows, NDArray[np.float64]]:
        """Rows a and b, and their distance of 0, from two uniform draws in [0, 1) each."""
        member = (where * self.num_rows).astype(np.int64)
        partner = (which * self.num_partners[member]).astype(np.int64)
        return *self.rows(member, partner), np.zeros(len(where))

    def second_moment(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean of x_a x_bᵀ over all pairs, made symmetric [N, N]: a uniform over rows, b over its partners.

        Args:
            rows: x of each row [n, N].
        """
        x = rows[self._order].astype(np.float64)
        runs, values = np.unique(self._run_start), np.unique(self._value_start)
        own = np.add.reduceat(x, runs)
        others = np.add.reduceat(x, values)[np.searchsorted(values, self._value_start[runs])] - own
        weight = 1 / np.maximum(self._num_others[runs], 1) / self.num_rows
        moment = own.T @ (others * weight[:, None])  # a run without partners is a whole value: nothing is left of it
        return np.asarray((moment + moment.T) / 2)


def _spans(is_first: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """For each position, where its span of positions begins and how long it is."""
    starts = np.flatnonzero(is_first)
    sizes = np.diff(np.r_[starts, len(is_first)])
    return np.repeat(starts, sizes), np.repeat(sizes, sizes)


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
        self._order = order[: np.count_nonzero(np.isfinite(values))]
        self._values, self._original = values[self._order].astype(np.float64), original[self._order]
        several = len(np.unique(self._original)) > 1
        self.num_rows = len(self._order) if several else 0
        self.num_alone = len(self._order) - self.num_rows

    def pick(self, where: NDArray[np.float64], which: NDArray[np.float64]) -> tuple[Rows, Rows, NDArray[np.float64]]:
        """Rows a and b, and the distance of their values, from two uniform draws in [0, 1) each."""
        num = self.num_rows
        a = (where * num).astype(np.int64)
        anywhere = (2 * which % 1 * num).astype(np.int64)
        wanted = self._values[a] + REACH * (4 * which - 3)
        nearby = np.minimum(np.searchsorted(self._values, wanted), num - 1)
        b = np.where(which < 0.5, anywhere, nearby)
        while (same := self._original[a] == self._original[b]).any():
            b[same] = (b[same] + 1) % num
        return self._order[a], self._order[b], np.abs(self._values[a] - self._values[b])

    def second_moment(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean of x_a x_bᵀ over drawn pairs that are no further apart than the length, made symmetric [N, N]."""
        rng = np.random.default_rng(draw_seed(0, "moments"))
        a, b, distance = self.pick(rng.random(MOMENT_PAIRS), rng.random(MOMENT_PAIRS))
        near = distance <= 1
        moment = rows[a[near]].astype(np.float64).T @ rows[b[near]] / max(int(near.sum()), 1)
        return np.asarray((moment + moment.T) / 2)


@dataclass(frozen=True)
class Pairs:
    """Row numbers of both members [P] each, the number 1 … K of the concept that they share [P], and how far apart
    they are in it [P]: 0 where their values are equal, else their distance over the length of a graded concept.
    """

    a: Rows
    b: Rows
    concept: Rows
    distance: NDArray[np.float64]

    def near(self) -> "Pairs":
        """Those that are no further apart than the length of their concept: all, where none is graded."""
        kept = self.distance <= 1
        return Pairs(self.a[kept], self.b[kept], self.concept[kept], self.distance[kept])


class PairSampler:
    """Draws pairs: concept uniform over K, a uniform over rows, b uniform over rows of equal value of another original.

    Each draw is a function of (seed, purpose, step) alone. A row with no partner in a concept (no other original has
    its value) is left out of this concept's pairs and counted in `num_alone`, one whose value is missing in
    `num_missing`.

    Args:
        labels: concept → category of each row [n], −1 where it is missing, in the order of the factors; at least one.
        original: [n]; copies of one image share it.
        seed: the study's.
        purpose: names the stream of draws.
        graded: concept → value of each row [n], NaN where it is missing, in lengths of the concept. Its pairs need
            not be of equal value: half of them are uniform, half within two lengths.

    Raises:
        InputError: if no row of a concept has a partner.
    """

    def __init__(
        self,
        labels: Mapping[str, Rows],
        original: Rows,
        seed: int,
        purpose: str,
        graded: Mapping[str, NDArray[np.floating]] | None = None,
    ) -> None:
        self._seed, self._purpose = seed, purpose
        values = graded or {}
        self._concepts = {
            name: Neighbours(values[name], original) if name in values else Partners(category, original)
            for name, category in labels.items()
        }
        self.num_alone = {name: rows.num_alone for name, rows in self._concepts.items()}
        self.num_missing = {name: int((category < 0).sum()) for name, category in labels.items()}
        for name, rows in self._concepts.items():
            if not rows.num_rows:
                raise InputError(
                    f"concept '{name}': no two originals share a value, so there are no pairs to learn from"
                )

    def second_moments(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """Of each concept the mean of x_a x_bᵀ over its pairs, symmetric [K, N, N], for x of each row [n, N]."""
        return np.stack([concept.second_moment(rows) for concept in self._concepts.values()])

    def alone(self) -> str:
        """Rows that can't be paired, a count for each concept that has any; empty where every row has a partner."""
        counts = [f"{count} in '{name}'" for name, count in self.num_alone.items() if count]
        missing = [f"{count} in '{name}'" for name, count in self.num_missing.items() if count]
        lines = [f"rows without a partner (no other original has their value): {', '.join(counts)}"] if counts else []
        lines += [f"rows whose value is missing: {', '.join(missing)}"] if missing else []
        return "; ".join(lines)

    def draw(self, step: int, num_pairs: int) -> Pairs:
        """The `num_pairs` pairs of a step."""
        rng = np.random.default_rng(draw_seed(self._seed, self._purpose, step))
        concept = rng.integers(1, len(self._concepts) + 1, size=num_pairs)
        where, which = rng.random(num_pairs), rng.random(num_pairs)
        a, b, distance = np.empty(num_pairs, np.int64), np.empty(num_pairs, np.int64), np.empty(num_pairs)
        for number, rows in enumerate(self._concepts.values(), start=1):
            shared = concept == number
            a[shared], b[shared], distance[shared] = rows.pick(where[shared], which[shared])
        return Pairs(a, b, concept, distance)


def pair_sampler(latents: "Latents", seed: int, purpose: str) -> PairSampler:
    """Pairs of rows of one split, graded where the study says so.

    Args:
        latents: of the split.
        seed: the study's.
        purpose: names the stream of draws.
    """
    graded = {name: latents.values[name][:, 0] / length for name, length in latents.graded.items()}
    return PairSampler(latents.labels, latents.original, seed, purpose, graded)
