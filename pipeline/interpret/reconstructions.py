"""Images, what the network draws from their latents, and what it draws after the flow and back."""

import numpy as np

from pipeline.interpret.grid import GAP, HEADER_GAP, draw_grid, extent
from pipeline.interpret.palette import HEADER
from pipeline.interpret.sheet import MARGIN, MUTED, Sheet, new_sheet, text_width, upscale
from pipeline.interpret.subject import Subject

__all__ = ["reconstructions"]

_LABELS = (
    ("image", "of the test split"),
    ("decoded z", "the network alone"),
    ("decoded T⁻¹(T(z))", "through the flow and back"),
)


def reconstructions(subject: Subject, columns: int) -> Sheet:
    """Three rows of `columns` images: the image, decoded z, decoded T⁻¹(T(z))."""
    rows = subject.recipients(columns)
    shown = [
        subject.pixels[rows],
        subject.decode_latents(subject.latents[rows], rows),
        subject.decode_codes(subject.codes[rows], rows),
    ]
    apart = int(np.abs(shown[1].astype(int) - shown[2]).max())
    pixels = upscale(np.stack(shown), 128)
    height, width = pixels.shape[2:4]
    left = MARGIN + round(max(max(text_width(name, 9, "bold"), text_width(what, 7.5)) for name, what in _LABELS)) + 40
    tops = [0, height + HEADER_GAP, 2 * height + HEADER_GAP + GAP]
    sheet = new_sheet(
        left + extent(len(rows), width) + MARGIN,
        tops[-1] + height,
        "Is anything lost on the way?",
        "Second row: what the frozen network makes of the image. Third row: the same after the flow T and back; "
        f"T can be undone, so it should equal the second. Largest difference of a pixel: {apart} of 255.",
    )
    for number, (top, label) in enumerate(zip(tops, _LABELS, strict=True)):
        band = HEADER if number == 0 else None
        draw_grid(sheet, pixels[number][None], left, sheet.top + top, band)
        middle = sheet.top + top + height / 2
        sheet.text(label[0], MARGIN, middle - 2, va="bottom", fontweight="bold")
        sheet.text(label[1], MARGIN, middle + 4, color=MUTED, fontsize=7.5)
    return sheet
