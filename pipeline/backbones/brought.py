"""The networks that a user brings, from section `backbone` to a frozen folder; nothing is trained."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pipeline.backbones.frozen import save_backbone
from pipeline.backbones.opening import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocess,
    from_callable,
    from_exported,
    from_torchvision,
    load_weights,
    weights_file,
)
from pipeline.config import BackboneParams
from pipeline.errors import InputError

__all__ = ["bring_backbone"]

_SIZE = 224  # of a torchvision network's images


def bring_backbone(params: BackboneParams, folder: Path, images: Tensor, num_classes: int | None, seed: int) -> None:
    """Open the network of `params`, try it on a few images, and write it to `folder`.

    Args:
        params: section `backbone`, of kind torch, torchvision or exported.
        folder: where; replaced as a whole.
        images: [B, 3, H, W] in [−1, 1].
        num_classes: of the concept that its logits are of; None: they are of none.
        seed: of the weights of a torchvision network that is given none.

    Raises:
        InputError: it can't be opened, its weights do not fit, or it does not give what `params.output` says.
    """
    network = _opened(params, seed)
    card = {
        "kind": params.kind,
        "network": params.network if params.kind != "exported" else None,
        "arguments": dict(params.arguments),
        "output": "images" if params.draws_images else "logits",
        "concept": params.concept,
        "input": _input(params),
    }
    _require_output(network, card, images, num_classes)
    exported = Path(str(params.network)) if params.kind == "exported" else None
    save_backbone(folder, network, card, metrics="", exported=exported)


def _opened(params: BackboneParams, seed: int) -> nn.Module:
    assert params.network is not None  # as its section has been checked
    file = weights_file(params.weights) if params.weights and Path(params.weights).suffix else None
    if params.kind == "exported":
        network = from_exported(Path(params.network))
    elif params.kind == "torch":
        network = from_callable(params.network, params.arguments)
        file = weights_file(params.weights) if params.weights else None
    else:
        network = from_torchvision(params.network, None if file else params.weights, params.arguments, seed)
    if file is not None:
        load_weights(network, file)
    return network


def _input(params: BackboneParams) -> dict[str, Any]:
    foreign = params.kind == "torchvision"
    given = params.input
    return {
        "size": given.size or (_SIZE if foreign else None),
        "mean": list(given.mean or (IMAGENET_MEAN if foreign else (0.5,) * 3)),
        "std": list(given.std or (IMAGENET_STD if foreign else (0.5,) * 3)),
    }


def _require_output(network: nn.Module, card: dict[str, Any], images: Tensor, num_classes: int | None) -> None:
    """Run it once, and compare what it gives with what is expected."""
    found = card["input"]
    inputs = Preprocess(found["size"], tuple(found["mean"]), tuple(found["std"]))(images)
    try:
        output = network(inputs)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(
            f"backbone: '{card['network'] or card['kind']}' does not take images {tuple(inputs.shape)} ({line}); see "
            "backbone.input.size"
        ) from None
    if not isinstance(output, Tensor):
        raise InputError(f"backbone: the network gives a {type(output).__name__}, one tensor is expected")
    if card["output"] == "images":
        if output.shape != images.shape:
            raise InputError(
                f"backbone.output: the network gives {tuple(output.shape)}, images {tuple(images.shape)} are expected"
            )
    elif output.ndim != 2 or output.shape[1] < 2:
        raise InputError(f"backbone.output: the network gives {tuple(output.shape)}, logits [B, classes] are expected")
    elif num_classes is not None and output.shape[1] != num_classes:
        raise InputError(
            f"backbone.concept: '{card['concept']}' has {num_classes} categories, the network {output.shape[1]} classes"
        )
