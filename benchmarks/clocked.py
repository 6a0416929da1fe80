"""Training as the pipeline does it, with a clock that stands still while held-out rows are measured."""

from timing import now
from torch import Tensor, nn

from pipeline.flow_task import FlowTask

__all__ = ["ClockedTask"]


class ClockedTask:
    """A flow's task that notes when each step begins, in training seconds from the first one on.

    Args:
        task: what is trained.

    Attributes:
        begun: when each step so far began.
    """

    def __init__(self, task: FlowTask) -> None:
        self.task = task
        self.begun: list[float] = []
        self._zero = self._still = 0.0

    @property
    def model(self) -> nn.Module:
        """The network that the clock's task trains."""
        return self.task.model

    @property
    def seconds(self) -> float:
        """Training seconds by now."""
        return now(self.task.device) - self._zero - self._still

    def initialise(self) -> None:
        """As the task; the clock has not begun."""
        self.task.initialise()

    def loss(self, model: nn.Module, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """As the task, at the beginning of a step."""
        if not self.begun:
            self._zero = now(self.task.device)
        self.begun.append(self.seconds)
        return self.task.loss(model, step, part)

    def validate(self) -> dict[str, float]:
        """As the task, outside the clock."""
        start = now(self.task.device)
        figures = self.task.validate()
        self._still += now(self.task.device) - start
        return figures
