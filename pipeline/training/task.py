"""What the loop needs to know of a network that it trains: the same protocol for backbone, judge and flow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn

from pipeline.params import BackboneParams, JudgeParams, Optimisation

__all__ = ["Capturable", "ImagesSetup", "Member", "Pack", "Task"]

SectionOf = TypeVar("SectionOf", BackboneParams, JudgeParams)


class Task(Protocol):
    """A network and the data that it learns from, on one device.

    Every draw (rows, noise, augmentation) must be a function of (seed, purpose, step) through `draw_seed`, for the
    whole global batch, of which a worker then takes its part; and the network must keep no running statistics (batch
    normalisation). Then losses agree over worker counts to rounding, and a resumed run ends in the same weights.
    """

    @property
    def model(self) -> nn.Module:
        """The network, on the task's device."""

    def initialise(self) -> None:
        """Set what is initialised from data, from the global batch of step 0 (nothing, for most networks).

        Called once in a run, at its start, on every worker.
        """

    def loss(self, model: nn.Module, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss over a part of the global batch of a step.

        Args:
            model: what to call: `self.model`, or the same compiled.
            step: 0 … steps − 1.
            part: which examples of the global batch of `batch_size`.

        Returns:
            The loss, a scalar, a mean over the part's examples; and figures for the curves, scalars, means too.
        """

    def validate(self) -> dict[str, float]:
        """Figures of `model` on the validation rows, by draws that are always the same; in eval mode, without grad."""


@runtime_checkable
class Capturable(Protocol):
    """A task whose `loss` takes its step as a tensor, too: a GPU may replay it, where it is `on_device`."""

    @property
    def on_device(self) -> bool:
        """Whether all that a step reads lies on the device."""


@dataclass(frozen=True)
class Member:
    """One network of a pack.

    Attributes:
        task: its network, its start and its held-out rows; its loss is the pack's.
        config: optimisation; of a pack it differs in learning rate and weight decay alone.
        log: called by rank 0 with each entry of its curves, as `Hooks.log`.
    """

    task: Task
    config: Optimisation
    log: Callable[[dict[str, float]], None]


class Pack(Protocol):
    """Networks of one shape that are trained together, as one program, each as if it were alone.

    Its `loss` takes the step as a tensor, too, and reads nothing from the host: a GPU may replay it.
    """

    @property
    def members(self) -> Sequence[Member]:
        """Each network, whose parameters are views into those of `model`."""

    @property
    def on_device(self) -> bool:
        """As of `Capturable`."""

    @property
    def model(self) -> nn.Module:
        """All of them: parameters [F, …], of which each network's are a row."""

    def loss(self, model: nn.Module, step: int | Tensor, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss of each network over a part of the global batch of a step [F], and its figures [F], as of a task.

        Args:
            model: what to call: `self.model`, or the same traced.
            step: 0 … steps − 1.
            part: which examples of the global batch of `batch_size`.
        """


@dataclass(frozen=True)
class ImagesSetup(Generic[SectionOf]):
    """What `autoencoder_task` and `judge_task` are given in each worker.

    Attributes:
        images: absolute folder of the images table, as a worker runs elsewhere.
        params: section `backbone` or `judge`.
        seed: the study's.
    """

    images: Path
    params: SectionOf
    seed: int
