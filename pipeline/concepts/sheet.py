"""Candidates as a person sees them: a row of test images for each class."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.basis.draws import draw_seed
from pipeline.concepts.candidates import Candidate
from pipeline.drawing.palette import GAP, decimals, draw_grid, extent
from pipeline.drawing.sheet import MARGIN, MUTED, Sheet, line_height, new_sheet, text_width, upscale

__all__ = ["candidate_sheet", "said"]

_SHOWN = 14  # images of a class
_SMALL = 7.5


def said(candidate: Candidate) -> str:
    """How far a candidate is to be trusted, in words."""
    agreement, gain = f"agreement when found anew {decimals(candidate.agreement)}", candidate.gain
    if gain is None:
        return agreement
    return f"{agreement}, {abs(gain):.1f} nats an image {'better' if gain > 0 else 'worse'} than one Gaussian"


def candidate_sheet(
    candidates: Sequence[Candidate],
    labels: Mapping[str, NDArray[np.int64]],
    pixels: NDArray[np.uint8],
    part: str,
    seed: int,
) -> Sheet:
    """A block a candidate, in it a row a class.

    Args:
        candidates: in their order.
        labels: candidate → classes of the images [n].
        pixels: test images [n, H, W, 3].
        part: of the code, in words.
        seed: of the choice of images.
    """
    images = upscale(pixels, 64)
    height, width = images.shape[1:3]
    line, head = line_height(_SMALL), line_height(9) + 8
    counts = {one.name: np.bincount(labels[one.name], minlength=len(one.names)) for one in candidates}
    texts = {
        one.name: [f"{called}: {count}" for called, count in zip(one.names, counts[one.name], strict=True)]
        for one in candidates
    }
    left = MARGIN + round(max(text_width(text, _SMALL) for rows in texts.values() for text in rows)) + 24
    blocks = [head + len(one.names) * (height + GAP) + 28 for one in candidates]
    sheet = new_sheet(
        max(left + extent(_SHOWN, width) + MARGIN, 1300),
        sum(blocks) - 28,
        "What might be a concept",
        f"Candidates in {part}, found without a label. A row is a class with its number of test images and some of "
        "them, drawn at random. Agreement: how far the same classes come out when they are found anew from other "
        "images, 0 by chance, 1 always. If the images of a row have something in common, name it.",
    )
    top = sheet.top
    for candidate, block in zip(candidates, blocks, strict=True):
        sheet.text(candidate.name, MARGIN, top, fontweight="bold")
        beside = MARGIN + text_width(candidate.name, 9, "bold") + 24
        sheet.text(said(candidate), beside, top + 4, color=MUTED, fontsize=_SMALL)
        for number, text in enumerate(texts[candidate.name]):
            y = top + head + number * (height + GAP)
            sheet.text(text, MARGIN, y + (height - line) / 2, fontsize=_SMALL)
            members = np.flatnonzero(labels[candidate.name] == number)
            drawn = np.random.default_rng(draw_seed(seed, f"concepts/{candidate.name}", number)).permutation(members)
            if len(drawn):
                draw_grid(sheet, images[drawn[:_SHOWN]][None], left, y)
        top += block
    return sheet
