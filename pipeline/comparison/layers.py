"""Layers side by side: their main scores, and how many dimensions each factor has."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from pipeline.basis.layout import Layout
from pipeline.comparison.depth import depth_sheet, training_sheet
from pipeline.drawing.palette import colour_of, decimals, spoken
from pipeline.drawing.sheet import MARGIN, Sheet, house_style, new_sheet, text_width
from pipeline.files import atomic_folder, read_json, write_atomic, write_json
from pipeline.scores.record import Scores, as_json
from pipeline.scores.statistics.score import (
    FRECHET,
    GAUSSIAN_GAIN,
    PROBE_GAP,
    PROBE_OWN,
    SWAP_SCORE,
    Score,
    probe_own,
)

__all__ = ["compare", "layers_sheet", "read_comparison"]

_SCORES = "scores.json"


def compare(
    results: Mapping[str, Scores],
    layouts: Mapping[str, Layout],
    estimates: Mapping[str, Layout],
    curves: Sequence[Mapping[str, float]],
    folder: Path,
) -> None:
    """Write scores.json, scores.csv and layers.png.

    Of several layers also depth.png; where the network's training was watched, training.png.

    Args:
        results: scores of each layer, in the order of `layers`.
        layouts: the factors of each layer, all with the same names.
        estimates: the same in the sizes that were estimated, by which layers compare: a sweep may take others.
        curves: entries of the network's metrics.jsonl.
        folder: where, replaced as a whole.
    """
    layout = next(iter(layouts.values()))
    names = _main_scores(results, layout)
    with house_style([*layout.names, *results]), atomic_folder(folder) as beside:
        content = {
            layer: {
                "sizes": dict(zip(layouts[layer].names, layouts[layer].sizes, strict=True)),
                "scores": as_json({name: scores[name] for name in names if name in scores}),
            }
            for layer, scores in results.items()
        }
        write_json(beside / _SCORES, content)
        write_atomic(beside / "scores.csv", _as_csv(results, layouts, names))
        layers_sheet(results, layouts).save(beside / "layers.png")
        if len(results) > 1:
            depth_sheet(results, estimates).save(beside / "depth.png")
        watched = [layer for layer in results if any(f"val/share/{layer}/residual" in entry for entry in curves)]
        if watched:
            training_sheet(curves, watched, layout).save(beside / "training.png")


def read_comparison(folder: Path) -> tuple[dict[str, dict[str, Score]], dict[str, dict[str, int]]]:
    """Main scores of each layer, by name, and how many dimensions each factor has there: what `compare` wrote.

    Raises:
        InputError: it isn't there.
    """
    content = read_json(folder / _SCORES)
    scores = {
        layer: {name: Score.from_dict(numbers) for name, numbers in of_it["scores"].items()}
        for layer, of_it in content.items()
    }
    return scores, {layer: of_it["sizes"] for layer, of_it in content.items()}


def layers_sheet(results: Mapping[str, Scores], layouts: Mapping[str, Layout]) -> Sheet:
    """Bars of the main scores, grouped by score, and of the sizes, one a layer; without a concept the sizes alone."""
    layout = next(iter(layouts.values()))
    names = _main_scores(results, layout) if layout.concepts else []
    layers = list(results)
    label = round(max(text_width(layer, 9) for layer in layers)) + 30
    widest = max((text_width(line, 9) for name in names for line in _spoken_score(name).split("\n")), default=0)
    group = max(190, 74 * len(layers) + 60, round(widest) + 50)
    width = max(1300, 2 * MARGIN + 110 + group * len(names))
    sizes_height = 56 * len(layers)
    head = 50 if len(layers) > 1 and names else 0  # of the legend
    scores_height = 770 if names else 110
    what = "The layers side by side" if len(layers) > 1 else f"The layer '{layers[0]}'"
    sheet = new_sheet(
        width,
        head + scores_height + sizes_height,
        what,
        "Above: the main scores with 95 % intervals, 1 is perfect; dashes: what chance reaches. "
        "Below: how many of a layer's dimensions each factor has."
        if names
        else "How many of a layer's dimensions each factor has: there is no concept, so that all are the residual's.",
    )
    left = MARGIN + 80
    if names:
        _draw_scores(sheet.axes(left, sheet.top + head, width - left - MARGIN, 500), results, names)
    top = sheet.top + head + scores_height
    sheet.text("dimensions of each factor", MARGIN, top - 90, fontweight="bold")
    _draw_sizes(sheet.axes(MARGIN + label, top, width - 2 * MARGIN - label, sizes_height), layouts)
    return sheet


def _draw_scores(axes: Axes, results: Mapping[str, Scores], names: list[str]) -> None:
    colours = _layer_colours(len(results))
    bars: list[Any] = []
    bar = min(0.8 / len(results), 0.3)
    lowest = 0.0
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # over the lines of the grid
    for number, scores in enumerate(results.values()):
        measured = [(position, scores[name]) for position, name in enumerate(names) if name in scores]
        x = np.array([position for position, _ in measured]) + (number - (len(results) - 1) / 2) * bar
        heights = np.array([score.value for _, score in measured])
        bars.append(axes.bar(x, heights, 0.88 * bar, color=colours[number]))
        for at, (_, score) in zip(x, measured, strict=True):
            top = score.value
            if score.interval is not None:
                low, top = score.interval
                axes.vlines(at, low, top, color="#1f2430", lw=1.4)
                lowest = min(lowest, low)
            if score.chance is not None:
                axes.hlines(score.chance, at - 0.5 * bar, at + 0.5 * bar, color="#1f2430", lw=1.2, ls=(0, (2, 1.5)))
            axes.text(at, max(top, 0) + 0.02, decimals(score.value), ha="center", va="bottom", fontsize=8, bbox=box)
    axes.set_xticks(range(len(names)), [_spoken_score(name) for name in names])
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(lowest - 0.02 if lowest < 0 else 0, 1.12)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.tick_params(axis="x", length=0, pad=8)
    axes.grid(axis="y", color="#e6e8ec", lw=0.8)
    axes.set_axisbelow(True)
    if len(results) > 1:
        at = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
        # a label that begins with "_", as a layer may, is left out of a legend that is not told its labels
        axes.legend(bars, list(results), ncols=min(len(results), 6), **at)


def _draw_sizes(axes: Axes, layouts: Mapping[str, Layout]) -> None:
    labelled = set()
    for row, layout in enumerate(layouts.values()):
        start = 0.0
        for name, size in zip(layout.names, layout.sizes, strict=True):
            share = size / layout.num_dims
            label = spoken(name) if name not in labelled else None
            labelled.add(name)
            axes.barh(
                row, share, 0.78, left=start, color=colour_of(layout, name), edgecolor="white", lw=1.5, label=label
            )
            text = f"{size}" if share < 0.12 else f"{size}  ({100 * share:.0f} %)"
            axes.text(
                start + share / 2, row, text, ha="center", va="center", color="white", fontsize=8, fontweight="bold"
            )
            start += share
    axes.set_yticks(range(len(layouts)), list(layouts))
    axes.set_xlim(0, 1)
    axes.set_ylim(len(layouts) - 0.5, -0.5)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=6, borderaxespad=0.2, handlelength=1, handleheight=1)


def _main_scores(results: Mapping[str, Scores], layout: Layout) -> list[str]:
    """Names of the scores that are compared and that at least one layer has."""
    names = [*(probe_own(concept) for concept in layout.concepts), PROBE_GAP, SWAP_SCORE]
    if not layout.concepts:
        names = [GAUSSIAN_GAIN, f"{FRECHET}/flow"]
    return [name for name in names if any(name in scores for scores in results.values())]


def _spoken_score(name: str) -> str:
    phrases = {PROBE_GAP: "own minus best\nother factor", SWAP_SCORE: "swaps that do\nwhat they say"}
    own = f"{spoken(name.removeprefix(f'{PROBE_OWN}/'))} read from\nits own factor"
    return f"{phrases.get(name, own)}\n{name}"


def _layer_colours(num: int) -> list[str]:
    return [to_hex(colormaps["viridis"](share)) for share in np.linspace(0.25, 0.8, num)]


def _as_csv(results: Mapping[str, Scores], layouts: Mapping[str, Layout], names: list[str]) -> str:
    """One row a layer: its sizes, then value, low and high of each score; empty where it has none."""
    factors = next(iter(layouts.values())).names
    columns = [f"{name}/{part}" if part else name for name in names for part in ("", "low", "high")]
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["layer", *(f"size/{factor}" for factor in factors), *columns])
    for layer, scores in results.items():
        cells = [number for name in names for number in _numbers(scores.get(name))]
        texts = ["" if number is None else f"{number:.6f}" for number in cells]
        writer.writerow([layer, *layouts[layer].sizes, *texts])
    return table.getvalue()


def _numbers(score: Score | None) -> tuple[float | None, float | None, float | None]:
    """Value, low and high of a score, each None where there is none."""
    return (None, None, None) if score is None else (score.value, score.low, score.high)
