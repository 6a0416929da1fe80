"""Which rows may be a pair: those of equal value of another original. Without torch, as scores draw pairs, too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Indexed", "Partners", "Spans"]

Rows = NDArray[np.integer]
Array = TypeVar("Array", Rows, "Tensor")
SHORT = 2**31  # rows: numbers of fewer are held in 32 bits


class Indexed(Protocol):
    """Rows [n, N], in memory or where they are stored."""

    @property
    def shape(self) -> tuple[int, ...]:
        """n and N."""

    def __getitem__(self, rows: Rows, /) -> NDArray[np.floating]:
        """Rows of these numbers [m, N]."""


@dataclass(frozen=True)
class Spans(Generic[Array]):
    """Rows sorted by (value, original): the partners of a row are the span of its value less the run of its original.

    Attributes:
        order: number of each sorted row.
        paired: positions of the sorted rows that have a partner [m].
        value_start: where the span of a sorted row's value begins.
        run_start: where the run of its original begins within that.
        run_size: how long the run is.
        num_partners: of each row that has any [m].
    """

    order: Array
    paired: Array
    value_start: Array
    run_start: Array
    run_size: Array
    num_partners: Array

    def rows(self, member: Array, partner: Array) -> tuple[Array, Array]:
        """Row numbers of both members of P pairs.

        Args:
            member: which of the rows that have a partner [P], from 0; int64, as all that follows.
            partner: which of its partners [P], from 0 to its `num_partners` − 1.
        """
        a = self.paired[member]
        b = self.value_start[a] + partner
        b = b + (b >= self.run_start[a]) * self.run_size[a]  # skips the copies of a's own original
        return self.order[a], self.order[b]

    @staticmethod
    def joined(parts: Sequence["Spans[Rows]"]) -> "Spans[Rows]":
        """Those of several concepts behind each other."""
        begin = np.cumsum([0, *(len(part.order) for part in parts)])
        columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(Spans)}
        for name in ("paired", "value_start", "run_start"):
            columns[name] = [column + start for column, start in zip(columns[name], begin, strict=False)]
        return Spans(**{name: _short(np.concatenate(column), int(begin[-1])) for name, column in columns.items()})

    def to(self, device: "torch.device") -> "Spans[Tensor]":
        """The same on a device."""
        import torch

        return Spans(*(torch.as_tensor(getattr(self, field.name)).to(device) for field in fields(self)))


class Partners:
    """Rows of one concept and, of each, its partners: the rows of equal value of other originals.

    Args:
        category: of each row [n], negative where it is missing; rows of equal numbers share a value.
        original: [n]; copies of one image share it, and are no partners.

    Attributes:
        spans: where the partners of each row are.
        num_alone: how many rows have a value but no partner.
    """

    def __init__(self, category: Rows, original: Rows) -> None:
        order = np.lexsort((original, category))
        order = order[np.count_nonzero(category < 0) :]  # the missing come first
        value, source = category[order], original[order]
        new_value = np.r_[True, value[1:] != value[:-1]][: len(value)]  # none, where every value is missing
        new_run = new_value | np.r_[True, source[1:] != source[:-1]]
        value_start, value_size = _spans(new_value)
        run_start, run_size = _spans(new_run)
        self._num_others = _short(value_size - run_size, len(order))
        paired = np.flatnonzero(self._num_others)
        columns = (order, paired, value_start, run_start, run_size, self._num_others[paired])
        self.spans = Spans(*(_short(column, len(category)) for column in columns))
        self.num_alone = len(order) - len(paired)

    @property
    def num_rows(self) -> int:
        """How many rows may be drawn: those that have a partner."""
        return len(self.spans.paired)

    def second_moment(self, rows: Indexed, centre: NDArray[np.float64] | float, size: int) -> NDArray[np.float64]:
        """Mean of x_a x_bᵀ over all pairs, made symmetric [N, N]: a uniform over rows, b over its partners.

        Args:
            rows: of which x is what is left without the centre [n, N].
            centre: [N], or 0.
            size: how many are read at once, but for an original of more copies.
        """
        spans, moment = self.spans, np.zeros(2 * (rows.shape[1],))

        def read(part: slice) -> NDArray[np.float64]:
            x: NDArray[np.float64] = rows[spans.order[part]] - np.float64(centre)
            return x

        for part in _cut(np.unique(spans.value_start), slice(0, len(spans.order)), size):
            pieces = list(_cut(np.unique(spans.run_start[part]), part, size))  # several of one large value alone
            whole = sum(read(piece).sum(axis=0) for piece in pieces) if len(pieces) > 1 else None
            for piece in pieces:
                x, runs, values = read(piece), np.unique(spans.run_start[piece]), np.unique(spans.value_start[piece])
                own = np.add.reduceat(x, runs - piece.start)
                sums = np.add.reduceat(x, values - piece.start) if whole is None else whole[None]
                others = sums[np.searchsorted(values, spans.value_start[runs])] - own
                weight = 1 / np.maximum(self._num_others[runs], 1) / self.num_rows
                moment += own.T @ (others * weight[:, None])  # a run that is a whole value leaves nothing of it
        return np.asarray((moment + moment.T) / 2)


def _cut(begins: Rows, part: slice, size: int) -> Iterator[slice]:
    """Cut positions where something begins, into parts of at most `size`, but for what is longer alone."""
    start = part.start
    while start < part.stop:
        last = int(np.searchsorted(begins, start + size, side="right")) - 1  # the last that begins by then
        fits = part.stop - start <= size
        end = part.stop if fits else int(begins[last])
        if end <= start:
            end = int(begins[last + 1]) if last + 1 < len(begins) else part.stop
        yield slice(start, end)
        start = end


def _short(column: Rows, most: int) -> Rows:
    """Whole numbers up to `most` in 32 bits where they fit: a table has six of them for each row and concept."""
    return column.astype(np.int32) if most < SHORT else column


def _spans(is_first: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """For each position, where its span of positions begins and how long it is."""
    starts = np.flatnonzero(is_first)
    sizes = np.diff(np.r_[starts, len(is_first)])
    return np.repeat(starts, sizes), np.repeat(sizes, sizes)
