"""Networks that a user brings: a callable, a torchvision model, a `torch.export` file, and weights for them.

What a callable makes is whatever its code does; files of weights are read without running any code of theirs.
"""

import difflib
import importlib
import importlib.resources
import operator
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.errors import InputError

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Preprocess",
    "from_callable",
    "from_exported",
    "from_torchvision",
    "import_callable",
    "load_weights",
    "torchvision_classes",
    "weights_file",
]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_SHOWN = 3  # keys in an error


@dataclass(frozen=True)
class Preprocess:
    """From images in [−1, 1] to what a network expects; nothing happens where mean and std are .5.

    Attributes:
        size: side to which images are resized, bilinearly; None: as they are.
        mean: of each channel, on a scale of 0 to 1.
        std: of each channel, on the same scale.
    """

    size: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, images: Tensor) -> Tensor:
        """Images [B, 3, H, W] in [−1, 1] to inputs [B, 3, size, size]."""
        if self.size is not None and images.shape[-2:] != (self.size, self.size):
            images = nn.functional.interpolate(
                images, (self.size, self.size), mode="bilinear", align_corners=False, antialias=True
            )
        if self.mean == self.std == (0.5, 0.5, 0.5):
            return images
        mean, std = (images.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return ((images + 1) / 2 - mean) / std


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
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        near = difflib.get_close_matches(attribute, known, n=3)
        hint = f"; nearest are {', '.join(near)}" if near else ""
        raise InputError(f"{key}: no callable '{attribute}' in {module_name}{hint}")
    found: Callable[..., Any] = function
    return found


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


def from_torchvision(name: str, weights: str | None, arguments: Mapping[str, Any], seed: int = 0) -> nn.Module:
    """A model of torchvision.

    Args:
        name: as `torchvision.models.list_models` has it.
        weights: name of its weights, which torchvision downloads; None: random, drawn by `seed`.
        arguments: keyword arguments of the model.
        seed: of random weights.

    Raises:
        InputError: there is no such model or weights, or they can't be had.
    """
    import torchvision  # takes a second, which every stage would wait for

    known = torchvision.models.list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"; nearest are {', '.join(near)}" if near else f"; it has {len(known)}"
        raise InputError(f"backbone.network: no torchvision model '{name}'{hint}")
    accepted = [entry.name for entry in torchvision.models.get_model_weights(name)]
    if weights not in (None, "DEFAULT", *accepted):
        raise InputError(
            f"backbone.weights: no weights '{weights}' of {name}, nor a file of that name; accepted are "
            f"{', '.join(['DEFAULT', *accepted])}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            network: nn.Module = torchvision.models.get_model(name, weights=weights, **arguments)
        except OSError as error:
            raise InputError(f"backbone.weights: {weights} of {name} can't be downloaded ({error})") from None
        except TypeError as error:
            raise InputError(f"backbone.arguments: {name} does not take {dict(arguments)!r} ({error})") from None
    return network.eval().requires_grad_(False)


def torchvision_classes(name: str, weights: str) -> list[str] | None:
    """What the classes of torchvision's weights are called, where torchvision says so.

    Args:
        name: of the model.
        weights: their name, one that `from_torchvision` takes.
    """
    import torchvision

    found: list[str] | None = torchvision.models.get_model_weights(name)[weights].meta.get("categories")
    return found


def from_exported(path: Path) -> nn.Module:
    """The network of a `torch.export` file, with the submodules that `torch.export.unflatten` restores.

    Raises:
        InputError: the file is missing, or no exported program.
    """
    if not path.is_file():
        raise InputError(f"{path}: not there; a file that torch.export.save wrote is expected")
    try:
        network = torch.export.unflatten(torch.export.load(path))
    except (RuntimeError, ValueError, KeyError, OSError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: no exported program ({_line(error)})") from None
    return network.requires_grad_(False)  # it knows no eval mode: it runs as it was exported


def weights_file(name: str) -> Path:
    """The file that a key names: a path, or `package:path/in/it` for one that ships inside an installed package.

    Raises:
        InputError: there is no such package.
    """
    package, _, inside = name.partition(":")
    if not inside or Path(name).exists():
        return Path(name)
    try:
        return Path(str(importlib.resources.files(package) / inside))
    except ModuleNotFoundError:
        raise InputError(f"backbone.weights: {name}: no package '{package}' is installed") from None


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
        raise InputError(f"{path}: no safetensors ({_line(error)})") from None
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than weights, and would run code when it is read; save its state_dict alone "
            f"({_line(error)})"
        ) from None
    except (RuntimeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: no checkpoint ({_line(error)})") from None
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


def _line(error: Exception) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= 200 else f"{line[:200]} …"
