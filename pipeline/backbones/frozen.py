"""The frozen backbone on disk: weights, card and curves; nothing after its training changes a weight or a buffer."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from pipeline.backbones.autoencoder import Autoencoder
from pipeline.errors import InputError
from pipeline.files import atomic_folder, read_json, sha256_file

__all__ = ["Backbone", "load_backbone", "read_weights", "save_backbone", "write_network"]


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
    write_network(folder, network, card | shape, metrics)


def load_backbone(folder: Path, device: torch.device | str = "cpu") -> Backbone:
    """Read what `save_backbone` wrote; an InputError names a file that is missing, damaged or of another network."""
    card = read_json(folder / "card.json")
    try:
        network = Autoencoder(card["num_dims"], card["width"], seed=0)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / 'card.json'}: no card of a backbone ({error!r})") from None
    sha256 = read_weights(folder, card, network)
    network.requires_grad_(False)
    return Backbone(network.eval().to(device), card, sha256, torch.device(device))


def write_network(folder: Path, network: nn.Module, card: dict[str, Any], metrics: str) -> None:
    """Write a network's weights, its card with their sha256, and its curves, as one folder."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(network.state_dict().items())}
    with atomic_folder(folder) as beside:
        (beside / "weights.safetensors").write_bytes(save(state))
        card = card | {"weights_sha256": sha256_file(beside / "weights.safetensors")}
        (beside / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
        (beside / "metrics.jsonl").write_text(metrics)


def read_weights(folder: Path, card: dict[str, Any], network: nn.Module) -> str:
    """Load `folder`'s weights into `network`; returns their sha256, which must be the card's."""
    path = folder / "weights.safetensors"
    if not path.is_file():
        raise InputError(f"{path}: not there; run `dvc repro`")
    found = sha256_file(path)
    if found != card.get("weights_sha256"):
        raise InputError(
            f"{path}: sha256 {found[:12]}, expected {str(card.get('weights_sha256'))[:12]} as its card says"
        )
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: does not fit the network of its card ({' '.join(str(error).split())})") from None
    return found
