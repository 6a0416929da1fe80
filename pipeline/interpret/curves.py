"""Training curves of a flow, as a figure and as a table that `dvc plots` reads."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.basis.curves import finished_entries, points
from pipeline.drawing.sheet import INK, MARGIN, MUTED, Sheet, new_sheet
from pipeline.errors import InputError

__all__ = ["Curves", "curves_csv", "curves_sheet", "read_curves"]

_TRAIN, _VAL, _RATE = "train/pair_nats", "val/pair_nats", "train/learning_rate"
_HELD_OUT = "#1d4f91"
_FEW = 34  # points of which 3 % is no whole one
_STRETCH = 2.0  # how far the scale goes beyond nearly all points, in shares of their range


@dataclass(frozen=True)
class Curves:
    """Points (step, value) [n, 2] of each figure of a training.

    Attributes:
        train: nats a pair, of the training batch.
        val: nats a pair, of held-out pairs.
        learning_rate: of the optimiser.
    """

    train: NDArray[np.float64]
    val: NDArray[np.float64]
    learning_rate: NDArray[np.float64]


def read_curves(path: Path) -> Curves:
    """Read the metrics.jsonl of a flow's folder.

    Raises:
        InputError: if it isn't there, a line is no JSON object with a step, or a curve has no point.
    """
    entries = finished_entries(path)
    # without the start, at step 0, whose nats would set the scale of all the others
    curves = {name: points(entries[entries[0]["step"] == 0 :], name) for name in (_TRAIN, _VAL, _RATE)}
    missing = [name for name, curve in curves.items() if not curve]
    if missing:
        raise InputError(f"{path}: no point of '{missing[0]}'")
    return Curves(*(np.array(curve, dtype=np.float64) for curve in curves.values()))


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


def curves_sheet(curves: Curves) -> Sheet:
    """Training and held-out nats a pair, and the learning rate below."""
    width, left = 1500, MARGIN + 170
    sheet = new_sheet(
        width,
        840,
        "How the flow learned",
        "Negative log-likelihood of a pair of images that share one concept; less is better. Held-out pairs are of "
        "images that the flow was not trained on, and are measured with the moving average of its parameters, where "
        "train.ema_decay keeps one. Where that curve rises while the other falls, the flow overfits.",
    )
    room = width - left - MARGIN - 120
    main = sheet.axes(left, sheet.top + 10, room, 560)
    low, high = _scale(curves)
    margin = 0.06 * ((high - low) or 1.0)
    top = high + margin
    few: dict[str, Any] = {"marker": "o", "ms": 4} if len(curves.train) < 5 else {}  # a single point is no line
    few |= {"clip_on": False} if few and curves.train[:, 1].max() <= top else {}
    main.plot(*curves.train.T, color="#9db8dd", lw=1.2, label="training batch", **few)
    beyond = curves.val[curves.val[:, 1] > top]
    held_out: dict[str, Any] = {"color": _HELD_OUT, "zorder": 3}
    main.plot(*curves.val.T, lw=2, marker="o", ms=4, clip_on=len(beyond) > 0, label="held-out pairs", **held_out)
    if len(beyond):
        at = np.full(len(beyond), top)
        main.plot(beyond[:, 0], at, "^", ms=7, clip_on=False, label="held-out pairs above the scale", **held_out)
    main.set_ylim(low - margin, top)
    main.set_ylabel("nats a pair")
    main.tick_params(labelbottom=False)
    main.grid(axis="y", color="#e6e8ec", lw=0.8)
    main.set_axisbelow(True)
    place = "best" if _in_the_corner(curves, low, high) else "upper right"
    main.legend(loc=place, frameon=True, facecolor="white", edgecolor="white", framealpha=1)
    step, value = curves.val[-1]
    main.annotate(
        _short(value), (step, min(value, top)), (10, 0), textcoords="offset points", va="center", color=_HELD_OUT,
        fontweight="bold", annotation_clip=False,
    )  # fmt: skip
    rate = sheet.axes(left, sheet.top + 620, room, 140)
    rate.plot(*curves.learning_rate.T, color=MUTED, lw=1.2, **few)
    rate.set_ylim(0, 1.15 * curves.learning_rate[:, 1].max())
    rate.set_ylabel("learning\nrate")
    rate.set_xlabel("training step", color=INK)
    for axes in (main, rate):
        axes.set_xlim(0, curves.train[-1, 0])
        axes.locator_params(axis="x", integer=True)
    return sheet


def _short(nats: float) -> str:
    """One digit after the point, as far as there is room beside the axes."""
    return (f"{nats:.1f}" if abs(nats) < 1e5 else f"{nats:.2g}").replace("-", "−")


def _scale(curves: Curves) -> tuple[float, float]:
    """The lowest and the highest nats that the figure has room for.

    Nearly all points of the training batches, and of the held-out pairs before they overfit, set the scale. Those
    farther away stretch it to five times as much at most: more would make a line of all else.
    """
    held_out = curves.val[:, 1]
    values = np.concatenate((curves.train[:, 1], held_out[held_out <= held_out[0]]))
    lower, upper = np.quantile(values, (0.03, 0.97))
    room = _STRETCH * (upper - lower)
    highest = values.max() if len(values) < _FEW else held_out.max()  # the share left out is less than a point
    return float(max(values.min(), lower - room)), float(max(upper, min(highest, upper + room)))


def _in_the_corner(curves: Curves, low: float, high: float) -> bool:
    """Whether a curve runs where the legend usually stands, in the upper right."""
    points = np.concatenate((curves.train, curves.val))
    last = curves.train[-1, 0]
    return bool(((points[:, 0] > 0.6 * last) & (points[:, 1] > low + 0.7 * (high - low))).any())
