"""The judge's training."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.basis.draws import draw_seed
from pipeline.judge.network import JudgeNet, accuracy, heads_of
from pipeline.params import JudgeParams
from pipeline.tables.images import Images, load_images, to_unit_range
from pipeline.training.task import ImagesSetup

__all__ = ["JudgeTask", "judge_task"]


class JudgeTask:
    """Trains a judge by cross-entropy and scaled squared error, summed over concepts (a `pipeline.training.Task`).

    An image whose value is missing takes no part in that concept's loss.
    """

    def __init__(
        self, train: Images, val: Images, width: int, batch_size: int, seed: int, device: torch.device
    ) -> None:
        self.heads = heads_of(train)
        self.model: JudgeNet = JudgeNet(self.heads, width, draw_seed(seed, "judge/weights")).to(device)
        self._train, self._val = train, val
        self._batch_size, self._seed, self._device = batch_size, seed, device

    def initialise(self) -> None:
        """Nothing is initialised from data."""

    def loss(self, model: nn.Module, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean loss over a part of the global batch of a step."""
        rng = np.random.default_rng(draw_seed(self._seed, "judge/batch", step))
        rows = rng.integers(len(self._train), size=self._batch_size)[part]
        outputs = model(to_unit_range(self._train.pixels[rows]).to(self._device))
        losses = {name: self._concept_loss(name, output, rows) for name, output in outputs.items()}
        total = torch.stack(list(losses.values())).sum()
        return total, {"loss": total, **{f"loss/{name}": value for name, value in losses.items()}}

    def validate(self) -> dict[str, float]:
        """Accuracy of each concept on the validation images."""
        return {f"accuracy/{name}": value for name, value in accuracy(self.model, self._val, self._device).items()}

    def _concept_loss(self, name: str, output: Tensor, rows: NDArray[np.int64]) -> Tensor:
        labels = self._train.labels[name][rows]
        known = torch.from_numpy(labels >= 0).to(self._device)
        if not known.any():
            return 0 * output.sum()
        if name in self._train.values:
            value = torch.from_numpy(self._train.values[name][rows]).to(self._device)
            variance = float(np.nanvar(self._train.values[name], axis=0).mean())
            return nn.functional.mse_loss(output[known], value[known]) / variance
        return nn.functional.cross_entropy(output, torch.from_numpy(labels).to(self._device), ignore_index=-1)


def judge_task(setup: ImagesSetup[JudgeParams], device: torch.device) -> JudgeTask:
    """Load the images and make the task, in a worker."""
    train, val = (load_images(setup.images, split) for split in ("train", "val"))
    return JudgeTask(train, val, setup.params.width, setup.params.batch_size, setup.seed, device)
