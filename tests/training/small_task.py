"""A regression small enough to train in a second, which can be told to hold still at a step so that a test kills it."""

import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.basis.draws import draw_seed
from pipeline.errors import InputError
from pipeline.params import Optimisation
from pipeline.training.best import Merit
from pipeline.training.loop import rank_and_world

CONFIG = Optimisation(steps=40, batch_size=7, learning_rate=0.02, log_every=5, validate_every=10, checkpoint_every=10)

UNSTEADY = CONFIG.changed(steps=80, learning_rate=0.3, schedule="constant")  # so that the last step is not the best

SEED = 3


def _refuse() -> None:
    raise InputError("table.parquet: no such column")


ENDS: dict[str, Callable[[], object]] = {
    "wrong input": _refuse,
    "defect": lambda: {}["nothing"],
    "memory": lambda: torch.empty(10**15),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


@dataclass(frozen=True)
class SmallConfig:
    """What goes wrong.

    Before step `hold_at` the first process to get there writes its id to `hold_file` and waits; from step
    `fill_from` on no file may grow beyond 2,000 bytes, as on a disk that is all but full. In the worker of rank `of`
    the task ends in what `ends` names, a key of `ENDS`, before step `ends_at`, or where it is made; and says when.
    """

    hold_at: int | None = None
    hold_file: str = ""
    fill_from: int | None = None
    ends: str = ""
    ends_at: int | None = None
    of: int = 0


class SmallTask:
    """y = sin(Σ x) by a net whose first bias is set from the first batch."""

    def __init__(self, config: SmallConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self._end(None)
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1)).to(device)

    def batch(self, purpose: str, step: int, size: int = CONFIG.batch_size) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(draw_seed(SEED, purpose, step))
        x = torch.randn(size, 4, generator=generator).to(self.device)
        return x, x.sum(dim=1, keepdim=True).sin()

    @torch.no_grad()
    def initialise(self) -> None:
        self.model[0].bias.copy_(self.batch("train", 0)[0].mean())

    def loss(self, model: nn.Module, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        self._end(step)
        if step == self.config.hold_at:
            hold(Path(self.config.hold_file))
        if step == self.config.fill_from:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        x, y = self.batch("train", step)
        loss = (model(x[part]) - y[part]).square().mean()
        return loss, {"squared_error": loss}

    def _end(self, step: int | None) -> None:
        if self.config.ends and (step, rank_and_world()[0]) == (self.config.ends_at, self.config.of):
            Path(self.config.hold_file or os.devnull).touch()
            ENDS[self.config.ends]()

    def validate(self) -> dict[str, float]:
        x, y = self.batch("val", 0, 50)
        return {"squared_error": (self.model(x) - y).square().mean().item()}


class JudgedTask(SmallTask):
    """A small task that ends as the best of its steps by held-out error, or as soon as there is nothing to win."""

    patience: int | None = 2

    def look(self) -> tuple[dict[str, float], Merit]:
        figures = self.validate()
        error = figures["squared_error"]
        resamples = -error + 0.001 * torch.randn(50, generator=torch.Generator().manual_seed(0)).double()
        return figures, Merit(-error, resamples, cost=error, margin=0.0)


def hold(file: Path) -> None:
    """Wait to be killed, or for a file `released` beside it; but only the first process that gets here."""
    own = file.with_name(str(os.getpid()))
    own.write_text(str(os.getpid()))
    try:
        os.link(own, file)  # whole or not there
    except FileExistsError:
        return
    while not file.with_name("released").exists():
        time.sleep(0.1)
