"""What images to pick from, and a result, look like: pictures, bars of class probabilities, or values, as HTML.

Pictures are part of the page (`data:` addresses), so that a change needs one answer of the server and no file.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.explore.explorer import Picked, Result
from pipeline.tables.images import to_pixels

__all__ = ["STYLE", "hex_colour", "plain", "result_html", "thumbnails"]

MOST_CLASSES = 6  # that have bars: the most likely ones before or after
MOST_VALUES = 8

STYLE = """
.shown { display: flex; gap: 14px; align-items: flex-start; }
.shown figure { margin: 0; flex: 0 1 168px; }
.shown img { width: 100%; image-rendering: pixelated; border-radius: 6px; display: block; background: #e3e5e8; }
.shown figcaption { font-size: 13px; margin-top: 7px; line-height: 1.3; }
.shown figure.changed img { outline: 3px solid #c9572f; outline-offset: 1px; }
.bars { display: grid; grid-template-columns: minmax(40px, auto) 170px auto; gap: 7px 10px; align-items: center;
  font-size: 13px; }
.bars .pair { display: grid; gap: 2px; }
.bars .pair i { display: block; height: 9px; min-width: 1px; border-radius: 2px; background: #9aa1ad; }
.bars .pair i.changed { background: #c9572f; }
.bars b, .bars span { font-variant-numeric: tabular-nums; }
.far { margin: 8px 0 0; font-size: 13px; }
.far.outside { color: #b02a12; font-weight: 600; }
.thumbnails { display: grid; grid-template-columns: repeat(8, 1fr); gap: 6px; }
.thumbnails button { padding: 0; border: 3px solid transparent; border-radius: 7px; background: none; cursor: pointer; }
.thumbnails button[aria-pressed=true] { border-color: #c9572f; }
.thumbnails button:focus-visible { outline: 2px solid #2f66b3; }
.thumbnails img { width: 100%; display: block; image-rendering: pixelated; border-radius: 4px; }
"""


def plain(text: str) -> str:
    """Text as HTML shows it; braces too, which Gradio would take for a template."""
    return escape(text).replace("{", "&#123;").replace("}", "&#125;")


def hex_colour(picked: str) -> str:
    """A colour as Gradio's picker gives it, in the form that every part of Python reads.

    Example:
        >>> hex_colour("rgba(255, 12.6, 0, 1)"), hex_colour("#ff0d00")
        ('#ff0d00', '#ff0d00')
    """
    if not picked.startswith("rgb"):
        return picked
    return "#" + "".join(f"{round(float(number)):02x}" for number in re.findall(r"[\d.]+", picked)[:3])


def thumbnails(images: Sequence[NDArray[np.uint8]], chosen: int) -> str:
    """A button an image [H, W, 3] to pick it by, in its order; `chosen` is the number of the one that is picked."""
    buttons = (
        f'<button data-number="{number}" aria-pressed="{str(number == chosen).lower()}">'
        f'<img alt="image {number + 1}" src="{_address(pixels)}"></button>'
        for number, pixels in enumerate(images)
    )
    return f'<div class="thumbnails">{"".join(buttons)}</div>'


def result_html(image: Picked, result: Result, names: Sequence[str] | None, decides: bool) -> str:
    """An image, what the network makes of it, and of its changed code; how far that lies from the training.

    Args:
        image: what was changed.
        result: of it.
        names: of the classes; None: they go by number.
        decides: whether the outputs are probabilities of classes.
    """
    parts = [_picture(image.pixels[0], "the image", "The image")]
    if result.changed.ndim == 4:
        for output, says, caption, kind in (
            (result.unchanged, "what the network makes of it unchanged", "The network: factors as they are", ""),
            (result.changed, "what the network makes of it changed", "The network: factors changed", "changed"),
        ):
            parts.append(_picture(to_pixels(output)[0], says, caption, kind))
    else:
        parts.append(_bars(result, names) if decides else _values(result))
    far = _far(result.distance)
    return f'<div class="shown">{"".join(parts)}</div>{far}'


def _picture(pixels: NDArray[np.uint8], says: str, caption: str, kind: str = "") -> str:
    """A figure of an image [H, W, 3]; `says` is what it is, to who does not see it, and `kind` the figure's class."""
    return (
        f'<figure class="{kind}"><img alt="{says}" src="{_address(pixels)}"><figcaption>{caption}</figcaption></figure>'
    )


def _address(pixels: NDArray[np.uint8]) -> str:
    """An image [H, W, 3] as an address that holds it."""
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG", compress_level=1)
    return f"data:image/png;base64,{b64encode(content.getvalue()).decode()}"


def _bars(result: Result, names: Sequence[str] | None) -> str:
    """A pair of bars a class, before above after; classes in their order, the most likely of them."""
    before, after = result.unchanged[0], result.changed[0]
    likely = np.maximum(before.numpy(), after.numpy())
    chosen = sorted(np.argsort(-likely, kind="stable")[:MOST_CLASSES])
    rows = []
    for number in chosen:
        name = str(number) if names is None else names[number]
        bars = "".join(
            f'<i class="{kind}" style="width: {100 * float(share[number]):.1f}%"></i>'
            for share, kind in ((before, ""), (after, "changed"))
        )
        said = f"{100 * float(before[number]):.0f} % → {100 * float(after[number]):.0f} %"
        weight = "b" if number == int(after.argmax()) else "span"
        rows.append(f'<{weight}>{plain(name)}</{weight}><div class="pair">{bars}</div><span>{said}</span>')
    more = f" The {len(chosen)} likeliest of {len(before)} classes." if len(before) > len(chosen) else ""
    caption = f"Probability of each class: grey, factors as they are; orange, changed.{more}"
    return f'<div><div class="bars">{"".join(rows)}</div><p class="far">{caption}</p></div>'


def _values(result: Result) -> str:
    """The first values before and after."""
    before, after = result.unchanged[0], result.changed[0]
    rows = "".join(
        f"<span>value {number + 1}</span><span>{float(before[number]):.3g}</span><b>→ {float(after[number]):.3g}</b>"
        for number in range(min(MOST_VALUES, len(before)))
    )
    more = f" The first {MOST_VALUES} of {len(before)}." if len(before) > MOST_VALUES else ""
    return f'<div><div class="bars">{rows}</div><p class="far">What the network gives, before → after.{more}</p></div>'


def _far(distance: float) -> str:
    if distance <= 1:
        return f'<p class="far">Within what the map was trained on (distance {distance:.2f} of 1).</p>'
    return (
        f'<p class="far outside">Outside of what the map was trained on (distance {distance:.2g} of 1): what the '
        "network makes of it means little.</p>"
    )
