"""What the loop needs to know of a network that it trains: the same protocol for backbone, judge and flow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar

from torch import Tensor, nn

from pipeline.params import BackboneParams, JudgeParams

__all__ = ["ImagesSetup", "Task", "TrainConfig"]

SectionOf = TypeVar("SectionOf", BackboneParams, JudgeParams)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Optimisation by AdamW.

    Attributes:
        steps: in all.
        batch_size: examples (for a flow: pairs) a step, over all workers.
        learning_rate: at its highest.
        schedule: `cosine`: it falls to 0 as half a cosine over `steps`; `constant`: it stays.
        betas: of AdamW, decay of its first and second moment a step.
        weight_decay: of AdamW.
        clip: largest norm of the gradient; None: it is taken as it is.
        ema_decay: of the moving average of the parameters that is the trained network; None: the last parameters are.
        warmup: steps over which the learning rate rises from 0.
        log_every: steps between two points of a training curve.
        validate_every: steps between two points of a validation curve; the last step is always one.
        checkpoint_every: steps between two checkpoints; the last step always leaves one.
        seed: the study's seed, for every draw.
    """

    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    schedule: Literal["cosine", "constant"] = "cosine"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    clip: float | None = 5.0
    ema_decay: float | None = None
    warmup: int = 0
    log_every: int = 20
    validate_every: int = 200
    checkpoint_every: int = 200


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

    def validate(self, model: nn.Module, step: int) -> dict[str, float]:
        """Figures on the validation rows, by draws that are the same at each step; in eval mode, without grad."""


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
