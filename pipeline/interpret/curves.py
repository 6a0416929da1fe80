"""Training curves of a flow, as a figure and as a table that `dvc plots` reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pipeline.basis.curves import finished_entries, points
from pipeline.drawing.sheet import CAPTION, INK, MARGIN, MUTED, Sheet, line_height, new_sheet, text_width
from pipeline.errors import InputError

__all__ = ["Curves", "curves_csv", "curves_sheet", "read_curves"]

_TRAIN, _VAL, _RATE, _GAP = "train/pair_nats", "val/pair_nats", "train/learning_rate", "val/probe_gap"
_HELD_OUT, _KEPT = "#1d4f91", "#b4500f"
_WIDTH, _LEFT = 1500, MARGIN + 170
_ROOM = _WIDTH - _LEFT - MARGIN - 120  # of the axes; beside them stand the last values
_HEIGHTS = {"nats": 500, "gap": 190, "rate": 120}
_BETWEEN = line_height(CAPTION) + 20
_FEW = 34  # points of which 3 % is no whole one
_KEPT_BY_GAP = (
    "Of the steps whose gap is level with the highest (how much better a concept is read from its own factor than from "
    "any other) that of the fewest nats is kept"
)
_KEPT_BY_NATS = "The step of the fewest held-out nats is kept"
_STRETCH = 2.0  # how far the scale goes beyond nearly all points, in shares of their range


@dataclass(frozen=True)
class Curves:
    """Points (step, value) [n, 2] of each figure of a training.

    Attributes:
        train: nats a pair, of the training batch.
        val: nats a pair, of held-out pairs, step 0 first.
        learning_rate: of the optimiser.
        gap: `probe/gap` of the validation rows, by ridge probes; no point where no probe can be fitted to them.
        kept: the step that the trained map is of, one of those in `val`.
        start: what the map was at step 0, in words.
    """

    train: NDArray[np.float64]
    val: NDArray[np.float64]
    learning_rate: NDArray[np.float64]
    gap: NDArray[np.float64]
    kept: int
    start: str


def read_curves(path: Path, kept: int, start: str) -> Curves:
    """Read the metrics.jsonl of a flow's folder.

    Args:
        path: of the file.
        kept: the step that the trained map is of.
        start: `flow.start` of that map.

    Raises:
        InputError: if it isn't there, a line is no JSON object with a step, a curve has no point, or the held-out one
            none at step 0 or at the step that was kept.
    """
    entries = finished_entries(path)
    found = {name: points(entries, name) for name in (_TRAIN, _VAL, _RATE, _GAP)}
    if missing := [name for name in (_TRAIN, _VAL, _RATE) if not found[name]]:
        raise InputError(f"{path}: no point of '{missing[0]}'")
    if unseen := [step for step in (0, kept) if step not in dict(found[_VAL])]:
        raise InputError(f"{path}: no point of '{_VAL}' at step {unseen[0]}")
    train, val, rate, gap = (np.array(curve, dtype=np.float64).reshape(-1, 2) for curve in found.values())
    return Curves(train, val, rate, gap, kept, {"closed_form": "the closed form", "random": "a random start"}[start])


def curves_csv(curves: Curves) -> str:
    """One row a validation: its step, the mean training nats since the one before, and the held-out nats.

    Every row is whole, because a plot of a table with holes has none of its lines.
    """
    lines = ["step,train_pair_nats,val_pair_nats"]
    before = 0.0
    for step, value in curves.val:
        since = (curves.train[:, 0] > before) & (curves.train[:, 0] <= step)
        if since.any():
            lines.append(f"{int(step)},{curves.train[since, 1].mean():.6f},{value:.6f}")
        before = step
    return "\n".join(lines) + "\n"


def curves_sheet(curves: Curves, *, shared: bool = True) -> Sheet:
    """Training and held-out nats a pair, `probe/gap` of the validation rows, and the learning rate, below each other;
    what the flow started as is said, and the step that was kept marked. `shared`: whether pairs share a concept."""
    panels = [name for name in _HEIGHTS if name != "gap" or len(curves.gap)]
    sheet = new_sheet(
        _WIDTH,
        sum(_HEIGHTS[name] + _BETWEEN for name in panels) + 80,
        "How the flow learned",
        f"Negative log-likelihood of a pair of images{' that share one concept' if shared else ''}; less is better. "
        "Held-out pairs are of images that the flow was not trained on, without the noise of train.input_noise, and "
        "are measured with the moving average of its parameters, where train.ema_decay keeps one. Where that curve "
        f"rises while the other falls, the flow overfits. {_KEPT_BY_GAP if shared else _KEPT_BY_NATS}, if it is not "
        "surely worse than a Gaussian.",
    )
    tops = dict(zip(panels, np.cumsum([sheet.top, *(_HEIGHTS[name] + _BETWEEN for name in panels)]), strict=False))
    axes = {name: sheet.axes(_LEFT, tops[name] + _BETWEEN, _ROOM, _HEIGHTS[name]) for name in panels}
    few: dict[str, Any] = {"marker": "o", "ms": 4} if len(curves.train) < 5 else {}  # a single point is no line
    _draw_nats(axes["nats"], curves, few)
    if "gap" in axes:
        _draw_gap(axes["gap"], curves)
    rate = axes["rate"]
    rate.plot(*curves.learning_rate.T, color=MUTED, lw=1.2, **few, clip_on=not few)
    rate.set_ylim(0, 1.15 * curves.learning_rate[:, 1].max())
    rate.set_ylabel("learning\nrate")
    rate.set_xlabel("training step", color=INK)
    for panel in axes.values():
        panel.set_xlim(0, curves.train[-1, 0])
        panel.locator_params(axis="x", integer=True)
        panel.tick_params(labelbottom=panel is rate)
    sheet.text(f"step 0, {curves.start}: {_figures(curves, 0)}", _LEFT, tops["nats"], color=_HELD_OUT)
    kept = f"kept: step {curves.kept:,}{'' if curves.kept else f', {curves.start}'} ({_figures(curves, curves.kept)})"
    wide = text_width(kept, CAPTION, "bold")
    place = _LEFT + _ROOM * curves.kept / curves.train[-1, 0] - wide / 2
    place = min(max(place, _LEFT), _WIDTH - MARGIN - wide)
    sheet.text(kept, place, tops[panels[1]] + 12, color=_KEPT, fontweight="bold")
    return sheet


def _draw_nats(axes: Axes, curves: Curves, few: dict[str, Any]) -> None:
    """Nats of training batches and of held-out pairs; a triangle for each of those above the scale."""
    low, high = _scale(curves)
    margin = 0.06 * ((high - low) or 1.0)
    top = high + margin
    clip = {"clip_on": False} if few and curves.train[:, 1].max() <= top else {}
    axes.plot(*curves.train.T, color="#9db8dd", lw=1.2, label="training batch", **few, **clip)
    beyond = curves.val[curves.val[:, 1] > top]
    held_out: dict[str, Any] = {"color": _HELD_OUT, "zorder": 3}
    inside = curves.val[curves.val[:, 1] <= top]
    axes.plot(*curves.val.T, lw=2, label="held-out pairs", **held_out)
    axes.plot(*inside.T, "o", ms=4, clip_on=False, **held_out)
    if len(beyond):
        at = np.full(len(beyond), top)
        axes.plot(beyond[:, 0], at, "^", ms=7, clip_on=False, label="held-out pairs above the scale", **held_out)
    axes.set_ylim(low - margin, top)
    axes.set_ylabel("nats a pair")
    _finish(axes, curves, curves.val, top)
    place = "best" if _in_the_corner(curves, low, high) else "upper right"
    axes.legend(loc=place, frameon=True, facecolor="white", edgecolor="white", framealpha=1)
    _say_last(axes, curves.val, _short(curves.val[-1, 1]), top)


def _draw_gap(axes: Axes, curves: Curves) -> None:
    """`probe/gap` of the validation rows."""
    axes.plot(*curves.gap.T, color=_HELD_OUT, lw=2, marker="o", ms=4, clip_on=False, zorder=3)
    axes.margins(y=0.12)
    axes.locator_params(axis="y", nbins=4)
    axes.set_ylabel("probe/gap,\nvalidation")
    _finish(axes, curves, curves.gap, axes.get_ylim()[1])
    _say_last(axes, curves.gap, f"{curves.gap[-1, 1]:.2f}".replace("-", "−"), axes.get_ylim()[1])


def _finish(axes: Axes, curves: Curves, curve: NDArray[np.float64], top: float) -> None:
    """Lines behind a panel, and the mark of the step that was kept."""
    axes.axvline(curves.kept, color=_KEPT, lw=1.4, ls=(0, (4, 3)), zorder=2.6, clip_on=False)
    value = min(dict(curve)[curves.kept], top)
    axes.plot([curves.kept], [value], "o", ms=9, mfc="none", mec=_KEPT, mew=1.6, clip_on=False, zorder=4)
    axes.grid(axis="y", color="#e6e8ec", lw=0.8)
    axes.set_axisbelow(True)


def _say_last(axes: Axes, curve: NDArray[np.float64], said: str, top: float) -> None:
    """The last value of a curve, beside the axes."""
    axes.annotate(
        said, (curve[-1, 0], min(curve[-1, 1], top)), (10, 0), textcoords="offset points", va="center", color=_HELD_OUT,
        fontweight="bold", annotation_clip=False,
    )  # fmt: skip


def _figures(curves: Curves, step: int) -> str:
    """What held-out rows say of a step, in words."""
    gaps = dict(curves.gap)
    gap = f", gap {gaps[step]:.2f}".replace("-", "−") if step in gaps else ""
    return f"{_short(dict(curves.val)[step])} nats{gap}"


def _short(nats: float) -> str:
    """One digit after the point, as far as there is room beside the axes."""
    return (f"{nats:.1f}" if abs(nats) < 1e5 else f"{nats:.2g}").replace("-", "−")


def _scale(curves: Curves) -> tuple[float, float]:
    """The lowest and the highest nats that the figure has room for.

    Nearly all points of the training batches, and of the held-out pairs before they overfit, set the scale. Those
    farther away stretch it to five times as much at most: more would make a line of all else. The start, before any
    step, may raise it by a quarter; one that is far above is said in words, and none is below it, nor the kept step.
    """
    held_out = curves.val[curves.val[:, 0] > 0, 1]
    values = np.concatenate((curves.train[:, 1], held_out[held_out <= held_out[0]]))
    lower, upper = np.quantile(values, (0.03, 0.97))
    room = _STRETCH * (upper - lower)
    highest = values.max() if len(values) < _FEW else held_out.max()  # the share left out is less than a point
    start = curves.val[0, 1]
    low = min(max(values.min(), lower - room), start, dict(curves.val)[curves.kept])
    high = max(upper, min(highest, upper + room))
    return float(low), float(max(high, start) if start < high + (high - low) / 4 else high)


def _in_the_corner(curves: Curves, low: float, high: float) -> bool:
    """Whether a curve runs where the legend usually stands, in the upper right."""
    points = np.concatenate((curves.train, curves.val))
    last = curves.train[-1, 0]
    return bool(((points[:, 0] > 0.6 * last) & (points[:, 1] > low + 0.7 * (high - low))).any())
