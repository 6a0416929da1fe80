"""A grid for each factor: every recipient (row) with that factor of every donor (column)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.edits import swap
from pipeline.interpret.grid import HEADER_GAP, draw_grid, extent
from pipeline.interpret.palette import HEADER, colour_of, kept_and_taken, tint, titled
from pipeline.interpret.sheet import MARGIN, Sheet, line_height, new_sheet, upscale
from pipeline.interpret.subject import Subject

__all__ = ["SwapGrid", "swap_grid", "swap_sheet"]


@dataclass(frozen=True)
class SwapGrid:
    """Images of one grid.

    Attributes:
        factor: what is swapped.
        recipients: images [R, H, W, 3], one a row.
        donors: images [D, H, W, 3], one a column.
        swapped: what the network draws [R, D, H, W, 3].
    """

    factor: str
    recipients: NDArray[np.uint8]
    donors: NDArray[np.uint8]
    swapped: NDArray[np.uint8]


def swap_grid(subject: Subject, factor: str, num_recipients: int, num_donors: int) -> SwapGrid:
    """Swap `factor` between every recipient and every donor."""
    recipients, donors = subject.recipients(num_recipients), subject.donors(factor, num_donors)
    to = subject.codes[recipients].repeat_interleave(len(donors), dim=0)
    given = subject.codes[donors].repeat(len(recipients), 1)
    pixels = subject.decode_codes(swap(to, given, subject.layout, factor), recipients.repeat(len(donors)))
    grid = pixels.reshape(len(recipients), len(donors), *pixels.shape[1:])
    return SwapGrid(factor, subject.pixels[recipients], subject.pixels[donors], grid)


def swap_sheet(subject: Subject, factor: str, num: int) -> Sheet:
    """The grid of `num` recipients and `num` donors, as one figure."""
    grid = swap_grid(subject, factor, num, num)
    recipients, donors, swapped = (upscale(images, 128) for images in (grid.recipients, grid.donors, grid.swapped))
    height, width = swapped.shape[2:4]
    kept, others, taken = kept_and_taken(subject.layout, factor)
    left, top = MARGIN + line_height(9) + 12, line_height(9) + 12
    inner_left, inner_top = left + width + HEADER_GAP, top + height + HEADER_GAP
    sheet = new_sheet(
        inner_left + extent(len(donors), width) + MARGIN,
        inner_top + extent(len(recipients), height),
        f"{titled(factor)} swapped",
        f"Each image keeps {kept} of the image at its left, and takes {taken} from the image above it. "
        f"{subject.shaded}; the frozen network draws the others.",
    )
    colour = colour_of(subject.layout, factor)
    draw_grid(sheet, donors[None], inner_left, sheet.top + top, tint(colour, 0.3))
    draw_grid(sheet, recipients[:, None], left, sheet.top + inner_top, HEADER)
    draw_grid(sheet, swapped, inner_left, sheet.top + inner_top)
    style = {"ha": "center", "va": "center", "fontweight": "bold"}
    middle = inner_left + extent(len(donors), width) / 2
    sheet.text(f"{taken} taken from these", middle, sheet.top + line_height(9) / 2, color=colour, **style)
    middle = sheet.top + inner_top + extent(len(recipients), height) / 2
    sheet.text(f"{others} kept from these", MARGIN + line_height(9) / 2 - 6, middle, rotation=90, **style)
    return sheet
