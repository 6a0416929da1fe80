"""One factor drawn anew from its prior, for a few images."""

from pipeline.draws import draw_seed
from pipeline.edits import sample
from pipeline.interpret.grid import HEADER_GAP, draw_grid, extent
from pipeline.interpret.palette import HEADER, colour_of, kept_and_taken, titled
from pipeline.interpret.sheet import MARGIN, Sheet, line_height, new_sheet, upscale
from pipeline.interpret.subject import Subject

__all__ = ["sample_sheet"]

_NUM_ROWS = 5


def sample_sheet(subject: Subject, factor: str, columns: int) -> Sheet:
    """Five images, each with `columns` draws of `factor` from N(0, 1)."""
    rows = subject.recipients(_NUM_ROWS)
    codes = subject.codes[rows].repeat_interleave(columns, dim=0)
    seed = draw_seed(subject.seed, f"interpret/samples/{factor}")
    edited = sample(codes, subject.layout, factor, seed)
    drawn = upscale(subject.decode_codes(edited, rows.repeat(columns)), 128)
    headers = upscale(subject.pixels[rows], 128)
    height, width = headers.shape[1:3]
    kept, others, drawn_anew = kept_and_taken(subject.layout, factor)
    left, top = MARGIN + line_height(9) + 12, line_height(9) + 12
    inner_left = left + width + HEADER_GAP
    sheet = new_sheet(
        inner_left + extent(columns, width) + MARGIN,
        top + extent(len(rows), height),
        f"{titled(factor)} drawn at random",
        f"Each image keeps {kept} of the image at its left; {drawn_anew} is drawn anew from the normal distribution "
        f"N(0, 1). {subject.shaded}; the frozen network draws the others.",
    )
    grid = drawn.reshape(len(rows), columns, *drawn.shape[1:])
    draw_grid(sheet, headers[:, None], left, sheet.top + top, HEADER)
    draw_grid(sheet, grid, inner_left, sheet.top + top)
    style = {"ha": "center", "va": "center", "fontweight": "bold"}
    middle = inner_left + extent(columns, width) / 2
    colour = colour_of(subject.layout, factor)
    sheet.text(f"{columns} draws of {drawn_anew}", middle, sheet.top + line_height(9) / 2 - 4, color=colour, **style)
    middle = sheet.top + top + extent(len(rows), height) / 2
    sheet.text(f"{others} kept from these", MARGIN + line_height(9) / 2 - 6, middle, rotation=90, **style)
    return sheet
