"""Draw the project's sketches anew: `python -m pipeline.stylise.draw [FOLDER]`, by default concepts/roundness.

The paper's pair for roundness: many straight lines (a.png) and many circles (b.png), coloured, on white. They are to
differ in shape alone. So both take the same hues in turn, until as much of the paper is inked. Circles are filled: of
rings the style model makes short strokes, which nobody tells from lines at 32 pixels; of filled ones, round blots.
"""

import colorsys
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.files import atomic_file

__all__ = ["INK", "draw", "inked"]

SIDE, FINER = 512, 4  # pixels; drawn so many times as large, so that edges are smooth
INK = 0.42  # share of the paper
HUES = 12
WIDTH = 6  # pixels of a line
LENGTHS, RADII = (60, 160), (8, 14)  # pixels, of lines and circles

Stroke = Callable[[ImageDraw.ImageDraw, np.random.Generator, str], None]


def draw(stroke: Stroke, seed: int = 0) -> Image.Image:
    """Strokes in all hues in turn, until the share `INK` of the paper is inked."""
    rng = np.random.default_rng(seed)
    paper = Image.new("RGB", (SIDE * FINER, SIDE * FINER), "white")
    pen = ImageDraw.Draw(paper)
    while inked(sketch := paper.resize((SIDE, SIDE), Image.Resampling.LANCZOS)) < INK:
        for hue in range(HUES):
            levels = colorsys.hsv_to_rgb(hue / HUES, 0.85, 0.85)
            stroke(pen, rng, "#" + "".join(f"{round(255 * level):02x}" for level in levels))
    return sketch


def inked(sketch: Image.Image) -> float:
    """Share of the paper that is not white."""
    pixels: NDArray[np.uint8] = np.asarray(sketch)
    return float((pixels.min(axis=-1) < 230).mean())


def line(pen: ImageDraw.ImageDraw, rng: np.random.Generator, colour: str) -> None:
    """A straight stroke anywhere, in any direction."""
    (x, y), half = rng.uniform(0, SIDE * FINER, 2), rng.uniform(*LENGTHS) * FINER / 2
    angle = rng.uniform(0, math.pi)
    dx, dy = half * math.cos(angle), half * math.sin(angle)
    pen.line((x - dx, y - dy, x + dx, y + dy), fill=colour, width=WIDTH * FINER)


def circle(pen: ImageDraw.ImageDraw, rng: np.random.Generator, colour: str) -> None:
    """A filled circle anywhere."""
    (x, y), radius = rng.uniform(0, SIDE * FINER, 2), rng.uniform(*RADII) * FINER
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def main() -> None:
    """Write both pictures."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "concepts/roundness")
    folder.mkdir(parents=True, exist_ok=True)
    for name, stroke in {"a.png": line, "b.png": circle}.items():
        with atomic_file(folder / name) as beside:
            draw(stroke).save(beside, "PNG", optimize=True)


if __name__ == "__main__":
    main()
