"""How decisions answer to edits: how strongly, and which class they turn into; and how strongly other outputs do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import ArrayLike, NDArray

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.drawing.palette import HEADER, colour_of, decimals, draw_grid, spoken, tint
from pipeline.drawing.sheet import INK, MARGIN, MUTED, Sheet, line_height, new_sheet, shortened, text_width, upscale
from pipeline.interpret.subject import Subject
from pipeline.interpretation.edits import sample
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import EDITED_IMAGES, response_name

__all__ = ["called", "decision_sheet", "edited_images", "example_sheet", "response_sheet"]

KINDS = {"sample": "drawn from N(0, 1)", "swap": "swapped", "walk": "walked in"}
_SHADES = (1.0, 0.62, 0.32)  # of a factor's colour, by kind

_MEASURES = {
    "changed": "share of changed decisions",
    "total_variation": "total variation",
    "jensen_shannon": "Jensen-Shannon divergence (bits)",
    "class_deviation": "standard deviation of the class index",
}
_MOVES = {
    "moved": "how far the output moves, in its standard deviations over the test images",
    "deviation": "how widely the edits of an image spread it, in the same",
}

_PANEL = 420
MOST_CLASSES = 20
_NUM_ROWS, _DRAWS = 6, 200
_TOPS = (0.1, 0.25, 0.5, 1.0)  # of the axis of shares: the lowest that all bars fit below
_LONGEST = 260  # pixels, of the name of a class
_COLOURS = LinearSegmentedColormap.from_list("decisions", ["#ffffff", "#9db8dc", "#1d3f73"])


def response_sheet(layout: Layout, scores: Scores, *, decides: bool = True) -> Sheet:
    """A panel a measure, a group of bars a factor, a bar a kind of edit, with 95 % intervals.

    Args:
        layout: factors.
        scores: with their responses.
        decides: whether these are of a decision; else of values.
    """
    measures, what, network = (_MEASURES, "decision", "classifier") if decides else (_MOVES, "output", "network")
    group = max(240, *(round(text_width(spoken(name), 9, "bold")) + 40 for name in layout.names))
    width = max(1300, 2 * MARGIN + 110 + group * layout.num_factors)
    sheet = new_sheet(
        width,
        len(measures) * (_PANEL + 130) - 20,
        f"What does the {what} answer to?",
        f"Each factor of {edited_images(layout, scores)} is edited many times, mapped back by T⁻¹ and sent through "
        f"the rest of the frozen {network}; its {what} is compared with the unedited one. A factor with a high bar is "
        f"one that the {what} uses. Bars of a factor, from dark to light: {', '.join(KINDS.values())}. Lines: 95 % "
        "intervals.",
    )
    for number, (measure, heading) in enumerate(measures.items()):
        top = sheet.top + 50 + number * (_PANEL + 130)
        sheet.text(heading, MARGIN, top - 46, fontweight="bold")
        axes = sheet.axes(MARGIN + 90, top, width - 2 * MARGIN - 90, _PANEL)
        _draw(axes, layout, scores, measure)
    return sheet


def _draw(axes: Axes, layout: Layout, scores: Scores, measure: str) -> None:
    bar, highest = 0.26, 0.0
    for position, factor in enumerate(layout.names):
        for number, (kind, shade) in enumerate(zip(KINDS, _SHADES, strict=True)):
            score = scores[response_name(kind, factor, measure)]
            low, high = score.interval or (score.value, score.value)
            x = position + (number - 1) * bar
            axes.bar(x, score.value, 0.9 * bar, color=tint(colour_of(layout, factor), shade))
            axes.vlines(x, low, high, color=INK, lw=1.4)
            style: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 7.5}
            axes.annotate(decimals(score.value), (x, high), (0, 3), **style)
            highest = max(highest, high)
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


def edited_images(layout: Layout, scores: Scores) -> str:
    """How many images the responses were measured on, in words: `200 test images`."""
    measured = [score for factor in layout.names for name, score in scores.items() if f"/sample/{factor}/" in name]
    return f"{measured[0].details[EDITED_IMAGES]:,} test images"


def decision_sheet(
    layout: Layout,
    transitions: Mapping[str, Sequence[Sequence[int]]],
    edited: str,
    names: Sequence[str] | None = None,
) -> Sheet:
    """A table a factor: of all draws for images of one decision (row), which share turned into each class (column).

    Args:
        layout: factors.
        transitions: factor → counts [classes, classes].
        edited: of how many images, as `edited_images` says it.
        names: of the classes; None: they go by their number.
    """
    tables = {factor: np.asarray(transitions[factor], dtype=np.float64) for factor in layout.names}
    shown = _commonest(sum(tables.values(), np.zeros(1)))
    ticks = _Ticks.of(shown, names, 7.5)
    side = max(max(34, ticks.pitch) * len(shown), 420)
    label, head = max(90, ticks.widest + 40), max(40, ticks.height + 26)
    columns = min(3, layout.num_factors)
    rows = -(-layout.num_factors // columns)
    step_x, step_y = label + side + 50, side + head + 150
    totals = sum((table.sum(axis=0) + table.sum(axis=1) for table in tables.values()), np.zeros(1))
    sheet = new_sheet(
        max(1100, 2 * MARGIN + columns * step_x),
        rows * step_y + 20,
        "Which class does a decision turn into?",
        f"Each factor of {edited} is drawn anew from N(0, 1). Row: what the classifier decided before. Column: "
        "what it decides after, as a share of the row; a dark diagonal is a decision that the factor does not move."
        + _left_out(totals, shown),
    )
    for number, (factor, table) in enumerate(tables.items()):
        left = MARGIN + label + (number % columns) * step_x
        top = sheet.top + head + 70 + (number // columns) * step_y
        shares = table[np.ix_(shown, shown)] / np.maximum(table[shown].sum(axis=1, keepdims=True), 1)
        axes = sheet.axes(left, top, side, side)
        axes.imshow(shares, cmap=_COLOURS, vmin=0, vmax=1, aspect="auto")
        axes.tick_params(length=0, pad=4, labelsize=7.5, top=True, labeltop=True, bottom=False, labelbottom=False)
        axes.set_xticks(range(len(shown)), ticks.labels, rotation=ticks.rotation)
        axes.set_yticks(range(len(shown)), ticks.labels)
        axes.spines[:].set(visible=True, color="#b9bec7")
        kept = np.trace(table) / max(table.sum(), 1)
        style = {"ha": "center", "va": "bottom"}
        middle, colour = left + side / 2, colour_of(layout, factor)
        stay = f"{100 * kept:.0f} % of decisions stay"
        sheet.text(f"{spoken(factor)} drawn anew", middle, top - head - 30, color=colour, fontweight="bold", **style)
        sheet.text(stay, middle, top - head + 2, color=MUTED, fontsize=7.5, **style)
    _draw_scale(sheet, MARGIN + label, sheet.top + rows * step_y - 40)
    return sheet


def _draw_scale(sheet: Sheet, left: int, top: int) -> None:
    """What a colour of the tables stands for."""
    text = "share of the row"
    sheet.text(text, left, top + 10, va="center", fontsize=7.5, color=MUTED)
    axes = sheet.axes(left + round(text_width(text, 7.5)) + 30, top, 300, 20)
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=_COLOURS, vmin=0, vmax=1, aspect="auto", extent=(0, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.tick_params(length=0, pad=4, labelsize=7.5)
    axes.spines[:].set(visible=True, color="#b9bec7")


def example_sheet(subject: Subject, names: Sequence[str] | None = None) -> Sheet:
    """Six images, and for each factor how often each class is decided for over 200 draws from N(0, 1).

    Args:
        subject: a layer of a network that decides.
        names: of the classes; None: they go by their number.
    """
    layout, rows = subject.layout, subject.recipients(_NUM_ROWS)
    logits = subject.rows.outputs_of_latents(subject.rows.means[rows], rows)
    before, classes = logits.argmax(dim=1).numpy(), logits.shape[1]
    counts = np.stack([_counts(subject, rows, factor, classes) for factor in layout.names])  # factors × rows × classes
    shown = _commonest(np.diag(counts.sum(axis=(0, 1))), before)
    highest = next(top for top in _TOPS if counts[:, :, shown].max() <= top * _DRAWS)
    images = upscale(subject.pixels[rows], 128)
    height, width = images.shape[1:3]
    ticks = _Ticks.of(shown, names, 6.5)
    bar = max(22, ticks.pitch)
    panel = max(bar * len(shown), 300, *(round(text_width(spoken(name), 9, "bold")) + 20 for name in layout.names))
    decided = [f"decided: {called(entry, names)}" for entry in before]
    truth = _truth(subject, rows, names)
    inner, label = MARGIN + width + 80 + round(max(text_width(text, 7.5) for text in (*decided, *truth))), 60
    step = height + 40 + ticks.height
    sheet = new_sheet(
        inner + layout.num_factors * (panel + label) + MARGIN,
        line_height(9) + 20 + len(rows) * step,
        "The decision on an image, when one factor is drawn anew",
        f"Bars: how often each class is decided for, over {_DRAWS} draws of the factor from N(0, 1), as a share. "
        "Orange: the class decided for without an edit. One tall orange bar: the factor does not move the decision."
        + _left_out(counts.sum(axis=(0, 1)), shown),
    )
    for column, factor in enumerate(layout.names):
        middle = inner + column * (panel + label) + panel / 2
        style = {"ha": "center", "fontweight": "bold", "color": colour_of(layout, factor)}
        sheet.text(spoken(factor), middle, sheet.top, **style)
    for number in range(len(rows)):
        top = sheet.top + line_height(9) + 20 + number * step
        draw_grid(sheet, images[number][None, None], MARGIN + 8, top, HEADER)
        beside = {"left": MARGIN + width + 30, "fontsize": 7.5, "va": "center"}
        sheet.text(decided[number], top=top + height / 2 - (14 if truth[number] else 0), **beside)
        sheet.text(truth[number], top=top + height / 2 + 14, color=MUTED, **beside)
        for column, factor in enumerate(layout.names):
            axes = sheet.axes(inner + column * (panel + label), top, panel, height)
            shares = counts[column, number][shown] / _DRAWS
            colours = ["#e08a2b" if entry == before[number] else colour_of(layout, factor) for entry in shown]
            axes.bar(range(len(shown)), shares, 0.8, color=colours)
            axes.set_ylim(0, 1.02 * highest)
            axes.set_yticks([0, highest], ["0", f"{highest:g}"])
            axes.set_xlim(-0.6, len(shown) - 0.4)
            axes.set_xticks(range(len(shown)), ticks.labels, rotation=ticks.rotation)
            axes.tick_params(length=0, pad=3, labelsize=6.5, labelcolor=INK if number == len(rows) - 1 else MUTED)
    return sheet


@dataclass(frozen=True)
class _Ticks:
    """Names of classes along an axis; long ones stand upright along the other.

    Attributes:
        labels: one a class.
        rotation: in degrees, of those below or above the axes.
        pitch: room that one takes from its neighbours, in pixels.
        height: room that they take below or above the axes.
        widest: width of the longest.
    """

    labels: list[str]
    rotation: int
    pitch: int
    height: int
    widest: int

    @classmethod
    def of(cls, shown: NDArray[np.intp], names: Sequence[str] | None, points: float) -> "_Ticks":
        """Labels of the classes `shown`, in a size of `points`."""
        labels, line = [called(entry, names) for entry in shown], line_height(points)
        widest = round(max(text_width(label, points) for label in labels))
        if widest <= 2.5 * line:
            return cls(labels, 0, widest + 10, line, widest)
        return cls(labels, 90, line + 4, widest, widest)


def _truth(subject: Subject, rows: NDArray[np.int64], names: Sequence[str] | None) -> list[str]:
    """What the images of some rows are labelled as, in words; empty where nobody has said it."""
    classes = subject.rows.interpretation.backbone.true_classes(subject.rows.images)
    if classes is None:
        return [""] * len(rows)
    return [f"labelled: {called(entry, names)}" if entry >= 0 else "" for entry in classes[rows]]


def called(entry: int, names: Sequence[str] | None) -> str:
    """The name of a class, cut where it is very long, or its number."""
    return str(entry) if names is None else shortened(names[entry], _LONGEST, 7.5)


def _counts(subject: Subject, rows: NDArray[np.int64], factor: str, classes: int) -> NDArray[np.int64]:
    """How often each class was decided for [rows, classes], over all draws of a factor."""
    recipients = rows.repeat(_DRAWS)
    edit = sample(factor, draw_seed(subject.seed, f"interpret/decisions/{factor}"))
    logits = subject.rows.outputs(subject.edited(recipients, edit), recipients)
    decisions = logits.argmax(dim=1).reshape(len(rows), _DRAWS).numpy()
    return np.stack([np.bincount(row, minlength=classes) for row in decisions])


def _left_out(counts: NDArray[np.float64], shown: NDArray[np.intp]) -> str:
    """What a caption says of the classes that a picture does not show.

    Args:
        counts: how often each class was decided for [classes].
        shown: numbers of those that are shown.
    """
    others = np.delete(counts, shown)
    if not len(others):
        return ""
    decided = int((others > 0).sum())
    share = 100 * others.sum() / counts.sum()
    rest = f"{decided:,} others took {share:.2g} % of the decisions" if decided else "no other was decided for"
    return f" Shown are the {len(shown)} commonest of {len(counts):,} classes; {rest}."


def _commonest(table: NDArray[np.float64], needed: ArrayLike = ()) -> NDArray[np.intp]:
    """At most twenty classes, ascending: those needed, and those that most of a table [classes, classes] is about."""
    total = table.sum(axis=0) + table.sum(axis=1)
    total[np.asarray(needed, np.intp)] += 1 + total.max()
    kept = np.argsort(-total, kind="stable")[:MOST_CLASSES]
    return np.sort(kept[total[kept] > 0])
