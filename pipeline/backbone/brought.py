"""The networks that a user brings, from section `backbone` to a frozen folder; nothing is trained."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.frozen import save_backbone
from pipeline.backbone.generator import GeneratorSplit
from pipeline.backbone.opening import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocess,
    from_callable,
    from_exported,
    from_torchvision,
    load_weights,
    torchvision_classes,
    weights_file,
)
from pipeline.errors import InputError
from pipeline.params import BackboneParams
from pipeline.tables.images import Images, to_unit_range

__all__ = ["bring_backbone", "class_names", "open_generator"]

_TRIED = 2  # images

_SIZE = 224  # of a torchvision network's images

_ROUNDING = 1e-3  # by which an image may leave [−1, 1]

_PIXEL = 3 / 255  # one and a half levels of a stored image


def bring_backbone(params: BackboneParams, folder: Path, images: Images, seed: int) -> None:
    """Open the network of `params`, try it on a few images, and write it to `folder`.

    Args:
        params: section `backbone`, of kind torch, torchvision, exported or generator.
        folder: where; replaced as a whole.
        images: some of the images table; the first two are sent through it.
        seed: of random weights, where it is given none, and of a generator's prior.

    Raises:
        InputError: it can't be opened, its weights do not fit, or it does not give what `params.output` says.
    """
    some = to_unit_range(images.pixels[:_TRIED])
    exported = Path(str(params.network)) if _is_exported(params) else None
    card: dict[str, Any] = {
        "kind": params.kind,
        "network": params.network if exported is None else None,
        "arguments": dict(params.arguments),
        "output": "images" if params.draws_images else "logits",
    }
    if params.kind == "generator":
        split = open_generator(params, seed, "cpu")
        network = split.network
        _require_drawn(split, some, images.original[:_TRIED])
        card |= {"num_dims": params.num_dims, "seed": seed}
    else:
        network = _opened(params, seed)
        card |= {"concept": params.concept, "input": _input(params)}
        _require_output(network, card, some, images.num_categories.get(str(params.concept)))
        if names := class_names(params, images):
            card["class_names"] = names
    save_backbone(folder, network, card, metrics="", exported=exported)


def class_names(params: BackboneParams, images: Images) -> list[str] | None:
    """What the classes of a network are called: as those of its concept, or as torchvision names those of weights."""
    if params.concept is not None:
        return images.class_names.get(params.concept)
    if params.kind == "torchvision" and params.weights is not None and _weights_path(params) is None:
        return torchvision_classes(str(params.network), params.weights)
    return None


def open_generator(params: BackboneParams, seed: int, device: torch.device | str) -> GeneratorSplit:
    """The decoder of `params`, of kind generator, before it is frozen into a folder.

    Args:
        params: section `backbone`.
        seed: of the prior's draws.
        device: where it runs.

    Raises:
        InputError: it can't be opened, its weights do not fit, or it makes no images in [−1, 1] of z.
    """
    split = GeneratorSplit(_opened(params, seed).to(device), params.num_dims, seed, torch.device(device))
    z = split.prior(np.arange(2))
    try:
        images = split.network(z.to(device))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(
            f"backbone: '{params.network}' does not take latents {tuple(z.shape)} ({line}); see backbone.num_dims"
        ) from None
    if not isinstance(images, Tensor) or images.ndim != 4 or len(images) != 2 or images.shape[1] not in (1, 3):
        found = tuple(images.shape) if isinstance(images, Tensor) else f"a {type(images).__name__}"
        raise InputError(f"backbone: '{params.network}' gives {found}, images (2, 1 or 3, H, W) are expected")
    low, high = float(images.min()), float(images.max())
    if not (low >= -1 - _ROUNDING and high <= 1 + _ROUNDING):  # NaN is neither
        raise InputError(f"backbone: '{params.network}' gives values of {low:.3g} to {high:.3g}, expected are −1 to 1")
    return split


def _require_drawn(split: GeneratorSplit, images: Tensor, originals: NDArray[np.int64]) -> None:
    """Compare the images with what it draws now, as one with weights that differ each time names nothing."""
    off = float((split.draw(split.prior(originals)) - images).abs().max())
    if off > _PIXEL:
        raise InputError(
            f"backbone: the generator does not draw the images of data/images (they differ by {off:.2g}): its weights "
            "differ each time that it is made, or their file was changed; run `dvc repro -f prepare`"
        )


def _opened(params: BackboneParams, seed: int) -> nn.Module:
    assert params.network is not None  # as its section has been checked
    path = _weights_path(params)
    if _is_exported(params):
        network = from_exported(Path(params.network))
    elif params.kind in ("torch", "generator"):
        network = from_callable(params.network, params.arguments, seed)
    else:
        network = from_torchvision(params.network, None if path else params.weights, params.arguments, seed)
    if path is not None:
        load_weights(network, path)
    return network


def _weights_path(params: BackboneParams) -> Path | None:
    """The file of weights, if they are one; those of torchvision may go by a name."""
    if not params.weights or (params.kind == "torchvision" and not Path(params.weights).suffix):
        return None
    return weights_file(params.weights)


def _is_exported(params: BackboneParams) -> bool:
    return params.kind == "exported" or (params.kind == "generator" and Path(str(params.network)).suffix == ".pt2")


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
