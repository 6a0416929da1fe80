"""Files of weights, put into a network by name, without running any code of theirs.

The same weights go by several names: under a key of a checkpoint, behind the prefix of what they were wrapped in, or,
where two names are one tensor, by the other name. They are taken where, in one of these readings, they fit the network
exactly, shape by shape.
"""

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.errors import InputError, one_line

__all__ = ["load_weights"]

_KEYS = ("state_dict", "model_state_dict", "model", "net")  # of a checkpoint, under which the weights lie
_WRAPPERS = ("module", "model", "net")  # of DataParallel, and of one's own class around the network
_COMPILED = "_orig_mod."  # of torch.compile, anywhere in a name
_SHOWN = 3  # keys in an error
_OTHER_NAMES = (
    "; files of transformers may have other names than its networks: leave backbone.weights empty, and let "
    "backbone.network be its from_pretrained, with the folder in backbone.arguments"
)

State = Mapping[str, Tensor]


def load_weights(network: nn.Module, path: Path) -> None:
    """Put the weights of a file into a network.

    Args:
        network: changed in place.
        path: safetensors, or a checkpoint that `torch.load(weights_only=True)` reads: a state dict, or one under the
            key `state_dict`, `model_state_dict`, `model` or `net`.

    Raises:
        InputError: the file is missing, damaged or no plain weights, or they do not fit the network.
    """
    expected = network.state_dict()
    readings = [(own, names) for own in _states(path) for names in _readings(own, expected)]
    faults = []
    for own, names in sorted(readings, key=lambda reading: -len(reading[1].keys() & expected.keys())):  # nearest first
        state = {key: own[name] for key, name in names.items()}
        state |= _tied(state, expected)
        fault = _fault(state, expected, names)
        if not fault:
            network.load_state_dict(state)
            return
        faults.append(fault)
    raise InputError(f"{path}: {faults[0]}{_OTHER_NAMES if _is_of_transformers(network) else ''}")


def _fault(state: State, expected: State, names: Mapping[str, str]) -> str:
    """Why weights do not fit a network; empty where they do. `names` are their names in the file, by the network's."""
    missing = sorted(expected.keys() - state.keys())
    left_over = sorted(names[key] for key in state.keys() - expected.keys())
    wrong = [
        f"{key} of shape {tuple(value.shape)} for {tuple(expected[key].shape)}"
        for key, value in state.items()
        if key in expected and value.shape != expected[key].shape
    ]
    parts = {"lacks": missing, "holds what the network has not,": left_over, "holds": wrong}
    said = [f"{what} {_listed(keys)}" for what, keys in parts.items() if keys]
    return f"does not fit the {len(expected)} keys of the network: it {', and '.join(said)}" if said else ""


def _is_of_transformers(network: nn.Module) -> bool:
    """Whether it is a model of Hugging Face's transformers, whose files have names that only it can read."""
    return any(kind.__module__.startswith("transformers.") for kind in type(network).__mro__)


def _tied(state: State, expected: State) -> dict[str, Tensor]:
    """Names that a file leaves out, as the network has the same tensor under a name that the file has."""
    places = {_place(expected[key]): value for key, value in state.items() if key in expected}
    return {
        key: places[_place(tensor)]
        for key, tensor in expected.items()
        if key not in state and tensor.numel() and _place(tensor) in places
    }


def _place(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def _readings(own: State, expected: State) -> Iterator[dict[str, str]]:
    """The names in the file by those of the network, if these are the same, or the same without, or with, what wrappers
    have put before all names of either side."""
    for names in ({key: key for key in own}, {key.replace(_COMPILED, ""): key for key in own}):
        for prefix in _prefixes(names):
            for other in _prefixes(expected):
                yield {f"{other}{key.removeprefix(prefix)}": name for key, name in names.items()}


def _prefixes(names: Mapping[str, object]) -> list[str]:
    """Nothing, and what stands before all names: `module.`, `module.model.`, …"""
    found = [""]
    while True:
        longer = [f"{found[-1]}{wrapper}." for wrapper in _WRAPPERS]
        shared = [prefix for prefix in longer if names and all(name.startswith(prefix) for name in names)]
        if not shared:
            return found
        found += shared


def _states(path: Path) -> list[State]:
    """All that a file may have as its weights: what it holds, or what lies under the usual keys of it."""
    states = list(_nested(_content(path)))
    if not states:
        raise InputError(f"{path}: no state dict of tensors, nor one under {', '.join(map(repr, _KEYS))}")
    return states


def _nested(content: Any) -> Iterator[State]:
    if not isinstance(content, Mapping) or not content:
        return
    if all(isinstance(value, Tensor) for value in content.values()):
        yield content
        return
    for key in _KEYS:
        yield from _nested(content.get(key))


def _content(path: Path) -> Any:
    """What a file holds; of safetensors also the names of tied weights, which it keeps in its metadata."""
    if not path.is_file():
        raise InputError(f"{path}: not there; a safetensors file or a checkpoint of weights is expected")
    try:
        if path.suffix != ".safetensors":
            return torch.load(path, "cpu", weights_only=True)
        state = load_file(path)
        with safe_open(path, "pt") as file:
            names = file.metadata() or {}
    except SafetensorError as error:
        raise InputError(f"{path}: no safetensors ({one_line(error, 200)})") from None
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than weights, and would run code when it is read; save its state_dict alone "
            f"({one_line(error, 200)})"
        ) from None
    except (RuntimeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: no checkpoint ({one_line(error, 200)})") from None
    return state | {
        left_out: state[kept] for left_out, kept in names.items() if kept in state and left_out not in state
    }


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{', '.join(keys[:_SHOWN])}{more}"
