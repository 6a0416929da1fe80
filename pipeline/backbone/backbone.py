"""What every frozen network can do, whatever its kind; and the folder that holds it.

A kind of network is one class: how it is made from section `backbone`, how it is built again from its folder, what it
gives for an image, and how it is cut at a layer. `pipeline.backbone.kinds` has the table of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.cut import Cut
from pipeline.backbone.hooks import state_sha256
from pipeline.backbone.reduction import MEAN, Reduction
from pipeline.basis.weights import write_network
from pipeline.errors import InputError
from pipeline.params import BackboneParams, LatentsParams
from pipeline.tables.images import Images

__all__ = ["EXPORTED", "Backbone", "LatentBackbone", "Made", "save_backbone"]

EXPORTED = "network.pt2"  # in the folder, of a torch.export file, which is its own code


@dataclass(frozen=True)
class Made:
    """A network that a kind has made, before it is frozen into a folder.

    Attributes:
        network: the module with its weights.
        card: `kind`, what the network is built from, and `output`, which is `images`, `logits`, `probabilities` or
            `values`.
        exported: a `torch.export` file that the network is built from; None: it is built from the card alone.
        gives: what it gave when it was tried, in words; empty where it has still to be trained.
    """

    network: nn.Module
    card: dict[str, Any]
    exported: Path | None = None
    gives: str = ""


@dataclass(frozen=True)
class Backbone(ABC):
    """A network f in eval mode, without gradients.

    Attributes:
        network: the module.
        card: kind, what the network is built from, what its output is, and of what concept its classes are.
        sha256: of the weights file; names the backbone.
        state: of its weights and buffers as they were read (`state_sha256`).
        device: where it runs.
        draws_own_images: whether the images that it is studied on are its own draws.
    """

    network: nn.Module
    card: dict[str, Any]
    sha256: str
    state: str
    device: torch.device

    draws_own_images: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def make(cls, params: BackboneParams, images: Images, seed: int) -> Made:
        """The network that section `backbone` names; one that is trained here has not learned yet.

        Args:
            params: section `backbone`, of this kind.
            images: some rows of the images table, at least two.
            seed: of all that is drawn.

        Raises:
            InputError: it can't be made, its weights do not fit, or it does not give what it should.
        """

    @classmethod
    @abstractmethod
    def build(cls, folder: Path, card: dict[str, Any]) -> nn.Module:
        """The network of a folder, with any weights: those of the folder are loaded into it then.

        Args:
            folder: what `save_backbone` wrote.
            card: its card.
        """

    @property
    def draws_images(self) -> bool:
        """Whether its output is an image in [−1, 1]."""
        return bool(self.card["output"] == "images")

    @property
    def decides(self) -> bool:
        """Whether its output is logits; else, where it is no image, numbers of no class."""
        return self.card["output"] in ("logits", "probabilities")

    @property
    def concept(self) -> str | None:
        """The concept whose categories its logits are of, where it has one."""
        return self.card.get("concept")

    @property
    def class_names(self) -> list[str] | None:
        """What its classes are called, where that is known."""
        return self.card.get("class_names")

    def true_classes(self, images: Images) -> NDArray[np.int64] | None:
        """Which of its classes each image [n] is of, −1 where nobody said it; None where its classes are no concept.

        Classes that the network and the concept call by the same names, in another order, go by these names.
        """
        if self.concept is None:
            return None
        labels, called = images.labels[self.concept], images.class_names.get(self.concept)
        if called is None or self.class_names is None or sorted(called) != sorted(self.class_names):
            return labels
        number = np.array([self.class_names.index(name) for name in called])
        return np.where(labels < 0, labels, number[labels])

    @property
    def names_concept(self) -> bool:
        """Whether it says what an image shows."""
        return self.decides and self.concept is not None

    @abstractmethod
    def run(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [−1, 1] to the output of the untouched network.

        Raises:
            InputError: the network takes no image.
        """

    def name(self, images: Tensor) -> dict[str, NDArray[np.int64]]:
        """What images [B, 3, H, W] in [−1, 1] show, of a network that names its concept: concept → category [B]."""
        assert self.concept is not None
        return {self.concept: self.run(images).argmax(dim=1).cpu().numpy()}

    @abstractmethod
    def cut(self, layer: str, reduction: Reduction = MEAN, kept: NDArray[np.int64] | None = None) -> Cut:
        """E and G of a layer.

        Args:
            layer: `latent` where that is the one layer, else the dotted name of a module.
            reduction: what of a map or of tokens enters T.
            kept: the numbers of the layer that enter T, ascending, as others are constant; None: all.
        """

    @abstractmethod
    def require_layers(self, layers: Sequence[str], params: LatentsParams, images: Tensor) -> dict[str, Reduction]:
        """Refuse what can't be studied, with one line, before anything is trained on it.

        Args:
            layers: their names.
            params: section `latents`: what of a layer is to enter T.
            images: [B, 3, H, W] in [−1, 1], any; they are sent through the network a few times.

        Returns:
            Layer → what of it is z.

        Raises:
            InputError: a layer is not there, can't be captured and replaced, is too wide, or it is not certain what its
                channels are; or what the network gives for an image is not the same each time and in any batch.
        """

    @abstractmethod
    def layers(self, size: int | None) -> str:
        """Its layers for a person, a line each.

        Args:
            size: side of the image that is sent through it; None: the one that it expects.
        """

    def require_untouched(self) -> None:
        """Stop where a weight or a buffer is no longer what was read: what was measured is then of no known network."""
        state = state_sha256(self.network)
        if state != self.state:
            raise InputError(
                f"backbone: its weights or buffers changed while it ran: found {state[:12]}, expected {self.state[:12]}"
            )


class LatentBackbone(Backbone):
    """A network whose one layer is `latent`, a vector of its own of `num_dims` numbers; all of them enter T."""

    def require_layers(self, layers: Sequence[str], params: LatentsParams, images: Tensor) -> dict[str, Reduction]:  # noqa: ARG002
        """Nothing can be wrong with its one layer, which is a vector: params.yaml lets nothing else through."""
        return dict.fromkeys(layers, Reduction(params.reduction))

    def layers(self, size: int | None) -> str:  # noqa: ARG002
        """The one layer, its width, and what the network gives."""
        kind, num = self.card["kind"], self.card["num_dims"]
        return f"latent  the one layer of kind '{kind}', {num} dimensions\nthe network gives images"


def save_backbone(folder: Path, made: Made, *, metrics: str = "") -> None:
    """Write weights.safetensors, card.json and metrics.jsonl (the curves), as one folder.

    Args:
        folder: where; replaced as a whole.
        made: the network and its card.
        metrics: curves of its training; empty where there was none here.
    """
    also = {} if made.exported is None else {EXPORTED: made.exported}
    write_network(folder, made.network, made.card, metrics=metrics, also=also)
