"""What the networks that a person brings have in common: files of weights, and a trial before one is taken.

Files of weights are read without running any code of theirs. A network is run once, and what it gives is compared with
what it should.
"""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.backbone.backbone import Made
from pipeline.backbone.hook_backbone import Preprocess
from pipeline.errors import InputError, one_line
from pipeline.inputs.paths import weights_file
from pipeline.params import BackboneParams
from pipeline.tables.images import Images, to_unit_range

__all__ = ["load_weights", "tried", "weights_file"]

_SHOWN = 3  # keys in an error


def load_weights(network: nn.Module, path: Path) -> None:
    """Put the weights of a file into a network.

    Args:
        network: changed in place.
        path: safetensors, or a checkpoint that `torch.load(weights_only=True)` reads: a state dict, or one under the
            key `state_dict` or `model`.

    Raises:
        InputError: the file is missing, damaged or no plain weights, or they do not fit the network.
    """
    if not path.is_file():
        raise InputError(f"{path}: not there; a safetensors file or a checkpoint of weights is expected")
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except SafetensorError as error:
        raise InputError(f"{path}: no safetensors ({one_line(error, 200)})") from None
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than weights, and would run code when it is read; save its state_dict alone "
            f"({one_line(error, 200)})"
        ) from None
    except (RuntimeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: no checkpoint ({one_line(error, 200)})") from None
    for key in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path}: no state dict of tensors, nor one under 'state_dict' or 'model'")
    expected = network.state_dict()
    missing, unknown = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    for what, keys in (("lacks keys of the network", missing), ("holds keys that the network has not", unknown)):
        if keys:
            more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
            raise InputError(f"{path}: {what}: {', '.join(keys[:_SHOWN])}{more}, of {len(expected)} expected")
    for key, value in state.items():
        if value.shape != expected[key].shape:
            raise InputError(f"{path}: {key} has shape {tuple(value.shape)}, expected {tuple(expected[key].shape)}")
    network.load_state_dict(state)


_TRIED = 2  # images


def tried(
    network: nn.Module, params: BackboneParams, images: Images, usual: Preprocess, exported: Path | None = None
) -> Made:
    """The network with its card, once it has given what section `backbone` says.

    Args:
        network: in eval mode, with its weights.
        params: section `backbone`.
        images: some of the images table; the first two are sent through it.
        usual: what its kind expects of an image, where section `backbone.input` does not say.
        exported: the file that it was read from; None: the card says what it is made from.

    Raises:
        InputError: it does not take the images, or gives something else.
    """
    given = params.input
    preprocess = Preprocess(given.size or usual.size, given.mean or usual.mean, given.std or usual.std)
    card: dict[str, Any] = {
        "kind": params.kind,
        "network": params.network if exported is None else None,
        "arguments": dict(params.arguments),
        "output": "images" if params.draws_images else "logits",
        "concept": params.concept,
        "input": preprocess.to_card(),
    }
    pixels = to_unit_range(images.pixels[:_TRIED])
    inputs = preprocess(pixels)
    try:
        output = network(inputs)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise InputError(
            f"backbone: '{card['network'] or params.kind}' does not take images {tuple(inputs.shape)} "
            f"({one_line(error, 200)}); see backbone.input.size"
        ) from None
    if not isinstance(output, Tensor):
        raise InputError(f"backbone: the network gives a {type(output).__name__}, one tensor is expected")
    if params.draws_images:
        _require_images(output, pixels)
    else:
        _require_logits(output, params.concept, images.num_categories)
    if params.concept is not None and (names := images.class_names.get(params.concept)):
        card["class_names"] = names
    return Made(network, card, exported)


def _require_images(output: Tensor, images: Tensor) -> None:
    if output.shape != images.shape:
        raise InputError(
            f"backbone.output: the network gives {tuple(output.shape)}, images {tuple(images.shape)} are expected"
        )


def _require_logits(output: Tensor, concept: str | None, num_categories: dict[str, int]) -> None:
    if output.ndim != 2 or output.shape[1] < 2:
        raise InputError(f"backbone.output: the network gives {tuple(output.shape)}, logits [B, classes] are expected")
    if concept in num_categories and output.shape[1] != num_categories[concept]:
        raise InputError(
            f"backbone.concept: '{concept}' has {num_categories[concept]} categories, the network {output.shape[1]} "
            "classes"
        )
