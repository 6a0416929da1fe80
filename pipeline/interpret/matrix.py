"""Which factor knows which concept: the matrix of linear probes as a heat map."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from pipeline.errors import InputError
from pipeline.interpret.palette import colour_of, decimals, spoken
from pipeline.interpret.sheet import MARGIN, Sheet, new_sheet, text_width
from pipeline.layout import Layout

__all__ = ["draw_matrix", "label_width", "matrix_sheet", "score_of"]

_COLOURS = LinearSegmentedColormap.from_list("slate", ["#f3f5f8", "#9aa7bd", "#33415c"])  # no factor's colour

Scores = Mapping[str, Mapping[str, Any]]


def matrix_sheet(layout: Layout, scores: Scores) -> Sheet:
    """The matrix as one figure."""
    left, cell_height = MARGIN + label_width(layout, 9), 130
    widest = round(max(text_width(spoken(name), 9, "bold") for name in layout.concepts))
    cell_width = max(200, widest + 30, (1100 - left - MARGIN) // len(layout.concepts))
    width = left + cell_width * len(layout.concepts) + MARGIN
    sheet = new_sheet(
        width,
        60 + cell_height * layout.num_factors,
        "Which factor knows which concept?",
        "How well a linear probe reads a concept (column) from a factor (row) of test images that it was not fitted "
        "on: 0 is chance, 1 is perfect; below, the 95 % interval. Framed: the factor that the concept belongs in.",
    )
    size = cell_width * len(layout.concepts), cell_height * layout.num_factors
    draw_matrix(sheet.axes(left, sheet.top + 60, *size), layout, scores, points=9)
    return sheet


def draw_matrix(axes: Axes, layout: Layout, scores: Scores, points: float) -> None:
    """Draw factors × concepts on axes, values and intervals in the cells, the names in their colours outside."""
    values = np.array(
        [[_cell(scores, factor, concept)["value"] for concept in layout.concepts] for factor in layout.names]
    )
    axes.imshow(values, cmap=_COLOURS, vmin=0, vmax=1, aspect="auto")
    axes.hlines(np.arange(0.5, len(values) - 1), -0.5, len(layout.concepts) - 0.5, color="white", lw=2)
    axes.vlines(np.arange(0.5, len(layout.concepts) - 1), -0.5, len(values) - 0.5, color="white", lw=2)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=8, labelsize=points, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.set_xticks(range(len(layout.concepts)), [spoken(name) for name in layout.concepts])
    axes.set_yticks(range(layout.num_factors), _labels(layout))
    names: Sequence[tuple[Any, str]] = [
        *zip(axes.get_xticklabels(), layout.concepts, strict=True),
        *zip(axes.get_yticklabels(), layout.names, strict=True),
    ]
    for text, name in names:
        text.set(color=colour_of(layout, name), fontweight="bold")
    for row, factor in enumerate(layout.names):
        for column, concept in enumerate(layout.concepts):
            cell = _cell(scores, factor, concept)
            colour = "white" if cell["value"] > 0.55 else "#1f2430"
            style: dict[str, Any] = {"ha": "center", "color": colour}
            axes.text(
                column,
                row - 0.02,
                decimals(cell["value"]),
                va="bottom",
                fontsize=points + 3,
                fontweight="bold",
                **style,
            )
            if cell.get("low") is not None:
                interval = f"{decimals(cell['low'])} – {decimals(cell['high'])}"
                axes.text(column, row + 0.12, interval, va="top", fontsize=points - 1.5, **style)
    for concept in layout.concepts:
        corner = layout.concepts.index(concept) - 0.5, layout.index(concept) - 0.5
        frame = Rectangle(corner, 1, 1, fill=False, edgecolor=colour_of(layout, concept), lw=3, clip_on=False, zorder=3)
        axes.add_patch(frame)


def label_width(layout: Layout, points: float) -> int:
    """Pixels that the names of the factors need at the left of the matrix."""
    return round(max(text_width(line, points, "bold") for label in _labels(layout) for line in label.split("\n"))) + 36


def score_of(scores: Scores, name: str) -> Mapping[str, Any]:
    """One score by its name; an InputError where there is none."""
    if name not in scores:
        raise InputError(f"scores.json: no score '{name}'; run `dvc repro`")
    return scores[name]


def _labels(layout: Layout) -> list[str]:
    return [
        f"{spoken(name)}\n{size} of {layout.num_dims}" for name, size in zip(layout.names, layout.sizes, strict=True)
    ]


def _cell(scores: Scores, factor: str, concept: str) -> Mapping[str, Any]:
    return score_of(scores, f"probe/matrix/{factor}/{concept}")
