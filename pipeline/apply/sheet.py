"""New images, and what the network makes of them before and after an edit."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from pipeline.apply.application import Application
from pipeline.drawing.palette import GAP, HEADER, HEADER_GAP, draw_grid, extent
from pipeline.drawing.sheet import MARGIN, Sheet, line_height, new_sheet, shortened, text_width, upscale
from pipeline.tables.images import to_pixels

__all__ = ["applied_sheet"]

MOST = 8  # images
_LABELS = ("image", "decoded z", "decoded T⁻¹(T(z))", "after the edit")


def applied_sheet(applied: Application, names: Sequence[str] | None, words: str | None) -> Sheet:
    """A column an image: of a network that draws, what it draws; of one that decides, its decisions; else its values.

    Args:
        applied: the images, and what came of them.
        names: of the classes; None: they go by their number.
        words: the edit, in words; None: there was none, and what follows from it is left out.
    """
    pixels, draws = applied.pixels, applied.outputs.ndim == 4
    num = min(MOST, len(pixels))
    results = [applied.outputs[:num], applied.outputs_back[:num]]
    if words is not None:
        results.append(applied.outputs_edited[:num])
    shown = [pixels[:num]] + ([to_pixels(result) for result in results] if draws else [])
    images = upscale(np.stack(shown), 128)
    height, width = images.shape[2:4]
    left = MARGIN + round(max(text_width(label, 9, "bold") for label in _LABELS)) + 40
    line = line_height(9)
    rows = len(shown) * (height + GAP) + HEADER_GAP if draws else height + HEADER_GAP + len(results) * line
    more = "" if num == len(pixels) else f" The first {num} of {len(pixels)} images are shown."
    what = "draws" if draws else "decides" if applied.decides else "gives"
    if what == "gives" and (size := applied.outputs.shape[1]) > 1:
        more += f" Of the {size} values of an image the first is shown."
    after = "" if words is None else f"; then with {words}"
    sheet = new_sheet(
        max(left + extent(num, width) + MARGIN, 900),
        rows,
        "New images" if words is None else "An edit of new images",
        f"What the frozen network {what} for each image, and after the map T and back{after}.{more}",
    )
    draw_grid(sheet, images[0][None], left, sheet.top, HEADER)
    sheet.text(_LABELS[0], MARGIN, sheet.top + height / 2, va="center", fontweight="bold")
    top = sheet.top + height + HEADER_GAP
    for number, result in enumerate(results, start=1):
        if draws:
            y = top + (number - 1) * (height + GAP)
            draw_grid(sheet, images[number][None], left, y)
            sheet.text(_LABELS[number], MARGIN, y + height / 2, va="center", fontweight="bold")
            continue
        y = top + (number - 1) * line
        first = "decision" if applied.decides else "value"
        sheet.text((first, "after T and T⁻¹", "after the edit")[number - 1], MARGIN, y, fontweight="bold")
        for column in range(num):
            changed = applied.decides and result[column].argmax() != applied.outputs[column].argmax()
            style = {"fontweight": "bold", "color": "#c9572f"} if changed else {}
            said = _decision(result[column], names) if applied.decides else _value(result[column])
            text = shortened(said, width + GAP - 4, 9, "bold")
            sheet.text(text, left + column * (width + GAP) + width / 2, y, ha="center", **style)
    return sheet


def _decision(logits: Tensor, names: Sequence[str] | None) -> str:
    """The decision, by its name where it has one."""
    decision = int(logits.argmax())
    return str(decision) if names is None else names[decision]


def _value(values: Tensor) -> str:
    """The first of them."""
    return f"{values[0]:.3g}".replace("-", "−")
