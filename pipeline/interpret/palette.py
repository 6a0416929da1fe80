"""Words and colours for factors, the same in every figure."""

from collections.abc import Sequence

from matplotlib.colors import to_hex, to_rgb

from pipeline.layout import RESIDUAL, Layout

__all__ = ["colour_of", "listed", "spoken", "tint", "titled"]

_GREY = "#858b96"
_COLOURS = ("#2f66b3", "#c9572f", "#3b8a5a", "#7f56a8", "#a8842c", "#2b8c96", "#b04a78")


def colour_of(layout: Layout, factor: str) -> str:
    """Grey for the residual, one colour a concept, repeated after seven."""
    number = layout.index(factor)
    return _GREY if number == 0 else _COLOURS[(number - 1) % len(_COLOURS)]


def tint(colour: str, share: float) -> str:
    """`colour` mixed with white; `share` of the colour is left."""
    return to_hex([1 - share * (1 - channel) for channel in to_rgb(colour)])


def spoken(name: str) -> str:
    """A column's name as words: `no_beard` is "no beard"."""
    return name.replace("_", " ")


def titled(name: str) -> str:
    """The same at the beginning of a sentence."""
    words = spoken(name)
    return words[:1].upper() + words[1:]


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, each with its article, the residual as what it is: everything else."""
    words = ["everything else" if name == RESIDUAL else f"the {spoken(name)}" for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
