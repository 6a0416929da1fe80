"""A trained network on disk: one folder with weights, card and curves; the same for backbone, judge and flow.

    weights.safetensors   parameters and buffers; equal weights give equal bytes
    card.json             what a reader needs to build the network, how good it is, sha256 of the weights
    metrics.jsonl         its curves

The folder appears whole or not at all, and is checked when read: a card and weights that do not belong together are
refused.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from pipeline.basis.curves import METRICS
from pipeline.errors import InputError, one_line
from pipeline.files import atomic_folder, read_json, sha256_file

__all__ = ["CARD", "read_card", "read_weights", "write_network"]

WEIGHTS, CARD = "weights.safetensors", "card.json"


def write_network(
    folder: Path,
    network: nn.Module,
    card: dict[str, Any],
    *,
    metrics: str,
    also: Mapping[str, Path | bytes] | None = None,
) -> None:
    """Write a trained network as one folder, whole or not at all; a folder of that name is replaced.

    Args:
        folder: where.
        network: its weights are stored without time or host, so that equal weights give equal bytes.
        card: what a reader needs besides; no time, host or path. `weights_sha256` is added to it.
        metrics: content of metrics.jsonl, the curves.
        also: names in the folder, and the file or folder that is copied there, or a file's content.
    """
    # clones, as tied weights share memory, which safetensors refuses
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(network.state_dict().items())}
    with atomic_folder(folder) as beside:
        (beside / WEIGHTS).write_bytes(save(state))
        card = card | {"weights_sha256": sha256_file(beside / WEIGHTS)}
        (beside / CARD).write_text(json.dumps(card, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
        (beside / METRICS).write_text(metrics)
        for name, source in (also or {}).items():
            if isinstance(source, bytes):
                (beside / name).write_bytes(source)
            elif source.is_dir():
                shutil.copytree(source, beside / name)
            else:
                shutil.copyfile(source, beside / name)


@contextmanager
def read_card(folder: Path, what: str) -> Iterator[dict[str, Any]]:
    """Give the card of `folder` to a block that builds the network from it; what it lacks is one line of error.

    Args:
        folder: what `write_network` wrote.
        what: what should lie there, for example "a backbone".

    Raises:
        InputError: the card is missing or no JSON, or the block could not build from it; the line names it.
    """
    path = folder / CARD
    card = read_json(path)
    try:
        yield card
        card["weights_sha256"]  # which `read_weights` compares
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"no key {error}" if isinstance(error, KeyError) else one_line(error)
        raise InputError(f"{path}: no card of {what} ({reason})") from None


def read_weights(folder: Path, card: dict[str, Any], network: nn.Module) -> str:
    """Load `folder`'s weights into `network`, which was built from `card`; returns the sha256 of their file.

    Raises:
        InputError: the weights are missing or damaged, or of another network than the card's; the line names them.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{path}: not there; run `dvc repro`")
    found, expected = sha256_file(path), str(card["weights_sha256"])
    if found != expected:
        raise InputError(f"{path}: sha256 {found[:12]}, expected {expected[:12]} as its card says")
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: does not fit the network of its card ({one_line(error)})") from None
    return found
