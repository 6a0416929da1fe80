"""Which of the steps looked at is the best, and when a training has nothing more to win.

Among the steps that are allowed the one of the highest score; among those level with it, whose difference in score is
within one standard error of the paired difference, the one of the lowest cost. The beginning is one of them. What is
kept of earlier steps is the best one and the highest score, so that a training of any length holds one network beside
its own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypedDict, runtime_checkable

import torch
from torch import Tensor

__all__ = ["Best", "BestStep", "Judged", "Merit", "merit_of"]


@dataclass(frozen=True)
class Merit:
    """What a look at a network found, for the choice of a step.

    Attributes:
        score: the higher, the better.
        resamples: of the score [B], by the same resampled rows in every look; in float64, on the CPU.
        cost: the lower, the better, among those level in score.
        margin: the step may be chosen where this is at least 0; below that only where no other may be.
    """

    score: float
    resamples: Tensor
    cost: float
    margin: float

    @property
    def allowed(self) -> bool:
        """Whether the step may be chosen."""
        return self.margin >= 0


@runtime_checkable
class Judged(Protocol):
    """A task that says how good its network is: its training ends as the best step, not as the last.

    Attributes:
        patience: looks in a row that win nothing after which training ends; None: it never ends early.
    """

    patience: int | None

    def look(self) -> tuple[dict[str, float], Merit]:
        """Figures of the validation rows, as `validate` gives them, and what they say of the network as it is."""


class Best(TypedDict):
    """What a checkpoint holds of it.

    Attributes:
        step: steps done, 0 for the start.
        model: state dict of the network then.
        merit: of that step, as plain values, which are the same on whatever device a checkpoint is read.
        highest: of the step of the highest score, likewise.
        looks: looks since, in which nothing was won.
        nearest: highest margin of the steps that were not allowed.
    """

    step: int
    model: dict[str, Tensor]
    merit: dict[str, float | list[float]]
    highest: dict[str, float | list[float]]
    looks: int
    nearest: float


class BestStep:
    """The best of the steps looked at so far.

    Args:
        patience: as `Judged` has it.
        state: of the run that goes on, as `state` gave it.
    """

    def __init__(self, patience: int | None, state: Best | None = None) -> None:
        self._patience, self.state = patience, state

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to win."""
        return self._patience is not None and self.state is not None and self.state["looks"] >= self._patience

    def consider(self, step: int, merit: Merit, model: Mapping[str, Tensor]) -> None:
        """Take a step as the best one, or count a look that won nothing; `model` is the state dict of its network.

        A step that is not allowed, but nearer to it than any before, has won something: it takes a training some looks
        until what it gives up at first has come back.
        """
        if self.state is None:
            self._take(step, merit, model, merit)
            return
        best, highest = merit_of(self.state["merit"]), merit_of(self.state["highest"])
        if merit.allowed and (not highest.allowed or merit.score > highest.score):
            highest = merit
        if merit.allowed != best.allowed:
            better = merit.allowed
        elif not merit.allowed:
            better = merit.cost < best.cost
        else:
            better = _level(merit, highest) and (merit.cost < best.cost or not _level(best, highest))
        nearest = self.state["nearest"]
        if better:
            self._take(step, merit, model, highest)
        looks = 0 if better or nearest < merit.margin < 0 else self.state["looks"] + 1
        nearest = nearest if merit.allowed else max(nearest, merit.margin)
        self.state = Best(**{**self.state, "highest": _plain(highest), "looks": looks, "nearest": nearest})

    def _take(self, step: int, merit: Merit, model: Mapping[str, Tensor], highest: Merit) -> None:
        copies = {name: value.detach().clone() for name, value in model.items()}
        self.state = Best(
            step=step, model=copies, merit=_plain(merit), highest=_plain(highest), looks=0, nearest=-math.inf
        )


def _plain(merit: Merit) -> dict[str, float | list[float]]:
    return {**vars(merit), "resamples": merit.resamples.tolist()}


def merit_of(plain: Mapping[str, float | list[float]]) -> Merit:
    """What a checkpoint holds as plain values."""
    resamples = torch.tensor(plain["resamples"], dtype=torch.float64)
    return Merit(**{**plain, "resamples": resamples})  # type: ignore[arg-type]


def _level(merit: Merit, highest: Merit) -> bool:
    """Whether the score may be as high as the highest: what both have in common cancels in the difference."""
    difference = highest.resamples - merit.resamples
    return highest.score - merit.score <= float(difference[torch.isfinite(difference)].std(correction=0).nan_to_num())
