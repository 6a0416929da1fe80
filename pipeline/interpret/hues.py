"""Colours for the values of a concept, so that points can be told apart by what they show, and what to call them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import color_sequences, colormaps
from matplotlib.colors import is_color_like, to_hex, to_rgb
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pipeline.interpret.subject import Target

__all__ = ["Hues", "hues_of"]

_FEW, _SOME = 10, 20  # classes that a table of colours tells apart; of more the colours shade into each other
_SAMPLES = 6  # values that a legend shows of what is continuous

Colours = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Hues:
    """Colours of some rows.

    Attributes:
        colours: of each row [n, 3], in 0 … 1.
        legend: names of values with the colour of each, in their order; empty: the colour is the value itself.
        said: how a value becomes a colour, where the legend does not hold each.
    """

    colours: Colours
    legend: Sequence[tuple[str, str]]
    said: str = ""


def hues_of(target: "Target", names: Sequence[str] | None = None) -> Hues:
    """Colours of the rows by a concept.

    A colour has itself: a value of three numbers in 0 … 1 is taken for RGB, and so are classes that are all named like
    colours. Other classes have a table of colours, or where they are many a scale in their order; other values a scale
    along their largest spread.

    Args:
        target: classes [n], or values [n, D].
        names: of the classes; None: they go by their number.
    """
    if target.ndim == 1:
        return _of_classes(np.asarray(target, np.int64), names)
    values = np.asarray(target, np.float64)
    if values.shape[1] == 3 and values.min() >= 0 and values.max() <= 1:
        return Hues(values, (), "each point in its own colour")
    centred = values - values.mean(axis=0)
    along = values[:, 0] if values.shape[1] == 1 else centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    low, high = np.quantile(along, (0.01, 0.99))  # so that one value far out does not take the whole scale
    scale = colormaps["viridis"]
    colours = scale(np.clip((along - low) / max(high - low, np.finfo(float).tiny), 0, 1))[:, :3]
    samples = np.linspace(0, 1, _SAMPLES)
    called = _told_apart([float(low + share * (high - low)) for share in samples])
    legend = [(name, to_hex(scale(share))) for name, share in zip(called, samples, strict=True)]
    return Hues(colours, legend, "" if values.shape[1] == 1 else "along the direction in which it varies most")


def _told_apart(values: Sequence[float]) -> list[str]:
    """Evenly spaced values with as many decimals as tell them apart, two at least."""
    step = abs(values[1] - values[0])
    places = max(2, 1 - int(np.floor(np.log10(step)))) if step > 0 else 2
    return [f"{value:.{places}f}".replace("-", "−") for value in values]


def _of_classes(classes: NDArray[np.int64], names: Sequence[str] | None) -> Hues:
    num = int(max(classes.max() + 1, 0 if names is None else len(names)))
    called = [str(number) for number in range(num)] if names is None else list(names)
    if names is not None and all(is_color_like(name) for name in names):
        table = np.array([to_rgb(name) for name in names])
    elif num <= _SOME:
        table = np.array(color_sequences["tab10" if num <= _FEW else "tab20"])[:num]
    else:
        table = colormaps["turbo"](np.linspace(0, 1, num))[:, :3]
    shown = np.linspace(0, num - 1, num if num <= _SOME else _SAMPLES).round().astype(int)
    said = "" if num <= _SOME else f"{num} values, in their order"
    return Hues(table[classes], [(called[number], to_hex(table[number])) for number in shown], said)
