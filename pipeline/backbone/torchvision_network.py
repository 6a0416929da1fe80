"""Kind `torchvision`: a model of torchvision, with its own weights, those of a file, or random ones."""

import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.backbone.backbone import Made
from pipeline.backbone.brought_network import tried
from pipeline.backbone.hook_backbone import HookBackbone, Preprocess
from pipeline.backbone.named_weights import load_weights
from pipeline.errors import InputError
from pipeline.inputs.paths import names_weights, weights_file
from pipeline.params import BackboneParams
from pipeline.tables.images import Images

__all__ = ["USUAL_SIZE", "TorchvisionBackbone", "from_torchvision", "weights_classes", "weights_input"]

USUAL_SIZE = 224  # as of most of ImageNet's networks
_IMAGENET = Preprocess(None, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class TorchvisionBackbone(HookBackbone):
    """A model by its name; unless `input` says otherwise, it gets what `weights_input` says."""

    @classmethod
    def make(cls, params: BackboneParams, images: Images, seed: int) -> Made:
        """Make the model with its weights, and try it on two images."""
        assert params.network is not None  # as its section has been checked
        network = from_torchvision(params.network, _weights_name(params), params.arguments, seed)
        if params.weights and _weights_name(params) is None:
            load_weights(network, weights_file(params.weights))
        made = tried(network, params, images, weights_input(params))
        names = None if "class_names" in made.card else weights_classes(params)
        return dataclasses.replace(made, card=made.card | {"class_names": names}) if names else made

    @classmethod
    def build(cls, folder: Path, card: dict[str, Any]) -> nn.Module:  # noqa: ARG003
        """The model without weights of its own."""
        return from_torchvision(card["network"], None, card["arguments"])


def weights_classes(params: BackboneParams) -> list[str] | None:
    """What torchvision calls the classes of the weights that section `backbone` names.

    None where they are those of a concept, or torchvision does not say.
    """
    entry = _named_weights(params)
    if params.concept is not None or entry is None:
        return None
    names: list[str] | None = entry.meta.get("categories")
    return names


def weights_input(params: BackboneParams) -> Preprocess:
    """What a model gets unless section `backbone.input` says otherwise.

    With weights of torchvision's own, what these were trained on, the square of their crop. Else images of their own
    size, as nobody knows on which a person's file was trained, on ImageNet's scale.
    """
    entry = _named_weights(params)
    if entry is None:
        return _IMAGENET
    transforms = entry.transforms()
    (size,) = {*getattr(transforms, "crop_size", [USUAL_SIZE])}  # one that does not classify cuts nothing out
    mean, std = (tuple(getattr(transforms, name, getattr(_IMAGENET, name))) for name in ("mean", "std"))
    return Preprocess(size, mean, std)


def _named_weights(params: BackboneParams) -> Any:
    """The entry of torchvision's table that section `backbone` names; None: its weights are a file's, or random."""
    import torchvision  # takes a second, which every stage would wait for

    if (name := _weights_name(params)) is None:
        return None
    known = torchvision.models.get_model_weights(params.network)
    return known[name.removeprefix(f"{known.__name__}.")]


def _weights_name(params: BackboneParams) -> str | None:
    """Torchvision's name of the weights; None: they are a file's, or random."""
    return params.weights if params.weights and names_weights(params.weights) else None


def from_torchvision(name: str, weights: str | None, arguments: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """A model of torchvision.

    Args:
        name: as `torchvision.models.list_models` has it.
        weights: name of its weights, which torchvision downloads, such as `DEFAULT`, alone or behind the name of their
            class and a dot; None: random, drawn by `seed`.
        arguments: keyword arguments of the model.
        seed: of random weights.

    Raises:
        InputError: there is no such model or weights, or they can't be had.
    """
    import torchvision  # takes a second, which every stage would wait for

    models = torchvision.models.list_models()
    if name not in models:
        near = difflib.get_close_matches(name, models, n=3)
        hint = f"; nearest are {', '.join(near)}" if near else f"; it has {len(models)}"
        raise InputError(f"backbone.network: no torchvision model '{name}'{hint}")
    known = torchvision.models.get_model_weights(name)
    accepted = [entry.name for entry in known]
    entry = None if weights is None else weights.removeprefix(f"{known.__name__}.")
    if entry not in (None, "DEFAULT", *accepted):
        raise InputError(
            f"backbone.weights: no weights '{weights}' of {name}, nor a file of that name; accepted are "
            f"{', '.join(['DEFAULT', *accepted])}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network: nn.Module = torchvision.models.get_model(name, weights=entry, **arguments)
        except OSError as error:
            raise InputError(f"backbone.weights: {weights} of {name} can't be downloaded ({error})") from None
        except TypeError as error:
            raise InputError(f"backbone.arguments: {name} does not take {dict(arguments)!r} ({error})") from None
    return network.eval().requires_grad_(False)
