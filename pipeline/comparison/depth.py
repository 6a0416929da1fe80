"""What becomes of each concept on its way through a network: over its layers, and over its training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.basis.layout import Layout
from pipeline.drawing.palette import colour_of, decimals, spoken
from pipeline.drawing.sheet import MARGIN, MUTED, Sheet, new_sheet, text_width
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import probe_own, response_name

__all__ = ["depth_sheet", "training_sheet"]

_PANEL = 420
_FEW = 12  # points of a line that are marked, and named below it
_RESPONSES = {  # of a network that decides, and of one that gives values
    "changed": "share of decisions that change when it is drawn anew",
    "moved": "how far the output moves when it is drawn anew, in its standard deviations",
}

Points = Sequence[tuple[float, float | None, float | None]]  # value, low, high


def depth_sheet(results: Mapping[str, Scores], estimates: Mapping[str, Layout]) -> Sheet:
    """A line a concept over the layers: its share of dimensions, how well it is read, how the output answers to it.

    Args:
        results: scores of each layer, from the image on.
        estimates: the factors of each layer in the sizes that were estimated, all with the same names.

    Raises:
        InputError: a layer lacks a score; the line names its file.
    """
    layers, layout = list(results), next(iter(estimates.values()))
    panels: list[tuple[str, dict[str, Points]]] = [
        (
            "share of the layer's dimensions, estimated from how alike its pairs are",
            {
                name: [(here.sizes[here.index(name)] / here.num_dims, None, None) for here in estimates.values()]
                for name in layout.names
            },
        ),
    ]
    if layout.concepts:
        probed: dict[str, Points] = {
            name: [_point(scores, probe_own(name)) for scores in results.values()] for name in layout.concepts
        }
        panels.append(("how well a linear probe reads it from its own factor (0 chance, 1 perfect)", probed))
    for measure, heading in _RESPONSES.items():
        names = {name: response_name("sample", name, measure) for name in layout.names}
        if all(score in scores for scores in results.values() for score in names.values()):
            answers: dict[str, Points] = {
                name: [_point(scores, score) for scores in results.values()] for name, score in names.items()
            }
            panels.append((heading, answers))
    widest = max(text_width(layer, 9) for layer in layers)
    right = _room(layout)
    width = max(1300, 2 * MARGIN + 90 + right + round((widest + 60) * len(layers)))
    sheet = new_sheet(
        width,
        len(panels) * (_PANEL + 150) - 40,
        "What becomes of each concept on the way to the output",
        f"Layers from the image ({layers[0]}) to the output ({layers[-1]}). Lines: 95 % intervals. Grey: the residual, "
        "which holds all that no concept names.",
    )
    for number, (heading, lines) in enumerate(panels):
        top = sheet.top + 50 + number * (_PANEL + 150)
        sheet.text(heading, MARGIN, top - 46, fontweight="bold")
        axes = sheet.axes(MARGIN + 90, top, width - 2 * MARGIN - 90 - right, _PANEL)
        _draw(axes, list(range(len(layers))), lines, layout)
        axes.set_xticks(range(len(layers)), layers)
        axes.set_xlim(-0.3, len(layers) - 0.7)
    return sheet


def training_sheet(curves: Sequence[Mapping[str, float]], layers: Sequence[str], layout: Layout) -> Sheet:
    """A panel a layer: the share of the dimensions that each factor would get, over the training of the network.

    Args:
        curves: entries of the network's metrics.jsonl, some of which hold `val/share/<layer>/<factor>`.
        layers: those to draw.
        layout: the factors.
    """
    watched = [entry for entry in curves if f"val/share/{layers[0]}/residual" in entry]
    steps = [round(entry["step"]) for entry in watched]
    sizes = {
        layer: {name: [entry[f"val/share/{layer}/{name}"] for entry in watched] for name in layout.names}
        for layer in layers
    }
    right = _room(layout)
    width = 1300 + right
    sheet = new_sheet(
        width,
        len(sizes) * (_PANEL + 150) - 40,
        "What the network learns to keep",
        "How many of a layer's dimensions the estimate gives to each factor, while the network is trained: from how "
        "alike two images are there that share a concept. No flow is needed for it.",
    )
    for number, (layer, shares) in enumerate(sizes.items()):
        top = sheet.top + 50 + number * (_PANEL + 150)
        sheet.text(f"layer {layer}: share of its dimensions", MARGIN, top - 46, fontweight="bold")
        axes = sheet.axes(MARGIN + 90, top, width - 2 * MARGIN - 90 - right, _PANEL)
        lines: dict[str, Points] = {name: [(share, None, None) for share in line] for name, line in shares.items()}
        _draw(axes, list(steps), lines, layout)
        axes.set_xlabel("training steps", color=MUTED, fontsize=8)
        if len(steps) <= _FEW:
            axes.set_xticks(list(steps))
    return sheet


def _draw(axes: Axes, x: Sequence[float], lines: Mapping[str, Points], layout: Layout) -> None:
    """Lines with intervals, each named at its right end."""
    highest = 0.0
    ends: list[tuple[float, str]] = []
    for name, points in lines.items():
        colour = colour_of(layout, name)
        values = [value for value, _, _ in points]
        axes.plot(x, values, color=colour, lw=2, marker="o" if len(x) <= _FEW else "", ms=5)
        for at, (_, low, high) in zip(x, points, strict=True):
            if low is not None and high is not None:
                axes.vlines(at, low, high, color=colour, lw=1.2)
        highest = max(highest, *values)
        ends.append((values[-1], name))
    top = max(1.08 * highest, 0.1)
    axes.set_ylim(-0.02 * top, top)
    axes.tick_params(axis="x", length=0, pad=8)
    axes.tick_params(axis="y", labelcolor=MUTED)
    axes.locator_params(axis="y", nbins=5)
    axes.grid(axis="y", color="#e6e8ec", lw=0.8)
    axes.set_axisbelow(True)
    for place, (value, name) in zip(_apart([value / top for value, _ in sorted(ends)]), sorted(ends), strict=True):
        label = f"{spoken(name)} {decimals(value)}"
        style: dict[str, Any] = {"color": colour_of(layout, name), "fontweight": "bold", "fontsize": 8, "va": "center"}
        axes.annotate(label, (1.02, place), xycoords="axes fraction", **style)


def _apart(places: Sequence[float]) -> list[float]:
    """The same heights, ascending, moved apart until no label lies on another."""
    gap, heights = 0.085, np.clip(np.array(places), 0, 1)
    for number in range(1, len(heights)):
        heights[number] = max(heights[number], heights[number - 1] + gap)
    over = max(0.0, heights[-1] - max(1.0, gap * (len(heights) - 1)))
    heights -= over
    for number in range(len(heights) - 2, -1, -1):
        heights[number] = min(heights[number], heights[number + 1] - gap)
    return [float(height) for height in heights]


def _room(layout: Layout) -> int:
    """Pixels for the names at the right of a panel."""
    return round(max(text_width(f"{spoken(name)} 0.00", 8, "bold") for name in layout.names)) + 40


def _point(scores: Scores, name: str) -> tuple[float, float | None, float | None]:
    score = scores[name]
    return score.value, score.low, score.high
