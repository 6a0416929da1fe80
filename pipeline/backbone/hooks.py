"""Any layer of any network: what it gives in a forward, and the same forward with something else in its place.

The network is not changed: forward hooks are set for one call and removed after it, whatever happens. A layer can be
used if a forward calls it once and it gives one tensor of floats, a row an image; of every other layer `layer_table`
says why not.
"""

import difflib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.backbone.channels import Call, channels_of
from pipeline.backbone.reduction import Channels
from pipeline.errors import InputError, a_type

__all__ = ["Layer", "capture", "capture_all", "layer_table", "replace", "require_layer", "state_sha256"]

LIST_THEM = "list them with python -m pipeline.backbone layers"


@dataclass(frozen=True)
class Layer:
    """A module of a network, as one forward meets it.

    Attributes:
        name: dotted, as `nn.Module.get_submodule` takes it.
        module: its class.
        shape: of the tensor that it gives, without the batch; None where it can't be used.
        reason: why it can't be used; empty where it can.
        channels: which axis of a map or of tokens holds the channels; None: it has but one, or it is not certain.
        dtype: of the tensor that it gives; None where it can't be used.
    """

    name: str
    module: str
    shape: tuple[int, ...] | None
    reason: str
    channels: Channels | None = None
    dtype: torch.dtype | None = None


def layer_table(network: nn.Module, inputs: Tensor) -> list[Layer]:
    """All modules below the network itself, in its own order; one that has several names has a line under the first.

    Args:
        network: in eval mode; called with `inputs` alone.
        inputs: any batch [B, …] that it accepts.
    """
    names = [name for name, _ in network.named_modules() if name]
    calls: list[Call] = []

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            calls.append(Call(name, module, given[0] if given else None, output))

        return hook

    with _hooks({name: note(name) for name in names}, network), torch.no_grad():
        network(inputs)
    channels = channels_of(calls)
    outputs: dict[str, list[Any]] = {name: [] for name in names}
    for call in calls:
        outputs[call.name].append(call.gave)
    return [
        _layer(name, network.get_submodule(name), found, len(inputs), channels.get(name))
        for name, found in outputs.items()
    ]


def require_layer(network: nn.Module, layer: str, table: Sequence[Layer]) -> Layer:
    """The layer of that name in a network's table.

    Raises:
        InputError: there is none, with the nearest names; or it can't be captured and replaced, with the reason.
    """
    _require_name(network, layer)
    layers = {entry.name: entry for entry in table}
    if layer not in layers:  # a second name of a module that several share
        module = network.get_submodule(layer)
        layer = next(name for name in layers if network.get_submodule(name) is module)
    _require_usable(layers[layer])
    return layers[layer]


def capture(network: nn.Module, layer: str, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer gives in a forward, and what the network gives: `capture_all` of one layer."""
    found, output = capture_all(network, [layer], inputs)
    return found[layer], output


@torch.no_grad()
def capture_all(network: nn.Module, layers: Sequence[str], inputs: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """What layers give in a forward, and what the network gives.

    Args:
        network: in eval mode.
        layers: dotted names.
        inputs: [B, …].

    Returns:
        Each layer's output, a clone, as a later module may overwrite it in place; and the network's output.

    Raises:
        InputError: there is no such layer, it was called never or more than once, or gave no tensor of floats with a
            row an image.
    """
    calls: dict[str, list[Any]] = {layer: [] for layer in layers}

    def note(layer: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _given: Any, output: Any) -> None:
            calls[layer].append(output.clone() if isinstance(output, Tensor) else output)

        return hook

    for layer in layers:
        _require_name(network, layer)
    with _hooks({layer: note(layer) for layer in layers}, network):
        output: Tensor = network(inputs)
    for layer, found in calls.items():
        _require_usable(_layer(layer, network.get_submodule(layer), found, len(inputs)))
    return {layer: found[0] for layer, found in calls.items()}, output


def replace(network: nn.Module, layer: str, inputs: Tensor, value: Tensor) -> Tensor:
    """What the network gives with a layer's output replaced; it records gradients of `value`, where there are any.

    Args:
        network: in eval mode.
        layer: dotted name of a layer that `capture` takes.
        inputs: [B, …].
        value: of the shape, type and device of the layer's output; it is not changed.

    Raises:
        InputError: as `capture_all`.
        ValueError: `value` has another shape or type than the layer's output.
    """
    _require_name(network, layer)
    calls: list[Any] = []

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Tensor | None:
        calls.append(output)
        if not isinstance(output, Tensor):
            return None  # refused below
        if value.shape != output.shape or value.dtype != output.dtype:
            raise ValueError(
                f"value: found {value.dtype} {tuple(value.shape)}, expected {output.dtype} {tuple(output.shape)}, as "
                f"layer '{layer}' gives"
            )
        return value.clone()  # a later module may overwrite it in place

    with _hooks({layer: hook}, network):
        output: Tensor = network(inputs)
    _require_usable(_layer(layer, network.get_submodule(layer), calls, len(inputs)))
    return output


def state_sha256(network: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of all parameters and buffers, those that no file holds too."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()


def _layer(
    name: str, module: nn.Module, outputs: list[Any], num_images: int, channels: Channels | None = None
) -> Layer:
    """What the outputs of all calls of a module say of it."""
    reason = ""
    if not outputs:
        reason = "is never reached"
    elif len(outputs) > 1:
        reason = f"runs {len(outputs)} times in one forward"
    elif isinstance(outputs[0], tuple | list):
        reason = f"returns {a_type(outputs[0])} of {len(outputs[0])}"
    elif not isinstance(outputs[0], Tensor):
        reason = f"returns {a_type(outputs[0])}"
    elif outputs[0].ndim < 2:
        reason = f"returns a tensor of {outputs[0].ndim} dimensions"
    elif not outputs[0].is_floating_point():
        reason = f"gives {str(outputs[0].dtype).removeprefix('torch.')} and no floats"
    elif len(outputs[0]) != num_images:
        reason = f"gives {_words(outputs[0])} for {num_images} images, whose batch is not its first axis"
    if reason:
        return Layer(name, type(module).__name__, None, reason)
    return Layer(name, type(module).__name__, tuple(outputs[0].shape[1:]), "", channels, outputs[0].dtype)


def _words(tensor: Tensor) -> str:
    return "x".join(str(length) for length in tensor.shape)


def _require_usable(layer: Layer) -> None:
    if layer.reason:
        raise InputError(f"layers: '{layer.name}' can't be used, as it {layer.reason}; {LIST_THEM}")


def _require_name(network: nn.Module, layer: str) -> None:
    # an empty name is the network itself, whose output no flow can change into another decision
    names = [name for name, _ in network.named_modules(remove_duplicate=False) if name]
    if layer in names:
        return
    near = difflib.get_close_matches(layer, names, n=3)
    nearest = f"nearest are {', '.join(near)}" if near else f"it has {len(names)}"
    raise InputError(f"layers: no layer '{layer}' in the network; {nearest}; {LIST_THEM}")


@contextmanager
def _hooks(hooks: dict[str, Callable[..., Any]], network: nn.Module) -> Iterator[None]:
    handles = []
    try:
        for name, hook in hooks.items():
            handles.append(network.get_submodule(name).register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()
