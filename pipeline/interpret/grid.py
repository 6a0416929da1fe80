"""Images in rows and columns, with headers that no one takes for a part of the grid."""

import numpy as np
from numpy.typing import NDArray

from pipeline.interpret.sheet import Sheet

__all__ = ["GAP", "HEADER_GAP", "draw_grid", "extent"]

GAP = 8  # pixels between images
HEADER_GAP = 36  # pixels between a header and the grid
_PAD = 8  # of the band around a header


def draw_grid(sheet: Sheet, pixels: NDArray[np.uint8], left: int, top: int, band: str | None = None) -> None:
    """Put images [rows, columns, h, w, 3] on the sheet; `band` is the colour behind them, where they are a header."""
    rows, columns, height, width = pixels.shape[:4]
    if band is not None:
        outer_width, outer_height = extent(columns, width) + 2 * _PAD, extent(rows, height) + 2 * _PAD
        sheet.box(left - _PAD, top - _PAD, outer_width, outer_height, band)
    for row in range(rows):
        for column in range(columns):
            sheet.image(pixels[row, column], left + column * (width + GAP), top + row * (height + GAP))


def extent(num: int, size: int) -> int:
    """Pixels that `num` images of `size` pixels take, with the gaps between them."""
    return num * (size + GAP) - GAP
