"""Which factor knows which concept: the matrix of linear probes as a heat map, alone and beside grids of swaps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from pipeline.basis.layout import Layout
from pipeline.drawing.palette import GAP, HEADER, HEADER_GAP, colour_of, decimals, draw_grid, extent, spoken, tint
from pipeline.drawing.sheet import MARGIN, MUTED, Sheet, line_height, new_sheet, text_width, upscale
from pipeline.interpret.grids import swap_grid
from pipeline.interpret.subject import Subject
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import PROBE_CLOSED_FORM, PROBE_GAP, PROBE_LATENT, probe_cell

__all__ = ["draw_matrix", "label_width", "matrix_sheet", "overview"]

_COLOURS = LinearSegmentedColormap.from_list("slate", ["#f3f5f8", "#9aa7bd", "#33415c"])  # no factor's colour

# of the overview, lengths in pixels
_WIDTH = 2000  # more only where many concepts need a wide matrix
_TILE = 96
_PANEL_GAP = 44
_NUM_ROWS = 6
_FEWEST_DONORS = 3
_POINTS = 8.5  # of the matrix
_BESIDE = {"all of z": PROBE_LATENT, "linear map": PROBE_CLOSED_FORM}  # rows below the factors
_APART = 0.2  # of a row's height
_NOTE = "how well a linear probe reads\nthe concept from the factor:\n0 chance, 1 perfect"


def matrix_sheet(layout: Layout, scores: Scores) -> Sheet:
    """The matrix as one figure."""
    left, cell_height, num_rows = MARGIN + label_width(layout, 9), 130, _num_rows(layout)
    widest = round(max(text_width(spoken(name), 9, "bold") for name in layout.concepts))
    cell_width = max(200, widest + 30, (1100 - left - MARGIN) // len(layout.concepts))
    width = left + cell_width * len(layout.concepts) + MARGIN
    sheet = new_sheet(
        width,
        60 + round(cell_height * num_rows),
        "Which factor knows which concept?",
        "How well a linear probe reads a concept (column) from a factor (row) of test images that it was not fitted "
        "on: 0 is chance, 1 is perfect; below, the 95 % interval. Framed: the factor that the concept belongs in. "
        "At the bottom: from all of z, and from the concept's own factor of the best linear map, which needs no "
        "training.",
    )
    size = cell_width * len(layout.concepts), round(cell_height * num_rows)
    draw_matrix(sheet.axes(left, sheet.top + 60, *size), layout, scores, points=9)
    return sheet


def draw_matrix(axes: Axes, layout: Layout, scores: Scores, points: float) -> None:
    """Draw factors × concepts on axes, values and intervals in the cells, the names in their colours outside.

    Below the factors, apart from them, what all of z tells of each concept, and its own factor of the closed form.
    """
    names_of_rows = [[probe_cell(factor, concept) for concept in layout.concepts] for factor in layout.names]
    names_of_rows += [[f"{name}/{concept}" for concept in layout.concepts] for name in _BESIDE.values()]
    cells = [[scores[name] for name in row] for row in names_of_rows]
    values = np.array([[cell.value for cell in row] for row in cells])
    num_factors, right = layout.num_factors, len(layout.concepts) - 0.5
    places = np.arange(len(values)) + np.where(np.arange(len(values)) < num_factors, 0, _APART)
    for rows in (slice(num_factors), slice(num_factors, None)):
        ends = (-0.5, right, places[rows][-1] + 0.5, places[rows][0] - 0.5)
        axes.imshow(values[rows], cmap=_COLOURS, vmin=0, vmax=1, aspect="auto", extent=ends)
    axes.set_ylim(places[-1] + 0.5, -0.5)
    axes.hlines(places[1:] - 0.5, -0.5, right, color="white", lw=2)
    axes.vlines(np.arange(0.5, len(layout.concepts) - 1), -0.5, places[-1] + 0.5, color="white", lw=2)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=8, labelsize=points, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.set_xticks(range(len(layout.concepts)), [spoken(name) for name in layout.concepts])
    axes.set_yticks(places, _labels(layout))
    names: Sequence[tuple[Any, str]] = [
        *zip(axes.get_xticklabels(), layout.concepts, strict=True),
        *zip(axes.get_yticklabels(), layout.names, strict=False),  # those of the rows below are grey
    ]
    for text in axes.get_yticklabels():
        text.set_color(MUTED)
    for text, name in names:
        text.set(color=colour_of(layout, name), fontweight="bold")
    for row, row_cells in zip(places, cells, strict=True):
        for column, cell in enumerate(row_cells):
            colour = "white" if cell.value > 0.55 else "#1f2430"
            style: dict[str, Any] = {"ha": "center", "color": colour}
            axes.text(
                column,
                row - 0.02,
                decimals(cell.value),
                va="bottom",
                fontsize=points + 3,
                fontweight="bold",
                **style,
            )
            if cell.interval is not None:
                interval = " – ".join(decimals(end) for end in cell.interval)
                axes.text(column, row + 0.12, interval, va="top", fontsize=points - 1.5, **style)
    for concept in layout.concepts:
        corner = layout.concepts.index(concept) - 0.5, layout.index(concept) - 0.5
        frame = Rectangle(corner, 1, 1, fill=False, edgecolor=colour_of(layout, concept), lw=3, clip_on=False, zorder=3)
        axes.add_patch(frame)


def label_width(layout: Layout, points: float) -> int:
    """Pixels that the names of the factors need at the left of the matrix."""
    return round(max(text_width(line, points, "bold") for label in _labels(layout) for line in label.split("\n"))) + 36


def _num_rows(layout: Layout) -> float:
    """Height of the matrix, in rows."""
    return layout.num_factors + _APART + len(_BESIDE)


def _labels(layout: Layout) -> list[str]:
    factors = [
        f"{spoken(name)}\n{size} of {layout.num_dims}" for name, size in zip(layout.names, layout.sizes, strict=True)
    ]
    beside = dict(zip(_BESIDE, (f"{layout.num_dims} numbers", "own factor"), strict=True))
    return factors + [f"{name}\n{what}" for name, what in beside.items()]


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
    body = max(extent(len(recipients), height), round(90 * _num_rows(layout)))
    panel = max(extent(num_donors, tile), heading)
    spare = room - len(shown) * (panel + _PANEL_GAP)
    matrix_width = cell * len(layout.concepts) + max(0, min(spare, 100 * len(layout.concepts)))
    note = max(round(text_width(line, 7.5)) for line in _NOTE.split("\n"))
    matrix_width = max(matrix_width, note - 2 * GAP)  # it stands in the middle above, and may go a little beyond
    inner_top = label + height + HEADER_GAP
    sizes = ", ".join(f"{spoken(name)} ({size})" for name, size in zip(layout.names, layout.sizes, strict=True))
    sheet = new_sheet(
        fixed - cell * len(layout.concepts) + len(shown) * (panel + _PANEL_GAP) + matrix_width,
        inner_top + body,
        _title(scores),
        f"A frozen network describes each image by {subject.width:,} numbers that mean nothing to us. An invertible "
        f"map sorts {subject.entering} into factors: {sizes}. Swap one factor, map back, and the network, never "
        f"retrained, draws what the edit means. {subject.shaded}.{_not_sorted(layout, scores)}",
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
    sheet.text(_NOTE, x, sheet.top + label - 28, ha="center", color=MUTED, fontsize=7.5, linespacing=1.25)
    return sheet


def _title(scores: Scores) -> str:
    """What the picture shows, where the concepts are read better from their own factors than from any other."""
    if _is_sorted(scores, PROBE_GAP):
        return "One hidden vector, sorted into factors that a person can name"
    return "One hidden vector, not sorted into factors: others know the concepts as well as their own"


def _not_sorted(layout: Layout, scores: Scores) -> str:
    """What a caption says of the concepts that another factor knows as well, unless the title says it of all."""
    names = [spoken(name) for name in layout.concepts if not _is_sorted(scores, f"{PROBE_GAP}/{name}")]
    if not names or not _is_sorted(scores, PROBE_GAP):
        return ""
    return f" Not sorted, as another factor knows as much of it: {', '.join(names)}."


def _is_sorted(scores: Scores, gap: str) -> bool:
    score = scores.get(gap)
    return score is None or score.interval is None or score.interval[0] > 0


def _heading(concept: str) -> str:
    return f"{spoken(concept)} taken from these"
