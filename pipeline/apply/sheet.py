"""New images, and what the network makes of them before and after an edit."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.drawing.palette import GAP, HEADER, HEADER_GAP, draw_grid, extent
from pipeline.drawing.sheet import MARGIN, Sheet, line_height, new_sheet, shortened, text_width, upscale

__all__ = ["applied_sheet"]

MOST = 8  # images

_LABELS = ("image", "decoded z", "decoded T⁻¹(T(z))", "after the edit")


def applied_sheet(
    pixels: NDArray[np.uint8],
    outputs: NDArray[np.float32],
    back: NDArray[np.float32],
    edited: NDArray[np.float32],
    names: Sequence[str] | None = None,
    edit: str | None = None,
) -> Sheet:
    """A column an image: of a network that draws, what it draws; of one that decides, its decisions.

    Args:
        pixels: [n, H, W, 3].
        outputs: of the untouched network, images [n, 3, H, W] in [−1, 1] or logits [n, classes].
        back: after T and T⁻¹, of the same shape.
        edited: after the edit, of the same shape.
        names: of the classes; None: they go by their number.
        edit: what was done, in words; None: nothing, and what follows from it is left out.
    """
    num = min(MOST, len(pixels))
    draws = outputs.ndim == 4
    results = (outputs, back) if edit is None else (outputs, back, edited)
    shown = [pixels[:num]] + ([_pixels(of[:num]) for of in results] if draws else [])
    images = upscale(np.stack(shown), 128)
    height, width = images.shape[2:4]
    left = MARGIN + round(max(text_width(label, 9, "bold") for label in _LABELS)) + 40
    line = line_height(9)
    rows = len(shown) * (height + GAP) + HEADER_GAP if draws else height + HEADER_GAP + len(results) * line
    more = "" if num == len(pixels) else f" The first {num} of {len(pixels)} images are shown."
    what = "draws" if draws else "decides"
    after = "" if edit is None else f"; then with {edit}"
    sheet = new_sheet(
        max(left + extent(num, width) + MARGIN, 900),
        rows,
        "New images" if edit is None else "An edit of new images",
        f"What the frozen network {what} for each image, and after the map T and back{after}.{more}",
    )
    draw_grid(sheet, images[0][None], left, sheet.top, HEADER)
    sheet.text(_LABELS[0], MARGIN, sheet.top + height / 2, va="center", fontweight="bold")
    top = sheet.top + height + HEADER_GAP
    for number, of in enumerate(results, start=1):
        if draws:
            y = top + (number - 1) * (height + GAP)
            draw_grid(sheet, images[number][None], left, y)
            sheet.text(_LABELS[number], MARGIN, y + height / 2, va="center", fontweight="bold")
            continue
        y = top + (number - 1) * line
        sheet.text(("decision", "after T and T⁻¹", "after the edit")[number - 1], MARGIN, y, fontweight="bold")
        for column in range(num):
            found, before = int(of[column].argmax()), int(outputs[column].argmax())
            style = {"fontweight": "bold", "color": "#c9572f"} if found != before else {}
            called = str(found) if names is None else shortened(names[found], width + GAP - 4, 9, "bold")
            sheet.text(called, left + column * (width + GAP) + width / 2, y, ha="center", **style)
    return sheet


def _pixels(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Images [n, 3, H, W] in [−1, 1] as pixels [n, H, W, 3]."""
    found: NDArray[np.uint8] = np.rint((images.clip(-1, 1) + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
    return found
