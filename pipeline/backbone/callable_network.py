"""Kind `torch`: a network that an importable callable makes; what that does is its own code's."""

import difflib
import importlib
import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer

from pipeline.backbone.backbone import Made
from pipeline.backbone.brought_network import expected_input, run_once, trial_images, tried
from pipeline.backbone.hook_backbone import AS_IT_IS, HookBackbone
from pipeline.backbone.named_weights import load_weights
from pipeline.errors import InputError, a_type
from pipeline.inputs.modules import raised
from pipeline.inputs.paths import weights_file
from pipeline.params import BackboneParams
from pipeline.tables.images import Images

__all__ = ["CallableBackbone", "from_callable", "import_callable", "initialise_lazy"]

_COMPILED = "_orig_mod"  # the network inside what torch.compile returns


class CallableBackbone(HookBackbone):
    """What `package.module:callable` made of its arguments."""

    @classmethod
    def make(cls, params: BackboneParams, images: Images, seed: int) -> Made:
        """Call it, give the network its weights, and try it on two images."""
        assert params.network is not None  # as its section has been checked
        network = from_callable(params.network, params.arguments, seed)
        initialise_lazy(network, expected_input(params, AS_IT_IS)(trial_images(images)), params, seed)
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
        InputError: there is no such module or callable, or the module raises something when it is imported.
    """
    module_name, _, attribute = name.partition(":")
    if not attribute:
        raise InputError(f"{key}: found '{name}', expected package.module:callable")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"{key}: no module '{module_name}' can be imported ({error})") from None
    except Exception as error:  # whatever a person's own code raises
        raise InputError(f"{key}: module '{module_name}' raised {raised(error)} when it was imported") from None
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
    """What an importable callable returns, without what `torch.compile` and parallel wrappers put around it.

    These compute the same, but behind them no layer can be reached.

    Args:
        name: `package.module:callable`, or `package.module:Class.method`.
        arguments: keyword arguments.
        seed: of the weights that it draws.

    Raises:
        InputError: there is no such module or callable, it can't be called so, raises something, or returns no module.
    """
    function = import_callable(name, "backbone.network")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = function(**arguments)
    except TypeError as error:
        raise InputError(f"backbone.arguments: {name} does not take {dict(arguments)!r} ({error})") from None
    except Exception as error:  # whatever a person's own code raises
        raise InputError(f"backbone.network: {name} raised {raised(error)}") from None
    if not isinstance(network, nn.Module):
        raise InputError(f"backbone.network: {name} returned {a_type(network)}, expected a torch.nn.Module")
    network = _unwrapped(network).eval()
    for parameter in network.parameters():
        if not isinstance(parameter, nn.UninitializedParameter):
            parameter.requires_grad_(False)
    return network


def initialise_lazy(network: nn.Module, inputs: Tensor, params: BackboneParams, seed: int) -> None:
    """Let lazy layers, if there are any, take their shapes from a first forward, and draw their weights.

    Args:
        network: from `from_callable`; changed in place.
        inputs: a batch that it accepts.
        params: section `backbone`, for an error.
        seed: of the weights.

    Raises:
        InputError: the network does not take the inputs, or does not reach one of those layers.
    """
    if not _lazy(network):
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        run_once(network, inputs, params)
    if names := _lazy(network):
        raise InputError(f"backbone.network: '{names[0]}' of {params.network} has no shape, as no forward reaches it")
    network.requires_grad_(False)


def _lazy(network: nn.Module) -> list[str]:
    """Names of the parameters and buffers that have no shape yet."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    return [
        name for name, tensor in tensors.items() if isinstance(tensor, nn.UninitializedParameter | UninitializedBuffer)
    ]


def _unwrapped(network: nn.Module) -> nn.Module:
    """The network in eager mode, on one device: hooks that are set later do not fire in compiled code."""
    while (inner := _inner(network)) is not None:
        network = inner
    for module in list(network.modules()):
        if module._compiled_call_impl is not None:
            module._compiled_call_impl = None  # what nn.Module.compile has put in the place of the forward
        for name, child in module.named_children():
            if _COMPILED in child._modules:
                setattr(module, name, child.get_submodule(_COMPILED))
    return network


def _inner(network: nn.Module) -> nn.Module | None:
    """The network that a wrapper holds; None: it is none."""
    if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return network.get_submodule("module")
    return network.get_submodule(_COMPILED) if _COMPILED in network._modules else None
