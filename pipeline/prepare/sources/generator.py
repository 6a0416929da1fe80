"""The images of a generator as a source: drawn block by block, and named by a labeller."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from pipeline.backbone.callable_network import import_callable
from pipeline.backbone.generator import GeneratorCut, open_generator
from pipeline.backbone.hooks import state_sha256
from pipeline.backbone.kinds import holds_backbone, load_backbone
from pipeline.errors import InputError, a_type, one_line
from pipeline.judge.network import load_judge
from pipeline.params import Params
from pipeline.prepare.sources.concepts import concepts_of
from pipeline.prepare.sources.stored_images import StoredImages
from pipeline.progress import Progress
from pipeline.tables.images import to_pixels, to_unit_range

__all__ = ["Labeller", "generated_source", "open_labeller"]

BLOCK = 64  # images drawn at once: always the same ones together, so that an image is the same bits whoever asks
KEY = "data.labeller"

Labeller = Callable[[NDArray[np.uint8]], pa.Table]

Columns = Mapping[str, Any]

Namer = Callable[[torch.Tensor], Mapping[str, NDArray[Any]]]  # of images [B, 3, H, W] in [−1, 1]


def generated_source(params: Params) -> StoredImages:
    """As many images as `data.max_images` says, each of a draw from the prior, with the concepts that are named in it.

    Labels are in memory, images are not.

    Args:
        params: all sections; of kind and source generator.

    Raises:
        InputError: the generator or the labeller can't be opened, the labeller changes the generator or names no such
            concept.
    """
    section, num = params.data, params.data.max_images
    assert num is not None  # as its section has been checked
    assert section.labeller is not None
    device = "cuda" if torch.cuda.is_available() and params.machine.device != "cpu" else "cpu"
    decoder = open_generator(params.backbone, params.seed, device)
    label = open_labeller(section.labeller, device)
    before = state_sha256(decoder.network)
    progress, tables = Progress("draw", num, unit="image"), []
    draw = _drawer(decoder, num)
    for start in range(0, num, BLOCK):
        rows = np.arange(start, min(start + BLOCK, num))
        tables.append(label(np.stack(draw(rows))))
        progress.update(int(rows[-1]) + 1)
    if state_sha256(decoder.network) != before:
        raise InputError(f"backbone: the weights or buffers of '{params.backbone.network}' changed while it drew")
    table = pa.concat_tables(tables, promote_options="permissive")
    concepts = concepts_of(table, section.concepts, section.graded, {}, f"labeller {section.labeller}")
    return StoredImages(draw, concepts, None)


def _drawer(decoder: GeneratorCut, num: int) -> Callable[[NDArray[np.int64]], Sequence[NDArray[np.uint8]]]:
    """Pixels [H, W, 3] of each original asked for; one block is in memory."""
    held: dict[int, NDArray[np.uint8]] = {}

    def block(number: int) -> NDArray[np.uint8]:
        if number not in held:
            held.clear()
            originals = np.arange(number * BLOCK, min((number + 1) * BLOCK, num))
            held[number] = to_pixels(decoder.draw(decoder.prior(originals)))
        return held[number]

    return lambda originals: [block(int(row) // BLOCK)[int(row) % BLOCK] for row in originals]


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
        function = _network(folder, device)
    elif ":" in name:
        function = import_callable(name, KEY)
    else:
        raise InputError(f"{KEY}: found '{name}', which is no folder, expected package.module:callable or a folder")

    def label(pixels: NDArray[np.uint8]) -> pa.Table:
        return _table(function(pixels), len(pixels), name)

    return label


def _network(folder: Path, device: str) -> Callable[[NDArray[np.uint8]], Columns]:
    """What a trained network names: a backbone its one concept, a judge each of its study's."""
    names = _backbone(folder, device) if holds_backbone(folder) else _judge(folder, device)

    def label(pixels: NDArray[np.uint8]) -> Columns:
        """Classes as they are; a value of several components is one column each, `<concept>_0` and on."""
        columns: dict[str, NDArray[Any]] = {}
        for concept, answers in names(to_unit_range(pixels)).items():
            if answers.ndim == 1:
                columns[concept] = answers
            elif answers.shape[1] == 1:
                columns[concept] = answers[:, 0]
            else:
                columns |= {f"{concept}_{number}": answers[:, number] for number in range(answers.shape[1])}
        return columns

    return label


def _backbone(folder: Path, device: str) -> Namer:
    backbone = load_backbone(folder, device)
    if not backbone.names_concept:
        raise InputError(f"{KEY}: {folder} holds a network of kind '{backbone.card['kind']}' that names no concept")
    return backbone.name


def _judge(folder: Path, device: str) -> Namer:
    judge = load_judge(folder, device)
    if judge is None:
        raise InputError(f"{KEY}: {folder} holds no judge, as its study needed none")
    return judge.name


def _table(columns: Any, num: int, name: str) -> pa.Table:
    if not isinstance(columns, Mapping) or not columns:
        raise InputError(f"{KEY}: {name} returned {a_type(columns)}, expected a mapping of concepts to columns")
    arrays = {}
    for concept, column in columns.items():
        values = column.detach().cpu().numpy() if isinstance(column, torch.Tensor) else column
        try:
            arrays[str(concept)] = pa.array(values, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InputError(
                f"{KEY}: column '{concept}' of {name} is no list of values ({one_line(error, 150)})"
            ) from None
        if len(arrays[str(concept)]) != num:
            raise InputError(
                f"{KEY}: column '{concept}' of {name} has {len(arrays[str(concept)])} entries for {num} images"
            )
    return pa.table(arrays)
