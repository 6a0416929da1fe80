"""What the explorer of a report can show: a few images, every factor of each edited in five ways, all computed ahead.

A column of an `Edited` is one edit, the same for each image: a donor of a swap, a position on a slider, a draw, a
point of a walk, a value of the concept. `Plan` says how many there are, and `columns` where each kind begins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.basis.draws import draw_seed
from pipeline.iin.values import Categories, Value
from pipeline.interpret.directions import directions
from pipeline.interpret.subject import Subject
from pipeline.interpretation.edits import move, sample, swap, walk
from pipeline.judge.network import Judge
from pipeline.tables.images import to_pixels

__all__ = ["KINDS", "Edited", "Named", "Plan", "edited", "plan_for", "shown_output"]

KINDS = ("swap", "slide", "sample", "walk", "set")
REACH = 4.0  # of a slider to either side, in standard deviations of the prior

Named = dict[str, NDArray[np.generic]]
"""Concept → category [n] or value [n, D], as a judge gives it."""


@dataclass(frozen=True)
class Plan:
    """How much is computed.

    Attributes:
        images: that can be edited.
        donors: of a factor.
        sliders: directions of a factor that has so many dimensions.
        positions: of a slider, an odd number; the middle one is no edit.
        draws: of a factor from N(0, 1).
        steps: of a walk.
        values: that a factor is set to, at most.
    """

    images: int
    donors: int
    sliders: int
    positions: int
    draws: int
    steps: int
    values: int

    @property
    def amounts(self) -> list[float]:
        """How far each position of a slider moves a code."""
        return [float(amount) for amount in np.linspace(-REACH, REACH, self.positions)]


@dataclass(frozen=True)
class Edited:
    """All edits of one factor.

    Attributes:
        factor: its name.
        donors: rows [D] of its swaps.
        sliders: how many directions it has.
        values: that it is set to; none of the residual.
        output: pixels [R, C, H, W, 3], or numbers [R, C, K]: probabilities of classes, or values.
        outside: whether the edit leads outside of what the map was trained on [R, C].
        named: what the judge sees [R · C]; empty where there is none.
    """

    factor: str
    donors: NDArray[np.int64]
    sliders: int
    values: list[Value]
    output: NDArray[np.uint8] | NDArray[np.float32]
    outside: NDArray[np.bool_]
    named: Named

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The output of a network that draws images."""
        return self.output.astype(np.uint8, copy=False)

    def columns(self, plan: Plan) -> dict[str, tuple[int, int]]:
        """Where the columns of each kind of edit begin and end."""
        sizes = [len(self.donors), self.sliders * plan.positions, plan.draws, plan.steps, len(self.values)]
        ends = list(accumulate(sizes))
        return {kind: (end - size, end) for kind, size, end in zip(KINDS, sizes, ends, strict=True)}


def plan_for(num_factors: int) -> Plan:
    """Of many factors less of each: a page has to stay small, and its making short.

    Example:
        >>> plan_for(3).images, plan_for(41).images
        (8, 4)
    """
    return Plan(8, 8, 2, 9, 8, 8, 12) if num_factors <= 6 else Plan(4, 6, 1, 7, 5, 6, 4)


def edited(subject: Subject, recipients: NDArray[np.int64], plan: Plan, judge: Judge | None) -> Iterator[Edited]:
    """Every edit of every factor, a factor after the other.

    Args:
        subject: network, map and test rows.
        recipients: rows [R] that are edited.
        plan: how much.
        judge: names what edited images show; None: nobody does.
    """
    rows, codes, leading = subject.rows, subject.rows.codes[recipients], directions(subject, plan.sliders)
    for factor in subject.layout.names:
        donors = subject.donors(factor, plan.donors)
        along = leading[factor]
        columns = [subject.edited(recipients, swap(factor, rows.codes[[row] * len(codes)])) for row in donors]
        columns += [subject.edited(recipients, move(factor, one, amount)) for one in along for amount in plan.amounts]
        columns += [subject.edited(recipients, sample(factor, draw)) for draw in _seeds(subject, factor, plan.draws)]
        columns += list(
            walk(factor, plan.steps, draw_seed(subject.seed, f"report/walk/{factor}"))(codes, subject.layout)
        )
        values = _values(subject, factor, donors)[: plan.values]
        columns += [subject.edited(recipients, rows.interpretation.set_to(factor, value)) for value in values]
        flat = torch.stack(columns, dim=1).flatten(0, 1)  # [R · C, N]
        latents = rows.interpretation.inverse(flat)
        raw = rows.outputs_of_latents(latents, recipients.repeat(len(columns)))
        shape = (len(recipients), len(columns))
        output = shown_output(subject, raw)
        yield Edited(
            factor,
            donors,
            len(along),
            values,
            output.reshape(*shape, *output.shape[1:]),
            (rows.interpretation.iin.distance(latents) > 1).reshape(shape),
            judge.name(raw) if judge is not None else {},
        )


def shown_output(subject: Subject, raw: Tensor) -> NDArray[np.uint8] | NDArray[np.float32]:
    """What a network gave, as it is shown: pixels [n, H, W, 3], probabilities of classes [n, K], or values [n, D]."""
    backbone = subject.rows.interpretation.backbone
    if backbone.draws_images:
        return to_pixels(raw)
    shown = raw.softmax(dim=1) if backbone.decides else raw.flatten(1)
    numbers: NDArray[np.float32] = shown.float().numpy()
    return numbers


def _values(subject: Subject, factor: str, donors: NDArray[np.int64]) -> list[Value]:
    """What a factor can be set to: the classes of its concept, or of a continuous one what the donors have."""
    known = subject.rows.interpretation.iin.values.get(factor)
    if known is None:
        return []
    if isinstance(known, Categories):
        return [*known.names]
    values = np.clip(subject.rows.images.values[factor][donors], known.low, known.high)
    return [row.tolist() for row in np.unique(values, axis=0)]


def _seeds(subject: Subject, factor: str, num: int) -> list[int]:
    return [draw_seed(subject.seed, f"report/sample/{factor}/{number}") for number in range(num)]
