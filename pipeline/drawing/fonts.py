"""Fonts for the names that people give their concepts and classes, in whatever script they write them.

The house's font has Latin, Greek, Cyrillic, Hebrew and Arabic. Only where a text needs another is one looked for, so
that no other picture depends on what a system has installed.
"""

import logging
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

__all__ = ["HOUSE_FONT", "fonts_for"]

HOUSE_FONT = "DejaVu Sans"  # ships with matplotlib
_HOUSE_FILES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
_PLAIN = ("Regular", "Book", "Roman")
_NOTHING = ("Last Resort", "LastResort", "Adobe Blank")  # have a glyph for every character, the same for all
_SHOWN = 10  # characters in a line


def fonts_for(texts: Iterable[str]) -> list[str]:
    """Families that together have the characters of some texts, the house's first.

    A line names the characters that no font here has.
    """
    missing = {ord(character) for text in texts for character in text if not character.isspace()} - _house_characters()
    families = [HOUSE_FONT]
    fonts = _installed() if missing else {}
    while path := _best(fonts, missing):
        font_manager.fontManager.addfont(path)  # its own list is kept on disk, and may be older than the font
        families.append(str(FT2Font(path).family_name))
        missing -= fonts[path]
    if len(families) > 1:
        logging.getLogger(font_manager.__name__).setLevel(logging.ERROR)  # such a font need not have a bold face
    if missing:
        shown = ", ".join(f"{chr(code)} (U+{code:04X})" for code in sorted(missing)[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        print(
            f"pictures: no font here has {shown}{more}, so boxes stand for them; install a font that has them, such as "
            "Debian's fonts-noto-cjk for Chinese, Japanese and Korean",
            flush=True,
        )
    return families


def _best(fonts: Mapping[str, frozenset[int]], missing: set[int]) -> str | None:
    """The path of the font that has most of some characters, the first of equal ones; None where none has any."""
    counts = {path: len(characters & missing) for path, characters in fonts.items()}
    best = max(counts, key=lambda path: counts[path], default=None)
    return best if best is not None and counts[best] else None


@cache
def _house_characters() -> frozenset[int]:
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    plain, bold = (frozenset(FT2Font(str(folder / name)).get_charmap()) for name in _HOUSE_FILES)
    return plain & bold


@cache
def _installed() -> dict[str, frozenset[int]]:
    """Characters of each font of the system that can be drawn in any size, by its path; plain faces come first."""
    fonts = {}
    for path in font_manager.findSystemFonts():
        try:
            font = FT2Font(path)
        except (OSError, RuntimeError):  # damaged, or of no kind that can be read
            continue
        if font.scalable and not font.family_name.startswith(_NOTHING):
            fonts[font.style_name not in _PLAIN, path] = frozenset(font.get_charmap())
    return {path: characters for (_, path), characters in sorted(fonts.items(), key=lambda item: item[0])}
