"""Straight lines between two images: in the code, mapped back, and in the latent itself."""

import numpy as np

from pipeline.edits import path
from pipeline.interpret.grid import GAP, HEADER_GAP, draw_grid, extent
from pipeline.interpret.palette import HEADER
from pipeline.interpret.sheet import MARGIN, Sheet, line_height, new_sheet, text_width, upscale
from pipeline.interpret.subject import Subject

__all__ = ["path_sheet"]

_NUM_PAIRS = 4
_LABELS = ("line in the code", "line in z")


def path_sheet(subject: Subject, num_steps: int) -> Sheet:
    """Four pairs of images, two rows a pair: the line in the code above, the line in z below."""
    rows = subject.choose(list(subject.targets), 2 * _NUM_PAIRS, "interpret/pairs")
    pairs = rows[: len(rows) // 2 * 2].reshape(-1, 2)
    lines = []
    for a, b in pairs:
        recipient = np.repeat(a, num_steps)
        in_code = subject.decode_codes(path(subject.codes[a], subject.codes[b], num_steps), recipient)
        in_latent = subject.decode_latents(path(subject.latents[a], subject.latents[b], num_steps), recipient)
        lines.append([in_code, in_latent])
    pixels = upscale(np.array(lines), 128)
    ends = upscale(subject.pixels[pairs], 128)
    height, width = pixels.shape[3:5]
    step = 2 * height + GAP + HEADER_GAP + 16
    left = MARGIN + round(max(text_width(label, 9) for label in _LABELS)) + 32
    inner_left = left + width + HEADER_GAP
    right = inner_left + extent(num_steps, width) + HEADER_GAP
    top = line_height(9) + 12
    sheet = new_sheet(
        right + width + MARGIN,
        top + len(pairs) * step - HEADER_GAP - 16,
        "From one image to another",
        "Upper row of each pair: a straight line between the two codes, mapped back by T⁻¹. Lower row: a straight line "
        f"between the two vectors z. {subject.shaded}; the frozen network draws the others.",
    )
    style = {"ha": "center", "va": "center", "fontweight": "bold"}
    for x, label in ((left, "from"), (right, "to")):
        sheet.text(label, x + width / 2, sheet.top + line_height(9) / 2 - 4, **style)
    for number in range(len(pairs)):
        y = sheet.top + top + number * step
        for x, end in ((left, 0), (right, 1)):
            draw_grid(sheet, ends[number, end][None, None], x, y + (height + GAP) // 2, HEADER)
        draw_grid(sheet, pixels[number], inner_left, y)
        for row, label in enumerate(_LABELS):
            sheet.text(label, MARGIN, y + row * (height + GAP) + height / 2, va="center")
    return sheet
