"""A picture of a sweep: what each trial reached, against its depth and against the size of each factor."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from pipeline.drawing.palette import spoken
from pipeline.drawing.sheet import MARGIN, MUTED, Sheet, new_sheet
from pipeline.scores.statistics.score import PAIR_NATS, PROBE_GAP
from pipeline.tuning.flow_file import FlowChoice, Trial

__all__ = ["sweep_sheet"]

_CHOSEN, _OTHER = "#b4500f", "#2f66b3"
_PANEL, _BETWEEN, _HEIGHT, _LEFT = 300, 24, 340, 110  # pixels
_MOST = 6  # panels; of more factors the first are drawn
_FEW = 5  # values of which each has its tick


def sweep_sheet(choice: FlowChoice) -> Sheet | None:
    """`probe/gap` of each trial, or its nats where no gap was measured; None where no trial has either.

    Args:
        choice: a sweep of at least one trial.
    """
    by_gap = any(trial.probe_gap is not None for trial in choice.trials)
    drawn = [trial for trial in choice.trials if _score(trial, by_gap) is not None]
    if not drawn:
        return None
    names = choice.candidate.layout.names[: _MOST - 1]
    panels = {"blocks": [float(trial.candidate.settings["num_blocks"]) for trial in drawn]}
    for name in names:
        sizes = [trial.candidate.layout for trial in drawn]
        panels[f"size of {spoken(name)}"] = [float(layout.sizes[layout.index(name)]) for layout in sizes]
    what, better = (PROBE_GAP, "higher") if by_gap else (PAIR_NATS, "lower")
    sheet = new_sheet(
        2 * MARGIN + _LEFT + len(panels) * (_PANEL + _BETWEEN),
        _HEIGHT + 110,
        "What the sweep tried, and what it reached",
        f"{what} on the validation rows, {better} is better; bars are 95 % intervals, numbers are those of the trials. "
        f"Orange: trial {choice.chosen}, which was chosen{_because(choice)}.",
    )
    for number, (heading, places) in enumerate(panels.items()):
        axes = sheet.axes(MARGIN + _LEFT + number * (_PANEL + _BETWEEN), sheet.top + 20, _PANEL, _HEIGHT)
        _draw(axes, places, drawn, by_gap, choice.chosen)
        axes.set_xlabel(heading)
        if number == 0:
            axes.set_ylabel(what)
        axes.tick_params(labelleft=number == 0)
    return sheet


def _because(choice: FlowChoice) -> str:
    return f", {choice.reason}" if choice.reason else ""


def _score(trial: Trial, by_gap: bool) -> float | None:
    return trial.probe_gap if by_gap else trial.pair_nats


def _draw(axes: Axes, places: Sequence[float], trials: Sequence[Trial], by_gap: bool, chosen: int | None) -> None:
    """A point a trial, those of one place beside each other; the chosen one on top."""
    low, high = min(places), max(places)
    span = (high - low) or 2.0
    for number, trial in sorted(enumerate(trials), key=lambda pair: pair[1].number == chosen):
        score = _score(trial, by_gap)
        if score is None:
            continue
        alike, before = places.count(places[number]), places[:number].count(places[number])
        place = places[number] + min(0.05, 0.3 / alike) * span * (before - (alike - 1) / 2)
        colour = _CHOSEN if trial.number == chosen else _OTHER
        if by_gap and trial.gap_low is not None and trial.gap_high is not None:
            axes.vlines(place, trial.gap_low, trial.gap_high, color=colour, lw=1.2)
        axes.plot([place], [score], "o", ms=6, color=colour)
        beside: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8, "color": colour}
        axes.annotate(str(trial.number), (place, score), (6, 0), **beside)
    axes.set_xlim(low - 0.25 * span, high + 0.25 * span)
    if len(set(places)) <= _FEW:
        axes.set_xticks(sorted(set(places)), [f"{place:g}" for place in sorted(set(places))])
    else:
        axes.locator_params(axis="x", integer=True, nbins=_FEW)
    axes.tick_params(labelcolor=MUTED)
    axes.grid(axis="y", color="#e6e8ec", lw=0.8)
    axes.set_axisbelow(True)
