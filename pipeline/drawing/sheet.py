"""A sheet to draw on in whole pixels: images go on it crisp, text is wrapped by its measured width.

Figures are `Figure` objects with the Agg canvas; nothing here touches pyplot's global state. Fonts, resolution and
every style setting are fixed and no metadata is written, so that equal figures are equal bytes.
"""

import functools
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray

from pipeline.drawing.fonts import fonts_for
from pipeline.files import write_atomic

__all__ = [
    "CAPTION",
    "INK",
    "MARGIN",
    "MUTED",
    "Sheet",
    "house_style",
    "line_height",
    "new_sheet",
    "shortened",
    "text_width",
    "upscale",
]

DPI = 200
INK, MUTED = "#1f2430", "#5b6270"
MARGIN = 48  # pixels, on all sides
TITLE, CAPTION = 13.0, 9.0  # points

_STYLE = {
    "text.parse_math": False,  # a price in dollars is no mathematics
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#b9bec7",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": "#b9bec7",
    "ytick.color": "#b9bec7",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Sheet:
    """A figure whose coordinates are pixels from its left and top edge.

    Attributes:
        figure: holds everything that was drawn.
        width, height: in pixels.
        top: where the room below title and caption begins.
    """

    figure: Figure
    width: int
    height: int
    top: int

    def image(self, pixels: NDArray[np.uint8], left: int, top: int) -> None:
        """Put pixels [h, w, 3] on the sheet, one to one."""
        self.figure.figimage(pixels, left, self.height - top - pixels.shape[0], origin="upper")

    def text(self, text: str, left: float, top: float, **style: Any) -> None:
        """Write one line; by default `left` and `top` are its left and top edge."""
        style = {"ha": "left", "va": "top", "fontsize": CAPTION, **style}
        self.figure.text(left, self.height - top, text, transform=IdentityTransform(), **style)

    def box(self, left: float, top: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle, behind everything else."""
        corner = (left, self.height - top - height)
        patch = Rectangle(corner, width, height, color=colour, lw=0, zorder=-1, transform=IdentityTransform())
        self.figure.add_artist(patch)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes whose frame is this rectangle; their labels lie outside."""
        bottom = self.height - top - height
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))

    def save(self, path: Path) -> None:
        """Write a PNG without metadata."""
        buffer = BytesIO()
        self.figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        write_atomic(path, buffer.getvalue())


def new_sheet(width: int, body: int, title: str, caption: str) -> Sheet:
    """A sheet `width` pixels wide, with a title, a caption and `body` pixels of height below them, and margins."""
    room = width - 2 * MARGIN
    titles, captions = wrap(title, room, TITLE, "bold"), wrap(caption, room, CAPTION)
    top = MARGIN + len(titles) * line_height(TITLE) + 8 + len(captions) * line_height(CAPTION) + 28
    height = top + body + MARGIN
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    sheet = Sheet(figure, width, height, top)
    y = MARGIN
    for line in titles:
        sheet.text(line, MARGIN, y, fontsize=TITLE, fontweight="bold")
        y += line_height(TITLE)
    y += 8
    for line in captions:
        sheet.text(line, MARGIN, y, color=MUTED)
        y += line_height(CAPTION)
    return sheet


@contextmanager
def house_style(names: Iterable[str] = ()) -> Iterator[None]:
    """Matplotlib's defaults and ours, whatever the user's own settings are; they are back when the block ends.

    Args:
        names: all texts that a picture may show and that a person has chosen, for which fonts are looked up.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")  # said in a line of ours
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE | {"font.family": fonts_for(names)})
        yield


def upscale(pixels: NDArray[np.uint8], target: int) -> NDArray[np.uint8]:
    """Repeat the pixels of images [..., H, W, 3] by the whole number that brings H nearest to `target`, at least 1."""
    factor = max(1, round(target / pixels.shape[-3]))
    return pixels.repeat(factor, axis=-3).repeat(factor, axis=-2)


def line_height(points: float) -> int:
    """Pixels from one line of text to the next."""
    return round(1.4 * points * DPI / 72)


def text_width(text: str, points: float, weight: str = "normal") -> float:
    """Width of a line of text in pixels."""
    return _text_width(text, points, weight, tuple(matplotlib.rcParams["font.family"]))


@functools.cache
def _text_width(text: str, points: float, weight: str, families: tuple[str, ...]) -> float:
    font = FontProperties(family=list(families), size=points, weight=weight)
    width, _, _ = RendererAgg(1, 1, DPI).get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def shortened(text: str, width: float, points: float, weight: str = "normal") -> str:
    """A text, cut and ended by … where it is wider than so many pixels."""
    if text_width(text, points, weight) <= width:
        return text
    kept = next((n for n in range(len(text) - 1, 0, -1) if text_width(f"{text[:n]}…", points, weight) <= width), 0)
    return f"{text[:kept]}…"


def wrap(text: str, width: float, points: float, weight: str = "normal") -> list[str]:
    """Break a text between words into lines of at most `width` pixels."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, points, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
