"""The whole story in one picture: images, a swap grid for each concept, and which factor knows what."""

from pipeline.interpret.grid import GAP, HEADER_GAP, draw_grid, extent
from pipeline.interpret.matrix import Scores, draw_matrix, label_width
from pipeline.interpret.palette import HEADER, colour_of, spoken, tint
from pipeline.interpret.sheet import MARGIN, MUTED, Sheet, line_height, new_sheet, text_width, upscale
from pipeline.interpret.subject import Subject
from pipeline.interpret.swaps import swap_grid

__all__ = ["overview"]

_WIDTH = 2000  # more only where many concepts need a wide matrix
_TILE = 96
_PANEL_GAP = 44
_NUM_ROWS = 6
_FEWEST_DONORS = 3
_POINTS = 8.5  # of the matrix


def overview(subject: Subject, scores: Scores, columns: int) -> Sheet:
    """Recipients at the left, then grids of concepts with their donors on top, then the probe matrix.

    The first concepts have a grid, at most three, as many as fit with three donors each; the matrix has all concepts.
    """
    layout = subject.layout
    tile = upscale(subject.pixels[:1], _TILE).shape[2]
    matrix_left = label_width(layout, _POINTS)
    cell = max(145, *(round(text_width(spoken(name), _POINTS, "bold")) + 20 for name in layout.concepts))
    fixed = 2 * MARGIN + tile + HEADER_GAP + matrix_left + cell * len(layout.concepts)
    heading = max(round(text_width(_heading(name), 9, "bold")) for name in layout.concepts)
    least = max(extent(_FEWEST_DONORS, tile), heading) + _PANEL_GAP
    room = max(_WIDTH - fixed, least)
    shown = layout.concepts[: min(3, room // least)]
    num_donors = min(columns, (room // len(shown) - _PANEL_GAP + GAP) // (tile + GAP))
    grids = [swap_grid(subject, concept, min(_NUM_ROWS, columns), num_donors) for concept in shown]
    recipients = upscale(grids[0].recipients, _TILE)
    height = recipients.shape[1]
    label = 2 * line_height(9)
    body = max(extent(len(recipients), height), 90 * layout.num_factors)
    panel = max(extent(num_donors, tile), heading)
    spare = room - len(shown) * (panel + _PANEL_GAP)
    matrix_width = cell * len(layout.concepts) + max(0, min(spare, 100 * len(layout.concepts)))
    inner_top = label + height + HEADER_GAP
    sizes = ", ".join(f"{spoken(name)} ({size})" for name, size in zip(layout.names, layout.sizes, strict=True))
    sheet = new_sheet(
        fixed - cell * len(layout.concepts) + len(shown) * (panel + _PANEL_GAP) + matrix_width,
        inner_top + body,
        "One hidden vector, sorted into factors that a person can name",
        f"A frozen network describes each image by {layout.num_dims} numbers that mean nothing to us. An invertible "
        f"map sorts them into factors: {sizes}. Swap one factor, map back, and the network, never retrained, "
        f"draws what the edit means. {subject.shaded}.",
    )
    top = sheet.top + inner_top
    bold = {"fontweight": "bold", "va": "bottom"}
    x = MARGIN + 8
    draw_grid(sheet, recipients[:, None], x, top, HEADER)
    sheet.text("the rest\nfrom\nthese", x + tile / 2, top - 20, ha="center", linespacing=1.3, **bold)
    x += tile + HEADER_GAP
    for grid in grids:
        colour = colour_of(layout, grid.factor)
        donors, swapped = upscale(grid.donors, _TILE), upscale(grid.swapped, _TILE)
        left = x + (panel - extent(len(donors), tile)) // 2
        middle = x + panel / 2
        sheet.text(_heading(grid.factor), middle, sheet.top + label - 16, ha="center", color=colour, **bold)
        draw_grid(sheet, donors[None], left, sheet.top + label, tint(colour, 0.3))
        draw_grid(sheet, swapped, left, top)
        x += panel + _PANEL_GAP
    x += matrix_left
    draw_matrix(sheet.axes(x, top, matrix_width, body), layout, scores, _POINTS)
    x += matrix_width // 2
    sheet.text("who knows what", x, sheet.top + label - 36, ha="center", **bold)
    note = "how well a linear probe reads\nthe concept from the factor:\n0 chance, 1 perfect"
    sheet.text(note, x, sheet.top + label - 28, ha="center", color=MUTED, fontsize=7.5, linespacing=1.25)
    return sheet


def _heading(concept: str) -> str:
    return f"{spoken(concept)} taken from these"
