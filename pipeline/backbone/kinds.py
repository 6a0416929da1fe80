"""The kinds of network that can be interpreted, by the name that `backbone.kind` and a card have for them."""

from collections.abc import Sequence
from pathlib import Path

import torch

from pipeline.backbone.autoencoder import AutoencoderBackbone
from pipeline.backbone.backbone import Backbone, Made
from pipeline.backbone.callable_network import CallableBackbone
from pipeline.backbone.classifier import ClassifierBackbone
from pipeline.backbone.exported_network import ExportedBackbone
from pipeline.backbone.generator import GeneratorBackbone
from pipeline.backbone.hooks import state_sha256
from pipeline.backbone.reduction import Reduction
from pipeline.backbone.torchvision_network import TorchvisionBackbone
from pipeline.backbone.trial import trial_rows
from pipeline.basis.weights import CARD, read_card, read_weights
from pipeline.errors import InputError
from pipeline.files import read_json
from pipeline.params import BackboneParams, LatentsParams
from pipeline.tables.images import Images, to_unit_range

__all__ = ["KINDS", "backbone_of", "holds_backbone", "load_backbone", "make_backbone", "require_layers"]

KINDS: dict[str, type[Backbone]] = {
    "autoencoder": AutoencoderBackbone,
    "classifier": ClassifierBackbone,
    "torch": CallableBackbone,
    "torchvision": TorchvisionBackbone,
    "exported": ExportedBackbone,
    "generator": GeneratorBackbone,
}


def make_backbone(params: BackboneParams, images: Images, seed: int) -> Made:
    """The network that section `backbone` names; one that is trained here has not learned yet.

    Args:
        params: section `backbone`.
        images: some rows of the images table, at least two.
        seed: of all that is drawn.

    Raises:
        InputError: it can't be opened, its weights do not fit, or it does not give what `params.output` says.
    """
    return KINDS[params.kind].make(params, images, seed)


def backbone_of(made: Made) -> Backbone:
    """A network that is not frozen into a folder yet, as one that is: on the CPU, where `make_backbone` has made it."""
    return KINDS[made.card["kind"]](made.network, made.card, "", state_sha256(made.network), torch.device("cpu"))


def require_layers(made: Made, layers: Sequence[str], params: LatentsParams, images: Images) -> dict[str, Reduction]:
    """Refuse a network and layers of it that can't be studied, before anything is trained: `Backbone.require_layers`.

    Args:
        made: of `make_backbone`; it is not changed.
        layers: of params.yaml.
        params: section `latents`.
        images: some rows of the images table, of which a few are sent through the network.

    Returns:
        Layer → what of it is z.

    Raises:
        InputError: what is wrong, on one line.
    """
    backbone = backbone_of(made)
    reductions = backbone.require_layers(layers, params, to_unit_range(images.pixels[trial_rows(len(images))]))
    backbone.require_untouched()
    return reductions


def load_backbone(folder: Path, device: torch.device | str = "cpu") -> Backbone:
    """Read what `save_backbone` wrote.

    Raises:
        InputError: a file is missing, damaged or of another network; the line names it.
    """
    with read_card(folder, "a backbone") as card:
        if card["kind"] not in KINDS:
            raise InputError(f"{folder / CARD}: kind: found {card['kind']!r}, accepted are {', '.join(KINDS)}")
        kind = KINDS[card["kind"]]
        network = kind.build(folder, card)
    sha256 = read_weights(folder, card, network)
    network = network.requires_grad_(False).eval().to(device)
    return kind(network, card, sha256, state_sha256(network), torch.device(device))


def holds_backbone(folder: Path) -> bool:
    """Whether the card of a folder of a trained network is that of a backbone: it alone says of what kind it is.

    Raises:
        InputError: there is no card.
    """
    return "kind" in read_json(folder / CARD)
