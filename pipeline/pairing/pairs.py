"""Which rows may be a pair: those of equal value of another original. Without torch, as scores draw pairs, too."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Partners", "Spans"]

Rows = NDArray[np.int64]
Array = TypeVar("Array", Rows, "Tensor")


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
            member: which of the rows that have a partner [P], from 0.
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
        return Spans(**{name: np.concatenate(column) for name, column in columns.items()})

    def to(self, device: "torch.device") -> "Spans[Tensor]":
        """The same on a device."""
        import torch

        return Spans(*(torch.as_tensor(column).to(device) for column in astuple(self)))


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
        self._num_others = value_size - run_size
        paired = np.flatnonzero(self._num_others)
        self.spans = Spans(order, paired, value_start, run_start, run_size, self._num_others[paired])
        self.num_alone = len(order) - len(paired)

    @property
    def num_rows(self) -> int:
        """How many rows may be drawn: those that have a partner."""
        return len(self.spans.paired)

    def second_moment(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """Mean of x_a x_bᵀ over all pairs, made symmetric [N, N]: a uniform over rows, b over its partners.

        Args:
            rows: x of each row [n, N].
        """
        x = rows[self.spans.order].astype(np.float64)
        runs, values = np.unique(self.spans.run_start), np.unique(self.spans.value_start)
        own = np.add.reduceat(x, runs)
        others = np.add.reduceat(x, values)[np.searchsorted(values, self.spans.value_start[runs])] - own
        weight = 1 / np.maximum(self._num_others[runs], 1) / self.num_rows
        moment = own.T @ (others * weight[:, None])  # a run without partners is a whole value: nothing is left of it
        return np.asarray((moment + moment.T) / 2)


def _spans(is_first: NDArray[np.bool_]) -> tuple[Rows, Rows]:
    """For each position, where its span of positions begins and how long it is."""
    starts = np.flatnonzero(is_first)
    sizes = np.diff(np.r_[starts, len(is_first)])
    return np.repeat(starts, sizes), np.repeat(sizes, sizes)
