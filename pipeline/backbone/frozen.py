"""The frozen backbone on disk: weights, card and curves; nothing after its training changes a weight or a buffer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.autoencoder import Autoencoder
from pipeline.backbone.classifier import Classifier
from pipeline.backbone.cut import HookSplit, LatentSplit, Reduce, Split, num_dims
from pipeline.backbone.generator import GeneratorSplit
from pipeline.backbone.hooks import require_layer, state_sha256
from pipeline.backbone.opening import Preprocess, from_callable, from_exported, from_torchvision
from pipeline.basis.weights import read_card, read_weights, write_network
from pipeline.errors import InputError

__all__ = ["Backbone", "load_backbone", "save_backbone"]

EXPORTED = "network.pt2"  # of a torch.export file, which is its own code


@dataclass(frozen=True)
class Backbone:
    """A network f in eval mode, without gradients.

    Attributes:
        network: the module.
        card: kind, what the network is built from, what its output is, and of what concept its classes are.
        sha256: of the weights file; names the backbone.
        state: of its weights and buffers as they were read (`state_sha256`).
        device: where it runs.
    """

    network: nn.Module
    card: dict[str, Any]
    sha256: str
    state: str
    device: torch.device

    @property
    def has_latent(self) -> bool:
        """Whether its one layer is `latent`, as of an autoencoder and a generator."""
        return self.card["kind"] in ("autoencoder", "generator")

    @property
    def draws_images(self) -> bool:
        """Whether its output is an image in [−1, 1]; else logits."""
        return bool(self.card["output"] == "images")

    @property
    def concept(self) -> str | None:
        """The concept whose categories its logits are of, where it has one."""
        return self.card.get("concept")

    @property
    def class_names(self) -> list[str] | None:
        """What its classes are called, where that is known."""
        return self.card.get("class_names")

    @torch.no_grad()
    def run(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [−1, 1] to the output of the untouched network; a generator takes none."""
        images = images.to(self.device)
        if isinstance(self.network, Autoencoder):
            return self.network.decode(self.network.encode(images)[0])
        output: Tensor = self.network(self._preprocess(images))
        return output

    def at(self, layer: str, reduce: Reduce = "mean", kept: NDArray[np.int64] | None = None) -> Split:
        """E and G of a layer.

        Args:
            layer: `latent` of an autoencoder or a generator, else the dotted name of a module.
            reduce: what of a map [C, H, W] or of tokens [L, C] enters T.
            kept: the numbers of the layer that enter T, as others are constant; None: all.
        """
        if isinstance(self.network, Autoencoder):
            return LatentSplit(self.network, self.device)
        if self.card["kind"] == "generator":
            return GeneratorSplit(self.network, self.card["num_dims"], self.card["seed"], self.device)
        return HookSplit(self.network, layer, reduce, kept, self._preprocess, self.device)

    def require_layer(self, layer: str, reduce: Reduce, images: Tensor) -> None:
        """Refuse a layer that is not there, can't be captured and replaced, or is too wide, with one line.

        Args:
            layer: its name.
            reduce: what of it would enter T.
            images: [B, 3, H, W] in [−1, 1], any; they are sent through the network once.
        """
        if not self.has_latent:
            found = require_layer(self.network, layer, self._preprocess(images.to(self.device)))
            num_dims(found.shape or (), reduce, layer)

    def require_untouched(self) -> None:
        """Stop where a weight or a buffer is no longer what was read: what was measured is then of no known network."""
        if (found := state_sha256(self.network)) != self.state:
            raise InputError(
                f"backbone: its weights or buffers changed while it ran: found {found[:12]}, expected {self.state[:12]}"
            )

    @property
    def _preprocess(self) -> Preprocess:
        found = self.card["input"]
        return Preprocess(found["size"], tuple(found["mean"]), tuple(found["std"]))


def save_backbone(
    folder: Path, network: nn.Module, card: dict[str, Any], *, metrics: str, exported: Path | None = None
) -> None:
    """Write weights.safetensors, card.json and metrics.jsonl (the curves), as one folder.

    Args:
        folder: where; replaced as a whole.
        network: its weights.
        card: of a network that is not built here, `kind`, what `load_backbone` needs to build it, and `output`.
        metrics: curves of its training; empty where there was none here.
        exported: a `torch.export` file that is copied beside them, as the network is built from it.
    """
    also = {} if exported is None else {EXPORTED: exported}
    write_network(folder, network, card | _own_card(network), metrics=metrics, also=also)


def load_backbone(folder: Path, device: torch.device | str = "cpu") -> Backbone:
    """Read what `save_backbone` wrote; an InputError names a file that is missing, damaged or of another network."""
    with read_card(folder, "a backbone") as card:
        network = _BUILDERS[card["kind"]](folder, card)
    sha256 = read_weights(folder, card, network)
    network = network.requires_grad_(False).eval().to(device)
    return Backbone(network, card, sha256, state_sha256(network), torch.device(device))


def _own_card(network: nn.Module) -> dict[str, Any]:
    """What the card says of a network that is trained here."""
    unit = {"size": None, "mean": [0.5] * 3, "std": [0.5] * 3}
    if isinstance(network, Autoencoder):
        return {"kind": "autoencoder", "num_dims": network.num_dims, "width": network.width, "output": "images"}
    if isinstance(network, Classifier):
        shape = {"num_classes": network.num_classes, "width": network.width}
        return {"kind": "classifier", **shape, "output": "logits", "input": unit}
    return {}


_BUILDERS: dict[str, Callable[[Path, dict[str, Any]], nn.Module]] = {
    "autoencoder": lambda _, card: Autoencoder(card["num_dims"], card["width"], seed=0),
    "classifier": lambda _, card: Classifier(card["num_classes"], card["width"], seed=0),
    "torch": lambda _, card: from_callable(card["network"], card["arguments"]),
    "torchvision": lambda _, card: from_torchvision(card["network"], None, card["arguments"]),
    "exported": lambda folder, _: from_exported(folder / EXPORTED),
    "generator": lambda folder, card: (
        from_callable(card["network"], card["arguments"]) if card["network"] else from_exported(folder / EXPORTED)
    ),
}
