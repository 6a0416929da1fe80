"""A network while it is trained: its best step so far, its curves, and whether it goes on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.training.best import BestStep, Judged
from pipeline.training.checkpoints import MemberState
from pipeline.training.task import Member

__all__ = ["Look", "Running", "not_finite"]


@dataclass(frozen=True)
class Look:
    """What rank 0 found in the validation rows: the figures, whether there is nothing more to win, or the failure."""

    figures: dict[str, float]
    ended: bool
    failure: str


class Running:
    """One network of a training.

    Args:
        member: the network.
        state: of the run that goes on.

    Attributes:
        failure: the line that says why it was frozen out; empty where it was not.
        ended: whether there is nothing more to win for it.
    """

    def __init__(self, member: Member, state: MemberState | None) -> None:
        self.member, self.failure = member, state["failure"] if state else ""
        task = member.task
        self.best = BestStep(task.patience, state["best"] if state else None) if isinstance(task, Judged) else None
        self.ended = self.best is not None and self.best.ended

    @property
    def goes_on(self) -> bool:
        """Whether its steps are of use; those of a network that is frozen are taken beside the others, and ignored."""
        return not (self.failure or self.ended)

    @torch.no_grad()
    def look(self, step: int) -> Look:
        """Look at the validation rows, and take the step in; by rank 0 alone."""
        task = self.member.task
        task.model.eval()  # the bare model: the other workers do not take part
        try:
            figures, merit = task.look() if isinstance(task, Judged) else (task.validate(), None)
            failure = not_finite(figures, step)
        except InputError as error:
            figures, merit, failure = {}, None, str(error)
        task.model.train()
        if self.best and merit and not failure:
            self.best.consider(step, merit, task.model.state_dict())
        return Look(figures, self.best is not None and self.best.ended, failure)

    def log(self, split: str, step: int, figures: Mapping[str, float]) -> None:
        """An entry of the curves, by rank 0."""
        self.member.log({"step": step} | {f"{split}/{key}": value for key, value in figures.items()})

    def state(self, last: list[Tensor] | None) -> MemberState:
        """What the network goes on from, while it is the average; `last` as `MemberState` has it."""
        model, best = self.member.task.model.state_dict(), self.best.state if self.best else None
        return MemberState(model=model, last=last, best=best, failure=self.failure)

    def finish(self) -> None:
        """Make the network that of its best step, where it has one."""
        if self.best and self.best.state:
            self.member.task.model.load_state_dict(self.best.state["model"])


def not_finite(figures: Mapping[str, float], step: int) -> str:
    """The line of a figure that is not finite, which no later step can mend; empty where all are."""
    for key, value in figures.items():
        if not math.isfinite(value):
            return (
                f"training diverged: {key} is {value} at step {step}; "
                "accepted are finite numbers, try a lower learning_rate or clip"
            )
    return ""
