"""A small convolutional classifier, whose stages are layers to interpret."""

from collections import OrderedDict

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor, nn

from pipeline.backbones.setup import ImagesSetup
from pipeline.config import BackboneParams
from pipeline.data import Images, load_images, to_unit_range
from pipeline.draws import draw_seed

__all__ = ["Classifier", "ClassifierTask", "class_accuracy", "classifier_task"]


class Classifier(nn.Sequential):
    """Three convolutional stages `stage1` to `stage3`, a vector of `features` and a linear `head`.

    Group normalisation only: a network that keeps running statistics would learn other weights on more workers. Images
    of any size at least 8x8 go in; at 32x32 the stages give maps of 16x16, 8x8 and 4x4.

    Args:
        num_classes: of the logits.
        width: channels of the first convolution; the deeper ones have twice and four times as many.
        seed: of the initial weights.
    """

    def __init__(self, num_classes: int, width: int, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            super().__init__(
                OrderedDict(
                    stage1=_stage(3, width),
                    stage2=_stage(width, 2 * width),
                    stage3=_stage(2 * width, 4 * width),
                    features=nn.Sequential(
                        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64 * width, 4 * width), nn.SiLU()
                    ),
                    head=nn.Linear(4 * width, num_classes),
                )
            )
        self.num_classes, self.width = num_classes, width


class ClassifierTask:
    """Trains a classifier by cross-entropy on one concept (a `pipeline.training.Task`).

    Images whose class is missing take no part.
    """

    def __init__(
        self,
        train: Images,
        val: Images,
        concept: str,
        width: int,
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        weights = draw_seed(seed, "backbone/weights")
        self.model: Classifier = Classifier(train.num_categories[concept], width, weights).to(device)
        self._train, self._val, self._concept = train, val, concept
        self._known = np.flatnonzero(train.labels[concept] >= 0)
        self._batch_size, self._seed, self._device = batch_size, seed, device

    def initialise(self) -> None:
        """Nothing is initialised from data."""

    def loss(self, model: nn.Module, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy over a part of the global batch of a step, in nats."""
        rng = np.random.default_rng(draw_seed(self._seed, "backbone/batch", step))
        rows = self._known[rng.integers(len(self._known), size=self._batch_size)[part]]
        logits = model(to_unit_range(self._train.pixels[rows]).to(self._device))
        labels = torch.from_numpy(self._train.labels[self._concept][rows]).to(self._device)
        loss = nn.functional.cross_entropy(logits, labels)
        return loss, {"loss": loss, "accuracy": (logits.argmax(dim=1) == labels).float().mean()}

    def validate(self, model: nn.Module, step: int) -> dict[str, float]:  # noqa: ARG002
        """Balanced accuracy on the validation images."""
        return {"accuracy": class_accuracy(self.model, self._val, self._concept, self._device)}


def classifier_task(setup: ImagesSetup[BackboneParams], device: torch.device) -> ClassifierTask:
    """Load the images and make the task, in a worker."""
    train, val = (load_images(setup.images, split) for split in ("train", "val"))
    params = setup.params
    assert params.concept is not None  # as its section has been checked
    return ClassifierTask(train, val, params.concept, params.width, params.batch_size, setup.seed, device)


@torch.no_grad()
def class_accuracy(network: nn.Module, images: Images, concept: str, device: torch.device) -> float:
    """Balanced accuracy of a network from images [B, 3, H, W] in [−1, 1] to logits, where the class is known."""
    known = np.flatnonzero(images.labels[concept] >= 0)
    parts = [
        network(to_unit_range(images.pixels[rows]).to(device)) for rows in np.array_split(known, len(known) // 512 + 1)
    ]
    found = torch.cat(parts).argmax(dim=1).cpu().numpy()
    return float(balanced_accuracy_score(images.labels[concept][known], found))


def _stage(num_in: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(num_in, num_out, 4, 2, 1), nn.GroupNorm(8, num_out), nn.SiLU())
