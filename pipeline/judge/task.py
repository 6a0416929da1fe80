"""The judge's training."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.basis.draws import draw_seed
from pipeline.judge.network import JudgeNet, accuracy, heads_of
from pipeline.params import JudgeParams
from pipeline.tables.images import load_images, to_unit_range
from pipeline.training.task import ImagesSetup

__all__ = ["JudgeTask"]


class JudgeTask:
    """Trains a judge by cross-entropy and scaled squared error, summed over concepts (a `pipeline.training.Task`).

    An image whose value is missing takes no part in that concept's loss.

    Args:
        setup: where the images are, and section `judge`.
        device: of the network.
    """

    def __init__(self, setup: ImagesSetup[JudgeParams], device: torch.device) -> None:
        self._train, self._val = (load_images(setup.images, split, named=True) for split in ("train", "val"))
        self.heads = heads_of(self._train)
        weights = draw_seed(setup.seed, "judge/weights")
        self.model: JudgeNet = JudgeNet(self.heads, setup.params.width, weights).to(device)
        self._batch_size, self._seed, self._device = setup.params.batch_size, setup.seed, device

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
        labelled = torch.from_numpy(labels >= 0).to(self._device)
        if not labelled.any():
            return 0 * output.sum()
        if name in self._train.values:
            value = torch.from_numpy(self._train.values[name][rows]).to(self._device)
            variance = float(np.nanvar(self._train.values[name], axis=0).mean())
            return nn.functional.mse_loss(output[labelled], value[labelled]) / variance
        return nn.functional.cross_entropy(output, torch.from_numpy(labels).to(self._device), ignore_index=-1)
