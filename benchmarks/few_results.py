"""What benchmarks/few_images.py found: its results, their means over flows, the table and the picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pipeline.drawing.sheet import MARGIN, MUTED, house_style, new_sheet
from pipeline.scores.statistics.intervals import bootstrap_interval

__all__ = ["Probed", "Result", "draw", "line", "rows_of", "show"]

LINES = (("flow", "#2f66b3", "o", 1.04), ("closed form", "#c9572f", "s", 1 / 1.04))  # and how far beside its number
LATENT = "#5b6270"
Array = NDArray[np.float64]
Interval = tuple[float, float, float]  # value, low, high


@dataclass(frozen=True)
class Probed:
    """What linear probes read of a code, by S draws of their folds.

    Attributes:
        gap: `probe/gap` [S].
        resamples: the same of each bootstrap resample of the test originals [S, B]; of one draw alike for all codes.
        own: `probe/own` [S].
    """

    gap: Array
    resamples: Array
    own: Array


@dataclass(frozen=True)
class Result:
    """One flow.

    Attributes:
        number: of training originals.
        seed: of their draw and of the flow.
        flow, closed_form: what was read of both.
        step: the step that was kept, 0 for the closed form itself.
        gain: test nats a latent under the closed form, which is a Gaussian, minus those under T.
        seconds: CPU time of the training, its validations included.
    """

    number: int
    seed: int
    flow: Probed
    closed_form: Probed
    step: int
    gain: float
    seconds: float


@dataclass(frozen=True)
class Row:
    """The mean over the flows of one number of originals; gaps with their interval.

    Attributes:
        number: of training originals.
        gaps: `probe/gap` of the flow and of the closed form.
        difference: the first minus the second, paired.
        owns: `probe/own` of both.
        results: those it is the mean of.
    """

    number: int
    gaps: tuple[Interval, Interval]
    difference: Interval
    owns: tuple[float, float]
    results: tuple[Result, ...]


def rows_of(results: Sequence[Result]) -> list[Row]:
    """A row a number, ascending."""
    rows = []
    for number in sorted({result.number for result in results}):
        of = tuple(result for result in results if result.number == number)
        flows, forms = [result.flow for result in of], [result.closed_form for result in of]
        gaps = [
            with_interval([code.gap for code in codes], [code.resamples for code in codes]) for codes in (flows, forms)
        ]
        difference = with_interval(
            [flow.gap - form.gap for flow, form in zip(flows, forms, strict=True)],
            [flow.resamples - form.resamples for flow, form in zip(flows, forms, strict=True)],
        )
        owns = [float(np.mean([code.own for code in codes])) for codes in (flows, forms)]
        rows.append(Row(number, (gaps[0], gaps[1]), difference, (owns[0], owns[1]), of))
    return rows


def with_interval(gaps: Sequence[Array], resamples: Sequence[Array]) -> Interval:
    """Mean over flows and folds, and its 95 % interval over test originals.

    Flows of one draw of folds are resampled jointly, so that their mean is; two draws of folds are not, so that the
    deviations of all draws are pooled.

    Args:
        gaps: of each flow [S].
        resamples: of each flow [S, B].
    """
    by_fold, resampled = np.mean(gaps, axis=0), np.mean(resamples, axis=0)
    value = float(by_fold.mean())
    low, high = bootstrap_interval((resampled - by_fold[:, None]).ravel() + value, value)
    return value, low, high


def show(rows: Sequence[Row], latent: float) -> None:
    """Print the table."""
    print(
        "| originals | `probe/gap`, flow | closed form | flow minus closed form | `probe/own`, flow | closed form "
        "| `probe/latent` | step kept | gain, nats |\n|" + " ---: |" * 9
    )
    for row in rows:
        steps = ", ".join(f"{result.step:,}" for result in row.results)
        gain = float(np.mean([result.gain for result in row.results]))
        cells = [f"{row.number:,}", *map(_interval, (*row.gaps, row.difference)), *map(_short, (*row.owns, latent))]
        print(f"| {' | '.join([*cells, steps, _signed(gain, 1)])} |")


def line(result: Result) -> str:
    """What one flow came to, in a line."""
    flow, form = result.flow.gap.mean(), result.closed_form.gap.mean()
    return (
        f"{result.number} originals, seed {result.seed}: probe/gap {flow:.3f}, closed form {form:.3f}, step "
        f"{result.step}, gain {result.gain:.1f} nats, {result.seconds:.0f} s"
    )


def _interval(values: Interval) -> str:
    value, low, high = map(_short, values)
    return f"{value} [{low}, {high}]"


def _short(value: float) -> str:
    """Three decimals, without the 0 before them."""
    return _signed(value, 3).replace("0.", ".", 1)


def _signed(value: float, digits: int) -> str:
    """So many decimals, with a minus sign rather than a hyphen, and none before 0."""
    return f"{round(value, digits) + 0:.{digits}f}".replace("-", "−")


def draw(rows: Sequence[Row], latent: float, picture: Path) -> None:
    """Two panels over the number of originals: `probe/gap` with its intervals, and `probe/own` beside that of z."""
    width, height, names = 2000, 620, 270  # pixels; `names` is the room right of a panel
    room = (width - 2 * MARGIN - 2 * names - 160) // 2
    num_seeds = len(rows[0].results)
    means = f"Lines are means over {num_seeds} draws of images, dots each of them. " if num_seeds > 1 else ""
    with house_style():
        sheet = new_sheet(
            width,
            height + 160,
            "How T does with few images",
            "Linear probes of held-out images (0 chance, 1 perfect), against the number of images that T learned from. "
            "The closed form is the best linear T, in which the training of the flow starts, and which is kept where "
            f"nothing does better on the validation images. {means}Bars are 95 % intervals over held-out images, the "
            "dashed line is the probe of all of z (probe/latent).",
        )
        headings = (
            "Own factor less the best other (probe/gap)",
            "Own factor (probe/own)",
        )
        for number, heading in enumerate(headings):
            left = MARGIN + 80 + number * (room + names + 80)
            sheet.text(heading, left, sheet.top, fontweight="bold")
            panel = sheet.axes(left, sheet.top + 50, room, height)
            _style(panel, [row.number for row in rows])
            ends = [_draw_line(panel, rows, which, gap=number == 0) for which in range(len(LINES))]
            if number:
                panel.axhline(latent, color=LATENT, lw=1.4, ls="--")
                ends.append((latent, "all of z", LATENT))
            _name(panel, ends)
        picture.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(picture)


def _draw_line(panel: Axes, rows: Sequence[Row], which: int, *, gap: bool) -> tuple[float, str, str]:
    """One of `LINES`; the height, the name and the colour of its right end."""
    name, colour, marker, aside = LINES[which]
    x = [row.number * aside for row in rows]  # a little beside the other, as both are equal where the start is kept
    y = [row.gaps[which][0] if gap else row.owns[which] for row in rows]
    panel.plot(x, y, color=colour, lw=2, marker=marker, ms=5)
    if gap:
        panel.vlines(x, *zip(*(row.gaps[which][1:] for row in rows), strict=True), color=colour, lw=1.4)
    for at, row in zip(x, rows, strict=True):
        codes = [(result.flow, result.closed_form)[which] for result in row.results]
        each = [(code.gap if gap else code.own).mean() for code in codes]
        if len(each) > 1:
            panel.plot([at] * len(each), each, color=colour, lw=0, marker="o", ms=3, alpha=0.5)
    return y[-1], name, colour


def _style(panel: Axes, numbers: Sequence[int]) -> None:
    panel.set_xscale("log")
    panel.set_xticks(numbers, [f"{number:,}" for number in numbers])
    panel.minorticks_off()
    panel.margins(y=0.1)
    panel.set_xlabel("training images", color=MUTED, fontsize=8)
    panel.tick_params(axis="x", pad=8)
    panel.tick_params(axis="y", labelcolor=MUTED)
    panel.grid(axis="y", color="#e6e8ec", lw=0.8)
    panel.set_axisbelow(True)


def _name(panel: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Name each line at its right end, moved up where two names would lie on each other."""
    low, high = panel.get_ylim()
    place = -1.0
    for value, name, colour in sorted(ends):
        place = max((value - low) / (high - low), place + 0.07)
        style: dict[str, Any] = {"color": colour, "fontweight": "bold", "fontsize": 8, "va": "center"}
        panel.annotate(f"{name} {_short(value)}", (1.03, place), xycoords="axes fraction", **style)
