"""What names the concepts of drawn images: any callable, or a judge or classifier that was trained here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from pipeline.backbones import load_backbone, load_judge
from pipeline.backbones.opening import import_callable
from pipeline.data import to_unit_range
from pipeline.errors import InputError
from pipeline.files import read_json
from pipeline.weights import CARD

__all__ = ["Labeller", "open_labeller"]

KEY = "data.labeller"
Labeller = Callable[[NDArray[np.uint8]], pa.Table]
Columns = Mapping[str, Any]


def open_labeller(name: str, device: str) -> Labeller:
    """From pixels [B, H, W, 3] to a table of B rows, one column a concept.

    Args:
        name: `package.module:callable`, which returns a mapping from concepts to columns; or the folder of a trained
            judge (`models/judge` of another study), or of a classifier of a concept (`models/backbone`).
        device: where a judge or classifier runs.

    Raises:
        InputError: there is no such callable or folder, or that holds no network that names concepts; and when it is
            called, it returns anything else than columns of as many entries as there are images.
    """
    folder = Path(name)
    if folder.is_dir():
        function = _judge(folder, device) if "heads" in read_json(folder / CARD) else _classifier(folder, device)
    elif ":" in name:
        function = import_callable(name, KEY)
    else:
        raise InputError(f"{KEY}: found '{name}', which is no folder, expected package.module:callable or a folder")

    def label(pixels: NDArray[np.uint8]) -> pa.Table:
        return _table(function(pixels), len(pixels), name)

    return label


def _judge(folder: Path, device: str) -> Callable[[NDArray[np.uint8]], Columns]:
    judge = load_judge(folder, device)
    if judge is None:
        raise InputError(f"{KEY}: {folder} holds no judge, as its study needed none")

    def name(pixels: NDArray[np.uint8]) -> Columns:
        """Classes as they are; a value of several components is one column each, `<concept>_0` and on."""
        columns: dict[str, Any] = {}
        for concept, found in judge.name(to_unit_range(pixels)).items():
            if concept not in judge.values:
                columns[concept] = found
            elif found.shape[1] == 1:
                columns[concept] = found[:, 0]
            else:
                columns |= {f"{concept}_{number}": found[:, number] for number in range(found.shape[1])}
        return columns

    return name


def _classifier(folder: Path, device: str) -> Callable[[NDArray[np.uint8]], Columns]:
    backbone = load_backbone(folder, device)
    concept = backbone.concept
    if backbone.draws_images or concept is None:
        raise InputError(f"{KEY}: {folder} holds a network of kind '{backbone.card['kind']}' that names no concept")
    return lambda pixels: {concept: backbone.run(to_unit_range(pixels)).argmax(dim=1).cpu().numpy()}


def _table(columns: Any, num: int, name: str) -> pa.Table:
    if not isinstance(columns, Mapping) or not columns:
        raise InputError(
            f"{KEY}: {name} returned a {type(columns).__name__}, expected a mapping of concepts to columns"
        )
    arrays = {}
    for concept, column in columns.items():
        values = column.detach().cpu().numpy() if isinstance(column, torch.Tensor) else column
        try:
            arrays[str(concept)] = pa.array(values, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError) as error:
            line = " ".join(str(error).split())[:150]
            raise InputError(f"{KEY}: column '{concept}' of {name} is no list of values ({line})") from None
        if len(arrays[str(concept)]) != num:
            raise InputError(
                f"{KEY}: column '{concept}' of {name} has {len(arrays[str(concept)])} entries for {num} images"
            )
    return pa.table(arrays)
