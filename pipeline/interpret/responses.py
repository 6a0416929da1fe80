"""How strongly a classifier answers to an edit of each factor: four measures, three kinds of edit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.interpret.matrix import Scores
from pipeline.interpret.palette import colour_of, decimals, spoken, tint
from pipeline.interpret.sheet import INK, MARGIN, MUTED, Sheet, new_sheet, text_width
from pipeline.layout import Layout

__all__ = ["response_sheet"]

KINDS = {"sample": "drawn from N(0, 1)", "swap": "swapped", "walk": "walked in"}
_SHADES = (1.0, 0.62, 0.32)  # of a factor's colour, by kind
_MEASURES = {
    "changed": "share of changed decisions",
    "total_variation": "total variation",
    "jensen_shannon": "Jensen-Shannon divergence (bits)",
    "class_deviation": "standard deviation of the class index",
}
_PANEL = 420


def response_sheet(layout: Layout, scores: Scores) -> Sheet:
    """A panel a measure, a group of bars a factor, a bar a kind of edit, with 95 % intervals."""
    group = max(240, *(round(text_width(spoken(name), 9, "bold")) + 40 for name in layout.names))
    width = max(1300, 2 * MARGIN + 110 + group * layout.num_factors)
    sheet = new_sheet(
        width,
        4 * _PANEL + 3 * 130 + 110,
        "What does the decision answer to?",
        "Each factor of every test image is edited many times, mapped back by T⁻¹ and sent through the rest of the "
        "frozen classifier; its decision is compared with the unedited one. A factor with a high bar is one that the "
        "decision uses. Bars of a factor, from dark to light: "
        + ", ".join(KINDS.values())
        + ". Lines: 95 % intervals.",
    )
    for number, (measure, what) in enumerate(_MEASURES.items()):
        top = sheet.top + 50 + number * (_PANEL + 130)
        sheet.text(what, MARGIN, top - 46, fontweight="bold")
        axes = sheet.axes(MARGIN + 90, top, width - 2 * MARGIN - 90, _PANEL)
        _draw(axes, layout, scores, measure)
    return sheet


def _draw(axes: Axes, layout: Layout, scores: Scores, measure: str) -> None:
    bar, highest = 0.26, 0.0
    for position, factor in enumerate(layout.names):
        for number, (kind, shade) in enumerate(zip(KINDS, _SHADES, strict=True)):
            score: Mapping[str, Any] = scores[f"response/{kind}/{factor}/{measure}"]
            x = position + (number - 1) * bar
            axes.bar(x, score["value"], 0.9 * bar, color=tint(colour_of(layout, factor), shade))
            axes.vlines(x, score["low"], score["high"], color=INK, lw=1.4)
            axes.annotate(
                decimals(score["value"]),
                (x, score["high"]),
                (0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=7.5,
            )
            highest = max(highest, score["high"])
    axes.set_xticks(range(layout.num_factors), [spoken(name) for name in layout.names])
    for label, name in zip(axes.get_xticklabels(), layout.names, strict=True):
        label.set(color=colour_of(layout, name), fontweight="bold")
    axes.set_xlim(-0.6, layout.num_factors - 0.4)
    axes.set_ylim(0, max(highest * 1.18, 1e-3))
    axes.tick_params(axis="x", length=0, pad=8)
    axes.tick_params(axis="y", labelcolor=MUTED)
    axes.locator_params(axis="y", nbins=5)
    axes.grid(axis="y", color="#e6e8ec", lw=0.8)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{np.round(value, 6):g}")
