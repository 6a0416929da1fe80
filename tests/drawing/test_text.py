"""Texts that people choose: in whatever script, and as they are written."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from interpret.subjects import texts
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font
from PIL import Image

from pipeline.drawing import fonts
from pipeline.drawing.fonts import HOUSE_FONT, fonts_for
from pipeline.drawing.sheet import house_style, new_sheet, text_width

FOLDER = Path(matplotlib.get_data_path(), "fonts", "ttf")
OTHER = FOLDER / "STIXGeneral.ttf"  # also ships with matplotlib, and has what the house's font has not
LACKING = "\U000f0000"  # no character at all


def only_in_the_other() -> str:
    """A character that is in OTHER, and in no face of the house's font."""
    return chr(min(set(FT2Font(str(OTHER)).get_charmap()) - fonts._house_characters()))


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    fonts._installed.cache_clear()
    before = list(fontManager.ttflist)
    yield
    fonts._installed.cache_clear()
    fontManager.ttflist[:] = before


def system_has(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: [str(path) for path in paths])


def test_a_text_of_the_houses_font_asks_for_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", None)
    assert fonts_for(["digit", "größe", "цвет", "σ ≥ 1"]) == [HOUSE_FONT]
    assert capsys.readouterr() == ("", "")


def test_a_font_is_found_that_has_what_the_houses_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "damaged.ttf").write_text("no font")
    system_has(monkeypatch, tmp_path / "damaged.ttf", FOLDER / "LastResortHE-Regular.ttf", FOLDER / "cmr10.ttf", OTHER)
    name = f"kind {only_in_the_other()}"
    drawn = {}
    for families in ([HOUSE_FONT], [HOUSE_FONT, "STIXGeneral"]):
        with house_style([name] if len(families) > 1 else ()):
            assert matplotlib.rcParams["font.family"] == families
            sheet = new_sheet(600, 50, name, name)
            sheet.save(tmp_path / "sheet.png")
            drawn[len(families)] = np.asarray(Image.open(tmp_path / "sheet.png")), text_width(name, 9)
    assert drawn[1][1] != drawn[2][1], "the width of a box"
    assert not np.array_equal(drawn[1][0], drawn[2][0])
    assert capfd.readouterr() == ("", "")


def test_what_no_font_has_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    system_has(monkeypatch, FOLDER / "cmr10.ttf")
    with house_style(["digit", LACKING]):
        new_sheet(600, 50, LACKING, "").save(tmp_path / "sheet.png")
    out, err = capfd.readouterr()
    assert out.startswith(f"pictures: no font here has {LACKING} (U+F0000), so boxes stand for them; install a font")
    assert (out.count("\n"), err) == (1, "")


@pytest.mark.parametrize("name", ["US$ and A$", r"$\frac$", r"a \$ price", "$x$", "a_b^2"])
def test_dollars_are_no_mathematics(name: str, tmp_path: Path) -> None:
    with house_style([name]):
        sheet = new_sheet(900, 300, name, name)
        axes = sheet.axes(200, sheet.top + 60, 600, 150)
        axes.set_xticks([0, 1], [name, "b"])
        axes.set_title(name)
        drawn = [text for text in texts(sheet.figure) if text.get_text() == name]
        sheet.save(tmp_path / "sheet.png")
    assert len(drawn) == 4
    assert [text._preprocess_math(name) for text in drawn] == 4 * [(name, False)]  # there is no public call
