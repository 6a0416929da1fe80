"""Words and colours for factors, and images in rows and columns, the same in every figure."""

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from numpy.typing import NDArray

from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.drawing.sheet import Sheet

__all__ = [
    "GAP",
    "HEADER",
    "HEADER_GAP",
    "TONES",
    "colour_of",
    "decimals",
    "draw_grid",
    "extent",
    "kept_and_taken",
    "spoken",
    "tint",
    "titled",
    "tone",
]

_GREY = "#858b96"
HEADER = "#e3e5e8"  # behind real images
_COLOURS = ("#2f66b3", "#c9572f", "#3b8a5a", "#7f56a8", "#a8842c", "#2b8c96", "#b04a78")
TONES = (_GREY, *_COLOURS)
GAP = 8  # pixels between images
HEADER_GAP = 36  # pixels between a header and the grid
_PAD = 8  # of the band around a header


def colour_of(layout: Layout, factor: str) -> str:
    """Grey for the residual, one colour a concept, repeated after seven."""
    return TONES[tone(layout.index(factor))]


def tone(number: int) -> int:
    """Which of `TONES` the factor of that number has: 0, grey, is the residual's alone."""
    return number and (number - 1) % len(_COLOURS) + 1


def tint(colour: str, share: float) -> str:
    """`colour` mixed with white; `share` of the colour is left."""
    return to_hex([1 - share * (1 - channel) for channel in to_rgb(colour)])


def spoken(name: str) -> str:
    """A column's name as words: `no_beard` is "no beard"."""
    return name.replace("_", " ")


def decimals(number: float) -> str:
    """Two decimals, with a minus sign rather than a hyphen."""
    return f"{number:.2f}".replace("-", "−")


def titled(name: str) -> str:
    """The same at the beginning of a sentence."""
    words = spoken(name)
    return words[:1].upper() + words[1:]


def kept_and_taken(layout: Layout, factor: str) -> tuple[str, str, str]:
    """What an edit of `factor` keeps, in full and in short, and what it changes, in words.

    Example:
        >>> kept_and_taken(Layout.of(["digit", "colour"], [2, 1, 1]), "digit")
        ('everything but the digit', 'everything else', 'the digit')
        >>> kept_and_taken(Layout.of(["digit", "colour"], [2, 1, 1]), "residual")
        ('the digit and the colour', 'the digit and the colour', 'everything else')
    """
    if factor == RESIDUAL:
        if len(layout.concepts) > 2:
            names = ", ".join(spoken(name) for name in layout.concepts)
            return f"all concepts ({names})", "all concepts", "everything else"
        kept = " and ".join(f"the {spoken(name)}" for name in layout.concepts)
        return kept, kept, "everything else"
    return f"everything but the {spoken(factor)}", "everything else", f"the {spoken(factor)}"


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
