"""The images of a generator as a source: drawn block by block, named once, and drawn again when they are stored."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from pipeline.backbones import GeneratorSplit, open_generator
from pipeline.backbones.hooks import state_sha256
from pipeline.config import Params
from pipeline.data.sources.concept_columns import concepts_of
from pipeline.data.sources.stored import StoredImages
from pipeline.errors import InputError
from pipeline.generation.labeller import open_labeller
from pipeline.progress import Progress

__all__ = ["generated_source"]

BLOCK = 64  # images drawn at once: always the same ones together, so that an image is the same bits whoever asks


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
    split = open_generator(params.backbone, params.seed, device)
    label = open_labeller(section.labeller, device)
    before = state_sha256(split.network)
    progress, tables = Progress("draw", num, unit="image"), []
    draw = _drawer(split, num)
    for start in range(0, num, BLOCK):
        rows = np.arange(start, min(start + BLOCK, num))
        tables.append(label(np.stack(draw(rows))))
        progress.update(int(rows[-1]) + 1)
    if state_sha256(split.network) != before:
        raise InputError(f"backbone: the weights or buffers of '{params.backbone.network}' changed while it drew")
    table = pa.concat_tables(tables, promote_options="permissive")
    found = concepts_of(table, section.concepts, section.graded, {}, f"labeller {section.labeller}")
    return StoredImages(draw, found, None)


def _drawer(split: GeneratorSplit, num: int) -> Callable[[NDArray[np.int64]], Sequence[NDArray[np.uint8]]]:
    """Pixels [H, W, 3] of each original asked for; one block is in memory."""
    held: dict[int, NDArray[np.uint8]] = {}

    def block(number: int) -> NDArray[np.uint8]:
        if number not in held:
            held.clear()
            originals = np.arange(number * BLOCK, min((number + 1) * BLOCK, num))
            images = split.draw(split.prior(originals)).clamp(-1, 1)
            held[number] = ((images + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        return held[number]

    return lambda originals: [block(int(row) // BLOCK)[int(row) % BLOCK] for row in originals]
