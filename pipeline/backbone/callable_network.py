"""Kind `torch`: a network that an importable callable makes; what that does is its own code's."""

import difflib
import importlib
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from pipeline.backbone.backbone import Made
from pipeline.backbone.brought_network import load_weights, tried, weights_file
from pipeline.backbone.hook_backbone import AS_IT_IS, HookBackbone
from pipeline.errors import InputError
from pipeline.params import BackboneParams
from pipeline.tables.images import Images

__all__ = ["CallableBackbone", "from_callable", "import_callable"]


class CallableBackbone(HookBackbone):
    """What `package.module:callable` made of its arguments."""

    @classmethod
    def make(cls, params: BackboneParams, images: Images, seed: int) -> Made:
        """Call it, give the network its weights, and try it on two images."""
        assert params.network is not None  # as its section has been checked
        network = from_callable(params.network, params.arguments, seed)
        if params.weights:
            load_weights(network, weights_file(params.weights))
        return tried(network, params, images, AS_IT_IS)

    @classmethod
    def build(cls, folder: Path, card: dict[str, Any]) -> nn.Module:  # noqa: ARG003
        """What the callable makes today; weights that do not fit it are refused after that."""
        return from_callable(card["network"], card["arguments"])


def import_callable(name: str, key: str) -> Callable[..., Any]:
    """An importable callable.

    Args:
        name: `package.module:callable`, or `package.module:Class.method`.
        key: of params.yaml, for an error.

    Raises:
        InputError: there is no such module or callable.
    """
    module_name, _, attribute = name.partition(":")
    if not attribute:
        raise InputError(f"{key}: found '{name}', expected package.module:callable")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"{key}: no module '{module_name}' can be imported ({error})") from None
    try:
        function: Any = operator.attrgetter(attribute)(module)
    except AttributeError:
        function = None
    if not callable(function):
        callables = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        near = difflib.get_close_matches(attribute, callables, n=3)
        hint = f"; nearest are {', '.join(near)}" if near else ""
        raise InputError(f"{key}: no callable '{attribute}' in {module_name}{hint}")
    return cast("Callable[..., Any]", function)


def from_callable(name: str, arguments: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """What an importable callable returns.

    Args:
        name: `package.module:callable`, or `package.module:Class.method`.
        arguments: keyword arguments.
        seed: of the weights that it draws.

    Raises:
        InputError: there is no such module or callable, it can't be called so, or returns no module.
    """
    function = import_callable(name, "backbone.network")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = function(**arguments)
    except TypeError as error:
        raise InputError(f"backbone.arguments: {name} does not take {dict(arguments)!r} ({error})") from None
    if not isinstance(network, nn.Module):
        raise InputError(f"backbone.network: {name} returned a {type(network).__name__}, expected a torch.nn.Module")
    return network.eval().requires_grad_(False)
