"""Words and colours for factors, the same in every figure."""

from matplotlib.colors import to_hex, to_rgb

from pipeline.layout import RESIDUAL, Layout

__all__ = ["HEADER", "colour_of", "decimals", "kept_and_taken", "spoken", "tint", "titled"]

_GREY = "#858b96"
HEADER = "#e3e5e8"  # behind real images
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


def decimals(number: float) -> str:
    """Two decimals, with a minus sign rather than a hyphen."""
    return f"{number:.2f}".replace("-", "−")


def titled(name: str) -> str:
    """The same at the beginning of a sentence."""
    words = spoken(name)
    return words[:1].upper() + words[1:]


def kept_and_taken(layout: Layout, factor: str) -> tuple[str, str, str]:
    """What an edit of `factor` keeps, in full and in short, and what it changes, in words.

    Example:
        >>> kept_and_taken(Layout.of(["digit", "colour"], [2, 1, 1]), "digit")
        ('everything but the digit', 'everything else', 'the digit')
        >>> kept_and_taken(Layout.of(["digit", "colour"], [2, 1, 1]), "residual")
        ('the digit and the colour', 'the digit and the colour', 'everything else')
    """
    if factor == RESIDUAL:
        if len(layout.concepts) > 2:
            names = ", ".join(spoken(name) for name in layout.concepts)
            return f"all concepts ({names})", "all concepts", "everything else"
        kept = " and ".join(f"the {spoken(name)}" for name in layout.concepts)
        return kept, kept, "everything else"
    return f"everything but the {spoken(factor)}", "everything else", f"the {spoken(factor)}"
