"""The frozen backbone on disk: weights, card and curves; nothing after its training changes a weight or a buffer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.backbones.autoencoder import Autoencoder
from pipeline.weights import read_card, read_weights, write_network

__all__ = ["Backbone", "load_backbone", "save_backbone"]


@dataclass(frozen=True)
class Backbone:
    """A network f(x) = G(z), z = E(x), in eval mode, without gradients.

    Attributes:
        network: the module; `encode` and `decode` run it without recording gradients.
        card: kind, num_dims, width, held-out squared error.
        sha256: of the weights file; names the backbone.
        device: where it runs.
    """

    network: Autoencoder
    card: dict[str, Any]
    sha256: str
    device: torch.device

    @property
    def num_dims(self) -> int:
        """N."""
        return self.network.num_dims

    @torch.no_grad()
    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, H, W] in [−1, 1] to mean and scale of the latent, [B, N] each."""
        mean, scale = self.network.encode(images.to(self.device))
        return mean, scale

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Latents [B, N] to images [B, 3, H, W] in [−1, 1]."""
        return self.network.decode(z.to(self.device))


def save_backbone(folder: Path, network: Autoencoder, card: dict[str, Any], *, metrics: str) -> None:
    """Write weights.safetensors, card.json and metrics.jsonl (the curves), as one folder."""
    shape = {"kind": "autoencoder", "num_dims": network.num_dims, "width": network.width}
    write_network(folder, network, card | shape, metrics=metrics)


def load_backbone(folder: Path, device: torch.device | str = "cpu") -> Backbone:
    """Read what `save_backbone` wrote; an InputError names a file that is missing, damaged or of another network."""
    with read_card(folder, "a backbone") as card:
        network = Autoencoder(card["num_dims"], card["width"], seed=0)
    sha256 = read_weights(folder, card, network)
    network.requires_grad_(False)
    return Backbone(network.eval().to(device), card, sha256, torch.device(device))
