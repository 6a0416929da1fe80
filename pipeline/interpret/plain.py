"""Figures of a map without a concept: what it draws at random, and the directions of the code that change most."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import RESIDUAL
from pipeline.drawing.palette import GAP, HEADER, HEADER_GAP, decimals, draw_grid, extent
from pipeline.drawing.sheet import MARGIN, MUTED, Sheet, line_height, new_sheet, text_width, upscale
from pipeline.interpret.directions import STEP, Effort, leading_directions, outputs_of
from pipeline.interpret.subject import Subject
from pipeline.interpretation.edits import move

__all__ = ["Leading", "directions_sheet", "drawn_sheet", "leading"]

_DRAWN_ROWS = 6
_SHOWN = 6  # directions
_DRAWS = 3  # of images, by which it is told how far the directions are those of any images
_IMAGES = 200
_THOROUGH = Effort(tried=64, outputs=2 * 64 * _IMAGES)
_AMOUNTS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
_RECIPIENTS = 2


def drawn_sheet(subject: Subject, columns: int) -> Sheet:
    """What the network draws of the same random numbers, taken for a code at the left and for z at the right."""
    half = max(2, columns // 2 + 1)
    num = _DRAWN_ROWS * half
    rng = np.random.default_rng(draw_seed(subject.seed, "interpret/drawn"))
    numbers = torch.from_numpy(rng.standard_normal((num, subject.layout.num_dims), dtype=np.float32))
    recipients = np.resize(subject.recipients(num), num)
    panels = {
        "G(T⁻¹(z̃)), z̃ from N(0, 1)": subject.draw_codes(numbers, recipients),
        "G(z), z from N(0, 1)": subject.draw_latents(numbers, recipients),
    }
    grids = [upscale(pixels, 96).reshape(_DRAWN_ROWS, half, *_tile(pixels, 96)) for pixels in panels.values()]
    height, width = grids[0].shape[2:4]
    top, panel = line_height(9) + 14, extent(half, width)
    sheet = new_sheet(
        2 * MARGIN + 2 * panel + 2 * HEADER_GAP,
        top + extent(_DRAWN_ROWS, height),
        "Drawn at random, with the map and without it",
        "Left: random numbers are taken for codes and mapped back by T⁻¹. Right: the same numbers are taken for the "
        "vector z itself. The frozen network draws both. Images at the left should be as varied as real ones, and as "
        "whole; what is broken at the right is the gap between N(0, 1) and the vectors that the network knows.",
    )
    for number, (label, grid) in enumerate(zip(panels, grids, strict=True)):
        left = MARGIN + number * (panel + 2 * HEADER_GAP)
        sheet.text(label, left, sheet.top - 4, fontweight="bold")
        draw_grid(sheet, grid, left, sheet.top + top)
    return sheet


def _tile(pixels: NDArray[np.uint8], target: int) -> tuple[int, ...]:
    return tuple(upscale(pixels[:1], target).shape[1:])


@dataclass(frozen=True, eq=False)
class Leading:
    """Directions of the whole code along which the output changes most.

    Attributes:
        directions: unit vectors [k, N], the one that changes most first.
        changes: how far the output moves by a step of 1 along each [k], in shares of the first.
        agreement: |cosine| of each with that of the same rank from other images [k], mean over the other draws.
        over_trainings: the same of other trainings of the map [k, m], m of them. Codes of two maps have no common axes;
            so it is that of how the outputs of all images change by a step along each.
        images: how many the mean is over.
    """

    directions: Tensor
    changes: NDArray[np.float64]
    agreement: NDArray[np.float64]
    over_trainings: NDArray[np.float64]
    images: int


@torch.no_grad()
def leading(subject: Subject, num: int) -> Leading:
    """The leading eigenvectors of the mean of JᵀJ, J the Jacobian of G∘T⁻¹, over 200 test images; three times.

    The first of three draws of images gives the directions, the others say how far they depend on it.
    """
    draws = [
        np.random.default_rng(draw_seed(subject.seed, "interpret/directions", number)).permutation(
            len(subject.rows.images)
        )[:_IMAGES]
        for number in range(_DRAWS)
    ]
    own, *from_others = (_leading_by(subject, rows, num) for rows in draws)
    alike = [(own * other).sum(dim=1).abs() for other in from_others]
    rows = draws[0]
    trainings = [replace(subject, rows=other) for other in subject.others]
    of_trainings = [_leading_by(training, rows, num) for training in trainings]
    lengths, over_trainings = [], []
    for rank, along in enumerate(own):
        moved = _moved(subject, rows, along)
        lengths.append(float(moved.square().sum(dim=1).mean().sqrt()))
        others = zip(trainings, of_trainings, strict=True)
        over_trainings.append([_alike(moved, _moved(training, rows, found[rank])) for training, found in others])
    return Leading(
        own,
        np.array(lengths) / max(lengths[0], np.finfo(np.float64).tiny),
        torch.stack(alike).mean(dim=0).double().numpy(),
        np.array(over_trainings),
        len(rows),
    )


def _leading_by(subject: Subject, rows: NDArray[np.int64], num: int) -> Tensor:
    """The leading directions [k, N] from some rows."""
    codes = subject.rows.codes[rows]
    return leading_directions(outputs_of(subject, rows), codes, subject.layout, num, _THOROUGH)[RESIDUAL]


def _moved(subject: Subject, rows: NDArray[np.int64], along: Tensor) -> Tensor:
    """How the output of each row changes [n, …] from a step against a direction [N] to one along it."""
    outputs, codes, recipients = outputs_of(subject, rows), subject.rows.codes[rows], np.arange(len(rows))
    return (outputs(codes + STEP * along, recipients) - outputs(codes - STEP * along, recipients)).flatten(1)


def _alike(one: Tensor, other: Tensor) -> float:
    """|Cosine| of two changes of all rows, as a direction has no sign of its own."""
    return abs(float(torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0)))


def directions_sheet(subject: Subject) -> Sheet:
    """A row a direction: two images, each moved along it by −3 to 3 standard deviations of N(0, 1)."""
    of = leading(subject, _SHOWN)
    rows = subject.recipients(_RECIPIENTS)
    images = []
    for one in of.directions:
        codes = [subject.edited(rows, move(RESIDUAL, one, amount)) for amount in _AMOUNTS]
        flat = torch.stack(codes, dim=1).flatten(0, 1)
        pixels = upscale(subject.draw_codes(flat, rows.repeat(len(_AMOUNTS))), 96)
        images.append(pixels.reshape(len(rows), len(_AMOUNTS), *pixels.shape[1:]))
    height, width = images[0].shape[2:4]
    labels = [(f"direction {rank + 1}", *_said(of, rank)) for rank in range(len(of.directions))]
    left = MARGIN + round(max(text_width(line, 7.5) for _, *lines in labels for line in lines)) + 30
    panel, top = extent(len(_AMOUNTS), width), line_height(9) + 14
    sheet = new_sheet(
        left + len(rows) * panel + (len(rows) - 1) * HEADER_GAP + MARGIN,
        top + extent(len(labels), height),
        "The directions of the code that change the output most",
        f"Each row moves {len(rows)} test images along one direction of the code; the columns of 0 are as the network "
        f"draws them. Directions: the leading eigenvectors of JᵀJ, J the Jacobian of G∘T⁻¹, averaged over {of.images} "
        "test images. Change: how far the output moves by a step, in shares of the first. Agreement: how alike the "
        "direction is to that of the same rank from other images (1 the same, 0 at right angles), mean of two draws; "
        "directions of nearly equal change may trade places." + _over_trainings(of),
    )
    for number, grid in enumerate(images):
        y = sheet.top + top + number * (height + GAP)
        for place, line in enumerate(grid):
            draw_grid(sheet, line[None], left + place * (panel + HEADER_GAP), y)
        sheet.text(labels[number][0], MARGIN, y + height / 2 - 2, va="bottom", fontweight="bold")
        for line, said in enumerate(labels[number][1:]):
            sheet.text(said, MARGIN, y + height / 2 + 4 + line * line_height(7.5), color=MUTED, fontsize=7.5)
    for place in range(len(rows)):
        for column, amount in enumerate(_AMOUNTS):
            x = left + place * (panel + HEADER_GAP) + column * (width + GAP) + width / 2
            said = "0" if not amount else f"{amount:+.0f}".replace("-", "−")
            sheet.text(said, x, sheet.top + line_height(9) / 2 - 4, ha="center", va="center", fontweight="bold")
            if not amount:
                band = extent(len(labels), height) + GAP
                sheet.box(x - width / 2 - GAP / 2, sheet.top + top - GAP / 2, width + GAP, band, HEADER)
    return sheet


def _said(of: Leading, rank: int) -> list[str]:
    """The lines below a direction's name."""
    lines = [f"change {decimals(of.changes[rank])}, agreement {decimals(of.agreement[rank])}"]
    if of.over_trainings.size:
        lines.append(f"agreement over trainings {decimals(of.over_trainings[rank].mean())}")
    return lines


def _over_trainings(of: Leading) -> str:
    """What the legend says of other trainings, where there are any."""
    if not of.over_trainings.size:
        return ""
    return (
        f" Agreement over trainings: how alike the changes of the output are by a step along the direction of the same "
        f"rank in another training of the map, mean of {of.over_trainings.shape[1]}."
    )
