"""What a factor looks like from outside: its test rows as points of a plane, and two factors against each other.

A factor of more numbers than can be drawn is embedded by t-SNE (van der Maaten, Hinton, JMLR 2008), which sees no
concept: that points of one value lie together is found, not made.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own requirement

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import RESIDUAL
from pipeline.drawing.palette import colour_of, spoken, titled
from pipeline.drawing.sheet import MARGIN, MUTED, Sheet, line_height, new_sheet, shortened, text_width
from pipeline.interpret.hues import Hues, hues_of
from pipeline.interpret.subject import Subject

__all__ = ["embedded", "embedding_sheet", "pairs_sheet", "shown_pairs"]

POINTS = 600  # test rows, at most
PERPLEXITY = 30.0  # scikit-learn's own; fewer rows have a third of their number
_PANEL, _COLUMNS, _BETWEEN = 420, 4, 48  # pixels, panels in a row, pixels
_WIDE = 640  # of a panel of two factors
_PAIRS = 3
_SMALL = 7.5  # points of a legend


def embedded(part: NDArray[np.float32], num_dims: int, seed: int) -> NDArray[np.float64]:
    """Numbers [n, M] as points in `num_dims` dimensions [n, num_dims]; as they are where they are no more.

    Equal numbers give equal points on one machine, whatever the number of its cores: one thread adds them up.
    """
    if part.shape[1] <= num_dims:
        return part.astype(np.float64)
    perplexity = min(PERPLEXITY, (len(part) - 1) / 3)
    with threadpool_limits(1):
        tsne = TSNE(num_dims, perplexity=perplexity, init="pca", random_state=draw_seed(seed, "interpret/tsne") % 2**32)
        return np.asarray(tsne.fit_transform(part), np.float64)


def embedding_sheet(subject: Subject) -> Sheet:
    """Of each concept two panels: its own factor in a plane, below it the residual, both coloured by the concept."""
    layout, rows = subject.layout, _rows(subject)
    places = {name: _in_plane(subject, rows, name) for name in layout.names}
    hues = {name: _hues(subject, name, rows) for name in layout.concepts}
    line = line_height(9)
    tall = max(_legend_height(found, _PANEL) for found in hues.values())
    block = 2 * (line + 10 + _PANEL) + 24 + tall + 56
    num_blocks = -(-len(layout.concepts) // _COLUMNS)
    columns = min(_COLUMNS, len(layout.concepts))
    sheet = new_sheet(
        max(2 * MARGIN + columns * (_PANEL + _BETWEEN) - _BETWEEN, 1300),
        num_blocks * block - 56,
        "Do the images of one value lie together?",
        f"Each point is one of {len(rows)} test images, placed by one factor alone and coloured by a concept. Above: "
        "the concept's own factor; below: the residual, which should not know it. What has more than two numbers is "
        "embedded by t-SNE, which sees no concept; what has one is spread at random from bottom to top.",
    )
    for number, concept in enumerate(layout.concepts):
        left = MARGIN + number % _COLUMNS * (_PANEL + _BETWEEN)
        top = sheet.top + number // _COLUMNS * block
        for factor in (concept, RESIDUAL):
            size = layout.sizes[layout.index(factor)]
            head = (
                f"{titled(factor)} factor ({size})" if factor == concept else f"Residual ({size}), by {spoken(concept)}"
            )
            style: dict[str, Any] = {"fontweight": "bold", "color": colour_of(layout, factor)}
            sheet.text(shortened(head, _PANEL, 9, "bold"), left, top, **style)
            _draw(sheet, places[factor], hues[concept], (left, top + line + 10, _PANEL))
            top += line + 10 + _PANEL + 24
        _draw_legend(sheet, hues[concept], (left, top), _PANEL)
    return sheet


def pairs_sheet(subject: Subject) -> Sheet:
    """Two factors against each other, each in one dimension, coloured by the one and by the other concept."""
    layout, rows, pairs = subject.layout, _rows(subject), shown_pairs(subject.layout.concepts)
    along = {name: embedded(_part(subject, rows, name), 1, subject.seed)[:, 0] for pair in pairs for name in pair}
    hues = {name: _hues(subject, name, rows) for name in layout.concepts}
    tall = max(_legend_height(found, _WIDE) for found in hues.values())
    line = line_height(9)
    block = 2 * line + 24 + _WIDE + tall + 70
    left, panels = MARGIN + line + 12, min(2, len(layout.concepts))
    sheet = new_sheet(
        max(left + panels * (_WIDE + 2 * _BETWEEN) - 2 * _BETWEEN + MARGIN, 1300),
        len(pairs) * block - 70,
        "Does one factor say anything of the other?",
        f"Each point is one of {len(rows)} test images. From left to right: one factor, embedded in one dimension by "
        "t-SNE, which sees no concept; from bottom to top: another. Coloured by what it shows: where each factor holds "
        "its own concept alone, the colours of the one stand side by side, and those of the other above each other.",
    )
    for number, (across, up) in enumerate(pairs):
        top = sheet.top + number * block
        for panel, concept in enumerate(pair for pair in (across, up) if pair != RESIDUAL):
            x = left + panel * (_WIDE + 2 * _BETWEEN)
            head = f"coloured by {spoken(concept)}"
            sheet.text(shortened(head, _WIDE, 9, "bold"), x, top, fontweight="bold", color=colour_of(layout, concept))
            places = np.stack([along[across], along[up]], axis=1)
            _draw(sheet, places, hues[concept], (x, top + line + 10, _WIDE))
            below = top + line + 10 + _WIDE + 8
            _write_sides(sheet, (across, up), x, below)
            _draw_legend(sheet, hues[concept], (x, below + line + 6), _WIDE)
    return sheet


def _write_sides(sheet: Sheet, pair: tuple[str, str], left: float, below: float) -> None:
    """Which factor lies from left to right, and which from bottom to top, beside a panel that ends at `below`."""
    across, up = (
        shortened("residual" if name == RESIDUAL else f"{spoken(name)} factor", _WIDE, _SMALL) for name in pair
    )
    style: dict[str, Any] = {"color": MUTED, "fontsize": _SMALL}
    sheet.text(across, left + _WIDE / 2, below, ha="center", **style)
    sheet.text(up, left - 8, below - 8 - _WIDE / 2, ha="right", va="center", rotation=90, **style)


def shown_pairs(concepts: Sequence[str]) -> list[tuple[str, str]]:
    """Which factors are drawn against each other: those of the first concepts; of one alone it and the residual.

    Example:
        >>> shown_pairs(["digit"]), shown_pairs(["digit", "colour"])
        ([('digit', 'residual')], [('digit', 'colour')])
    """
    return list(combinations([*concepts, RESIDUAL] if len(concepts) == 1 else concepts, 2))[:_PAIRS]


def _rows(subject: Subject) -> NDArray[np.int64]:
    """Numbers of the test rows that are drawn, in an order that hides none behind the others."""
    complete = subject.rows.latents.complete()
    return np.random.default_rng(draw_seed(subject.seed, "interpret/points")).permutation(complete)[:POINTS]


def _part(subject: Subject, rows: NDArray[np.int64], factor: str) -> NDArray[np.float32]:
    part: NDArray[np.float32] = subject.rows.codes[rows][:, subject.layout.slice(factor)].numpy()
    return part


def _in_plane(subject: Subject, rows: NDArray[np.int64], factor: str) -> NDArray[np.float64]:
    places = embedded(_part(subject, rows, factor), 2, subject.seed)
    if places.shape[1] == 2:
        return places
    rng = np.random.default_rng(draw_seed(subject.seed, "interpret/spread"))
    return np.concatenate([places, rng.random((len(places), 1))], axis=1)


def _hues(subject: Subject, concept: str, rows: NDArray[np.int64]) -> Hues:
    return hues_of(subject.targets[concept][rows], subject.rows.latents.class_names.get(concept))


def _draw(sheet: Sheet, places: NDArray[np.float64], hues: Hues, at: tuple[float, float, float]) -> None:
    """Points in a square; `at` is its left and top edge and its side."""
    left, top, side = at
    axes = sheet.axes(left, top, side, side)
    axes.scatter(places[:, 0], places[:, 1], s=9, c=hues.colours, edgecolors="#1f2430", linewidths=0.15)
    for limits, column in ((axes.set_xlim, 0), (axes.set_ylim, 1)):
        low, high = np.quantile(places[:, column], (0.002, 0.998))  # so that one point far out does not press the rest
        room = 0.06 * max(high - low, np.finfo(np.float32).tiny)
        limits(low - room, high + room)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)


def _entries(hues: Hues, room: int) -> list[list[tuple[float, str, str]]]:
    """Lines of a legend of at most `room` pixels: where in its line each entry begins, its name and its colour."""
    lines: list[list[tuple[float, str, str]]] = [[]]
    x = 0.0
    for name, colour in hues.legend:
        text = shortened(name, room - 30, _SMALL)
        width = 20 + text_width(text, _SMALL) + 18
        if lines[-1] and x + width - 18 > room:
            lines, x = [*lines, []], 0.0
        lines[-1].append((x, text, colour))
        x += width
    return lines if lines[0] else []


def _legend_height(hues: Hues, room: int) -> int:
    return line_height(_SMALL) * (len(_entries(hues, room)) + bool(hues.said))


def _draw_legend(sheet: Sheet, hues: Hues, at: tuple[float, float], room: int) -> None:
    """The legend; `at` is its left and top edge."""
    left, top = at
    line = line_height(_SMALL)
    for entries in _entries(hues, room):
        for x, text, colour in entries:
            sheet.box(left + x, top + line / 2 - 8, 14, 14, colour)
            sheet.text(text, left + x + 20, top + line / 2, va="center", fontsize=_SMALL)
        top += line
    if hues.said:
        sheet.text(hues.said, left, top + line / 2, va="center", fontsize=_SMALL, color=MUTED)
