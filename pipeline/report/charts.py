"""Bars and lines as numbers in percent of their frame: the page draws them itself, in its own colours and fonts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.basis.curves import points
from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.drawing.palette import decimals, spoken
from pipeline.interpret.curves import Curves
from pipeline.scores.statistics.score import Score

__all__ = ["Bar", "Chart", "Line", "bar", "chart", "curve_charts", "share_charts", "ticks"]

_TRIM = 0.97  # share of the points of a training batch that set the scale


@dataclass(frozen=True)
class Bar:
    """A score as a bar from 0 to 1; places are in percent.

    Attributes:
        label: what it is, in words.
        name: of the score.
        value, interval: as text; the interval is empty where there is none.
        width: of the bar.
        low, high: ends of the interval; None likewise.
        chance, perfect: what these reach; None where that has no meaning.
        factor: whose colour it has, by its number.
        note: what else to know.
    """

    label: str
    name: str
    value: str
    interval: str
    width: float
    low: float | None
    high: float | None
    chance: float | None
    perfect: float | None
    factor: int
    note: str = ""

    @property
    def said(self) -> str:
        """The bar for somebody who does not see it."""
        interval = f", 95 % interval {self.interval}" if self.interval else ""
        chance = "" if self.chance is None else f"; chance reaches {self.chance / 100:.2f}"
        perfect = "" if self.perfect is None else f", a perfect code {self.perfect / 100:.2f}"
        return f"{self.label}: {self.value}{interval}{chance}{perfect}"


@dataclass(frozen=True)
class Line:
    """A curve.

    Attributes:
        name: what it is.
        factor: number of the factor whose colour it has; −1: ink, −2: muted.
        path: points of an SVG polyline in a frame of 1000 × 1000.
        ends: its first and last value, in words.
    """

    name: str
    factor: int
    path: str
    ends: str


@dataclass(frozen=True)
class Chart:
    """Lines in one frame.

    Attributes:
        title: what the y axis is.
        lines: of it.
        y, x: ticks, place in percent and text.
        mark: where on x something is marked, in percent; None: nothing.
        said: the chart for somebody who does not see it.
    """

    title: str
    lines: tuple[Line, ...]
    y: tuple[tuple[float, str], ...]
    x: tuple[tuple[float, str], ...]
    mark: float | None
    said: str


def bar(label: str, name: str, score: Score, factor: int, note: str = "", top: float = 1.0) -> Bar:
    """A score that lies between 0 and `top`; what is below 0 has no length."""
    low, high = score.interval or (None, None)
    interval = "" if score.interval is None else " to ".join(decimals(end) for end in score.interval)
    low, high, chance, perfect = (
        None if number is None else _percent(number / top) for number in (low, high, score.chance, score.perfect)
    )
    value, width = decimals(score.value), _percent(score.value / top)
    return Bar(label, name, value, interval, width, low, high, chance, perfect, factor, note)


def chart(
    title: str,
    lines: Mapping[str, tuple[int, Sequence[tuple[float, float]]]],
    ends: tuple[float, float],
    mark: float | None = None,
) -> Chart:
    """Lines (name → factor's number, points) in one frame.

    Args:
        title: what the y axis is.
        lines: each with at least one point; what is above the frame is cut off at its edge.
        ends: lowest and highest value of the frame.
        mark: an x to mark.
    """
    low, high = ends if ends[1] > ends[0] else (ends[0] - 0.5, ends[0] + 0.5)
    last = max(points[-1][0] for _, points in lines.values()) or 1.0
    drawn = tuple(
        Line(name, factor, _path(points, last, low, high), _ends(points)) for name, (factor, points) in lines.items()
    )
    y = tuple((100 * (tick - low) / (high - low), _short(tick)) for tick in ticks(low, high, 4))
    x = tuple((100 * tick / last, f"{tick:,.0f}") for tick in ticks(0, last, 4))
    said = "; ".join(f"{name}{_ends(points)}" for name, (_, points) in lines.items())
    return Chart(
        title, drawn, y, x, None if mark is None else 100 * mark / last, f"{title}, over {last:,.0f} steps: {said}"
    )


def curve_charts(curves: Curves) -> list[Chart]:
    """Nats a pair, `probe/gap` of the validation rows where it was measured, and the learning rate."""
    train, val = curves.train, curves.val
    later = val[1:, 1] if len(val) > 1 else val[:, 1]
    high = max(float(np.quantile(train[:, 1], _TRIM)), float(later.max()))
    low = min(float(train[:, 1].min()), float(val[:, 1].min()))
    margin = 0.05 * (high - low)
    found = [
        chart(
            "nats a pair (less is better)",
            {"training batch": (-2, _points(train)), "held-out pairs": (-1, _points(val))},
            (low - margin, high + margin),
            curves.kept,
        )
    ]
    if len(curves.gap):
        gap = curves.gap[:, 1]
        ends = min(0.0, float(gap.min())), 1.0
        found.append(
            chart(
                "probe/gap of validation images (more is better)",
                {"probe/gap": (-1, _points(curves.gap))},
                ends,
                curves.kept,
            )
        )
    rate = {"learning rate": (-2, _points(curves.learning_rate))}
    return [*found, chart("learning rate", rate, (0.0, 1.1 * float(curves.learning_rate[:, 1].max())), curves.kept)]


def share_charts(curves: Sequence[Mapping[str, float]], layers: Sequence[str], layout: Layout) -> list[Chart]:
    """Share of a layer's numbers that each factor would get, over the training of the network; of layers so watched.

    Args:
        curves: entries of the network's metrics.jsonl, some of which hold `val/share/<layer>/<factor>`.
        layers: of the study, from the image on.
        layout: the factors.
    """
    found = []
    for layer in layers:
        lines = {
            "the rest" if name == RESIDUAL else spoken(name): (number, points(curves, f"val/share/{layer}/{name}"))
            for number, name in enumerate(layout.names)
        }
        if all(shares for _, shares in lines.values()):
            top = max(share for _, shares in lines.values() for _, share in shares)
            found.append(chart(f"layer {layer}: share of its numbers", lines, (0.0, 1.1 * top)))
    return found


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 round numbers within a range.

    Example:
        >>> ticks(47, 93, 4), ticks(0, 1, 4)
        ([60.0, 80.0], [0.0, 0.5, 1.0])
    """
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = np.ceil(low / step - 1e-9)
    numbers = [float(round(step * (first + k), 12)) for k in range(most + 2)]
    return [number for number in numbers if number <= high * (1 + 1e-12) + 1e-12]


def _points(curve: NDArray[np.float64]) -> list[tuple[float, float]]:
    return [(float(step), float(value)) for step, value in curve]


def _path(points: Sequence[tuple[float, float]], last: float, low: float, high: float) -> str:
    scaled = [(1000 * x / last, 1000 * (1 - (min(max(y, low), high) - low) / (high - low))) for x, y in points]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in scaled)


def _ends(points: Sequence[tuple[float, float]]) -> str:
    return f", from {_short(points[0][1])} to {_short(points[-1][1])}"


def _percent(number: float) -> float:
    return round(100 * min(max(number, 0.0), 1.0), 2)


def _short(number: float) -> str:
    return f"{number if abs(number) > 1e-6 else 0:.3g}".replace("-", "−")
