"""The whole story in one picture: images, a swap grid for each concept, and which factor knows what."""

from pipeline.interpret.grid import GAP, HEADER_GAP, draw_grid, extent
from pipeline.interpret.matrix import Scores, draw_matrix, label_width
from pipeline.interpret.palette import colour_of, spoken, tint
from pipeline.interpret.sheet import MARGIN, MUTED, Sheet, line_height, new_sheet, upscale
from pipeline.interpret.subject import Subject
from pipeline.interpret.swaps import swap_grid

__all__ = ["overview"]

_WIDTH = 2000
_TILE = 96
_PANEL_GAP = 44
_NUM_ROWS = 6
_MOST_GRIDS = 3  # of many concepts the first three have a grid; the matrix shows all


def overview(subject: Subject, scores: Scores, columns: int) -> Sheet:
    """Recipients at the left, then the grid of each concept with its donors on top, then the probe matrix."""
    layout = subject.layout
    shown = layout.concepts[:_MOST_GRIDS]
    tile = upscale(subject.pixels[:1], _TILE).shape[2]
    matrix_left = label_width(layout, 9)
    matrix_width = min(145 * len(layout.concepts), 480)
    room = _WIDTH - 2 * MARGIN - tile - HEADER_GAP - matrix_left - matrix_width - _PANEL_GAP * len(shown)
    num_donors = min(columns, max(2, (room // len(shown) + GAP) // (tile + GAP)))
    grids = [swap_grid(subject, concept, min(_NUM_ROWS, columns), num_donors) for concept in shown]
    recipients = upscale(grids[0].recipients, _TILE)
    height = recipients.shape[1]
    label = 2 * line_height(9)
    inner_top = label + height + HEADER_GAP
    sizes = ", ".join(f"{spoken(name)} ({size})" for name, size in zip(layout.names, layout.sizes, strict=True))
    sheet = new_sheet(
        _WIDTH,
        inner_top + extent(len(recipients), height),
        "One hidden vector, sorted into factors that a person can name",
        f"A frozen network describes each image by {layout.num_dims} numbers that mean nothing to us. An invertible "
        f"map sorts them into factors: {sizes}. Swap one factor, map back, and the network, never retrained, "
        "draws what the edit means. Shaded images are real; the network draws the others.",
    )
    top = sheet.top + inner_top
    bold = {"fontweight": "bold", "va": "bottom"}
    x = MARGIN + 8
    draw_grid(sheet, recipients[:, None], x, top, tint("#858b96", 0.22))
    sheet.text("all else\nfrom these", x + tile / 2, top - 20, ha="center", linespacing=1.3, **bold)
    x += tile + HEADER_GAP
    for grid in grids:
        colour = colour_of(layout, grid.factor)
        donors, swapped = upscale(grid.donors, _TILE), upscale(grid.swapped, _TILE)
        middle = x + extent(len(donors), tile) / 2
        sheet.text(
            f"{spoken(grid.factor)} taken from these", middle, sheet.top + label - 16, ha="center", color=colour, **bold
        )
        draw_grid(sheet, donors[None], x, sheet.top + label, tint(colour, 0.3))
        draw_grid(sheet, swapped, x, top)
        x += extent(len(donors), tile) + _PANEL_GAP
    x += matrix_left
    size = _WIDTH - MARGIN - x, extent(len(recipients), height)
    draw_matrix(sheet.axes(x, top, *size), layout, scores, points=8.5)
    sheet.text("who knows what", x + size[0] / 2, sheet.top + label - 36, ha="center", **bold)
    note = "how well a linear probe reads\nthe concept from the factor:\n0 chance, 1 perfect"
    sheet.text(note, x + size[0] / 2, sheet.top + label - 28, ha="center", color=MUTED, fontsize=7.5, linespacing=1.25)
    return sheet
