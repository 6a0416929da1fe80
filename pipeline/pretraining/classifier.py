"""The training of a classifier, which also watches what its layers keep of each concept."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.backbone.classifier import Classifier
from pipeline.backbone.hooks import capture
from pipeline.backbone.reduction import MEAN, to_vector
from pipeline.basis.curves import last_value
from pipeline.basis.draws import draw_seed
from pipeline.pairing.sampler import pair_sampler
from pipeline.pairing.sizes import constant_dims, factor_sizes
from pipeline.params import BackboneParams
from pipeline.tables.images import Images, load_images, to_unit_range
from pipeline.training.task import ImagesSetup

__all__ = ["ClassifierTask", "class_accuracy"]

NUM_PAIRS = 10_000


class ClassifierTask:
    """Trains a classifier by cross-entropy on one concept (a `pipeline.training.Task`).

    Images whose class is missing take no part.

    Args:
        setup: where the images are, and section `backbone`.
        device: of the network.
    """

    def __init__(self, setup: ImagesSetup[BackboneParams], device: torch.device) -> None:
        params, concept = setup.params, setup.params.concept
        assert concept is not None  # as its section has been checked
        self._train, self._val = (load_images(setup.images, split) for split in ("train", "val"))
        weights = draw_seed(setup.seed, "backbone/weights")
        self.model: Classifier = Classifier(self._train.num_categories[concept], params.width, weights).to(device)
        self._concept = concept
        self._labelled = np.flatnonzero(self._train.labels[concept] >= 0)
        self._batch_size, self._seed, self._device = params.batch_size, setup.seed, device
        self._pairs = pair_sampler(self._val, setup.seed, "backbone/pairs").draw(0, NUM_PAIRS).near()

    def initialise(self) -> None:
        """Nothing is initialised from data."""

    def loss(self, model: nn.Module, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean cross-entropy over a part of the global batch of a step, in nats."""
        rng = np.random.default_rng(draw_seed(self._seed, "backbone/batch", step))
        rows = self._labelled[rng.integers(len(self._labelled), size=self._batch_size)[part]]
        logits = model(to_unit_range(self._train.pixels[rows]).to(self._device))
        labels = torch.from_numpy(self._train.labels[self._concept][rows]).to(self._device)
        loss = nn.functional.cross_entropy(logits, labels)
        return loss, {"loss": loss, "accuracy": (logits.argmax(dim=1) == labels).float().mean()}

    def validate(self) -> dict[str, float]:
        """On the validation images: balanced accuracy, and the share of dimensions that each factor would get."""
        accuracy = class_accuracy(self.model, self._val, self._concept, self._device)
        return {"accuracy": accuracy, **self._shares()}

    @staticmethod
    def measured(curves: str, params: BackboneParams) -> tuple[dict[str, Any], str]:
        """What the last point of the curves, the text of their file, says: for the card and in words."""
        accuracy = last_value(curves, "val/accuracy")
        card = {"concept": params.concept, "val_accuracy": accuracy}
        return card, f"balanced accuracy of '{params.concept}' on held-out images {accuracy:.3f}"

    def _shares(self) -> dict[str, float]:
        """`share/<layer>/<factor>`: the size estimate of each layer's channel means, which needs no flow."""
        parts = to_unit_range(self._val.pixels).split(512)
        shares: dict[str, float] = {}
        for layer, _ in self.model.named_children():
            outputs = [capture(self.model, layer, part.to(self._device))[0] for part in parts]
            latents = torch.cat([to_vector(output, MEAN) for output in outputs]).cpu().numpy()
            a, b, concept = latents[self._pairs.a], latents[self._pairs.b], self._pairs.concept
            if len(self._val.labels) + 1 > latents.shape[1] - len(constant_dims(a, b)):
                continue
            names = ("residual", *self._val.labels)
            finite = np.isfinite(latents).all()  # or training diverged, which the loop says of a figure
            sizes = factor_sizes(a, b, concept, len(self._val.labels)) if finite else (np.nan,) * len(names)
            shares |= {
                f"share/{layer}/{name}": size / latents.shape[1] for name, size in zip(names, sizes, strict=True)
            }
        return shares


@torch.no_grad()
def class_accuracy(network: nn.Module, images: Images, concept: str, device: torch.device) -> float:
    """Balanced accuracy of a network from images [B, 3, H, W] in [−1, 1] to logits, where the class is known."""
    # its imports take a second, which each process that trains would pay
    from sklearn.metrics import balanced_accuracy_score

    labelled = np.flatnonzero(images.labels[concept] >= 0)
    batches = np.array_split(labelled, len(labelled) // 512 + 1)
    logits = torch.cat([network(to_unit_range(images.pixels[rows]).to(device)) for rows in batches])
    named = logits.argmax(dim=1).cpu().numpy()
    return float(balanced_accuracy_score(images.labels[concept][labelled], named))
