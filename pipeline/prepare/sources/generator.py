"""The images of a generator as a source: drawn block by block, and named by a labeller."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from pipeline.basis.weights import CARD
from pipeline.errors import InputError, a_type, one_line
from pipeline.inputs.modules import raised
from pipeline.judge.network import load_judge
from pipeline.params import Params
from pipeline.prepare.sources.concepts import Concepts, concepts_of
from pipeline.prepare.sources.stored_images import Membership, StoredImages
from pipeline.progress import Progress
from pipeline.tables.images import to_pixels, to_unit_range

__all__ = ["Labeller", "generated_source", "open_labeller"]

BLOCK = 64  # images drawn at once: always the same ones together, so that an image is the same bits whoever asks
KEY = "data.labeller"

Namer = Callable[[torch.Tensor], Mapping[str, NDArray[Any]]]  # of images [B, 3, H, W] in [−1, 1]


@dataclass(frozen=True)
class Labeller:
    """What names the concepts of an image.

    Attributes:
        name: as params.yaml has it.
        function: from pixels [B, H, W, 3] uint8 to a mapping from each concept to its column: a list, an array or a
            tensor of B booleans, integers or strings (classes), or floats (values).
        class_names: concept → names of its classes in their order, where they are known.
    """

    name: str
    function: Callable[[NDArray[np.uint8]], Any]
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __call__(self, pixels: NDArray[np.uint8]) -> pa.Table:
        """A table of B rows, one column a concept.

        Raises:
            InputError: the function raises something, or returns anything else than such columns.
        """
        try:
            columns = self.function(pixels)
        except InputError:
            raise
        except Exception as error:  # whatever a person's own code raises
            raise InputError(f"{KEY}: {self.name} raised {raised(error)}") from None
        return _table(columns, len(pixels), self.name)


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
    device = "cuda" if torch.cuda.is_available() and params.machine.device != "cpu" else "cpu"
    decoder = open_generator(params.backbone, params.seed, device)
    draw = _drawer(decoder, num)
    if section.labeller is None:
        return StoredImages(draw, Concepts({}, {}, {}, {}), None, membership=Membership(np.arange(num)))
    label = open_labeller(section.labeller, device)
    before = state_sha256(decoder.network)
    progress, tables = Progress("draw", num, unit="image"), []
    for start in range(0, num, BLOCK):
        rows = np.arange(start, min(start + BLOCK, num))
        tables.append(label(np.stack(draw(rows))))
        progress.update(int(rows[-1]) + 1)
    if state_sha256(decoder.network) != before:
        raise InputError(f"backbone: the weights or buffers of '{params.backbone.network}' changed while it drew")
    table = pa.concat_tables(tables, promote_options="permissive")
    named = section.concepts or table.column_names
    concepts = concepts_of(table, named, section.graded, label.class_names, f"labeller {section.labeller}")
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
    """What `data.labeller` names.

    Args:
        name: `package.module:callable`, as `Labeller.function`; or the folder of a trained judge (`models/judge` of
            another study), or of a classifier of a concept (`models/backbone`).
        device: where a judge or classifier runs.

    Raises:
        InputError: there is no such callable or folder, or that holds no network that names concepts.
    """
    folder = Path(name)
    if folder.is_dir():
        return _network(name, folder, device)
    if ":" in name:
        return Labeller(name, import_callable(name, KEY))
    raise InputError(f"{KEY}: found '{name}', which is no folder, expected package.module:callable or a folder")


def _network(key: str, folder: Path, device: str) -> Labeller:
    """What a trained network names: a backbone its one concept, a judge each of its study's."""
    if not (folder / CARD).is_file():
        around = sorted({card.parent for depth in ("*", "*/*") for card in folder.glob(f"{depth}/{CARD}")})
        hint = f"; found {' and '.join(map(str, around))}" if around else ""
        raise InputError(f"{KEY}: {folder} holds no {CARD}, expected the folder of a judge or a classifier{hint}")
    try:
        names, class_names = (_backbone if holds_backbone(folder) else _judge)(folder, device)
    except InputError as error:
        raise InputError(f"{KEY}: {error}") from None

    def label(pixels: NDArray[np.uint8]) -> Mapping[str, Any]:
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

    return Labeller(key, label, class_names)


def _backbone(folder: Path, device: str) -> tuple[Namer, Mapping[str, Sequence[str]]]:
    """What names an image, and what the classes are called."""
    backbone = load_backbone(folder, device)
    if not backbone.names_concept:
        raise InputError(f"{folder} holds a network of kind '{backbone.card['kind']}' that names no concept")
    names = backbone.class_names
    return backbone.name, {} if names is None else {str(backbone.concept): names}


def _judge(folder: Path, device: str) -> tuple[Namer, Mapping[str, Sequence[str]]]:
    """The same of a judge."""
    judge = load_judge(folder, device)
    if judge is None:
        raise InputError(f"{folder} holds no judge, as its study needed none")
    return judge.name, judge.class_names


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
