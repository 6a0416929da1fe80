"""Files of weights that a person brings for a network; they are read without running any code of theirs."""

import importlib.resources
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.errors import InputError, one_line

__all__ = ["load_weights", "weights_file"]

_SHOWN = 3  # keys in an error


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
