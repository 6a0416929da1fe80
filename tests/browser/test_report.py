"""A report in a real browser: on a phone, by mouse and by keyboard, and in a frame as MLflow's page has it."""

import base64
import json
import re
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from interpret.subjects import parts
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import FrameLocator, Page, expect
from report.pages import decided_page, drawn_page

from .conftest import Tab

SLIDE, SAMPLE, WALK = 8, 8 + 2 * 9, 8 + 2 * 9 + 8  # where the columns of each kind begin, after eight donors


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drawn") / "shape & hue.html"
    path.write_text(drawn_page(path.parent))
    return path


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("decided") / "report.html"
    path.write_text(decided_page(path.parent))
    return path


@pytest.fixture(scope="module")
def long_named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As long as a concept's name may be, in one word."""
    path = tmp_path_factory.mktemp("long") / "report.html"
    path.write_text(drawn_page(path.parent, parts(("w" * 80, "hue"))))
    return path


@pytest.fixture
def opened(open_tab: Callable[..., Tab], drawn: Path) -> Tab:
    tab = open_tab()
    tab.page.goto(drawn.as_uri())
    return tab


def sprite(path: Path, name: str) -> NDArray[np.uint8]:
    found = re.search(rf"\.s-{name}{{background-image:url\(data:image/webp;base64,([^)]*)\)", path.read_text())
    assert found is not None
    return np.asarray(Image.open(BytesIO(base64.b64decode(found[1]))).convert("RGB"))


def shows(page: Page | FrameLocator, path: Path, factor: int, image: int, column: int) -> None:
    """The picture after the edit is this one of the sprite, in every one of its pixels that is looked at.

    A browser paints a picture when it has decoded it, which on a busy machine is not at once.
    """
    tile = page.locator("#shown-after")
    table = sprite(path, f"edits-{factor}")[image * 32 : (image + 1) * 32, column * 32 : (column + 1) * 32]
    rows, columns = np.array([(4, 5), (16, 16), (10, 27), (25, 9)]).T
    until = time.monotonic() + 10
    while True:
        seen = np.asarray(Image.open(BytesIO(tile.screenshot())).convert("RGB"))
        height, width = seen.shape[:2]
        shown = seen[((rows + 0.5) * height / 32).astype(int), ((columns + 0.5) * width / 32).astype(int)]
        off = np.abs(shown.astype(int) - table[rows, columns]).max()
        if off <= 2 or time.monotonic() > until:
            break
    assert off <= 2, f"edit {factor}, {image}, {column}"


def choose(page: Page | FrameLocator, name: str, value: int | str) -> None:
    """By a click on what a person sees of the button, as the button itself lies on it."""
    page.locator(f'input[name="{name}"][value="{value}"]').check()


def test_by_mouse_every_choice_shows_its_picture(opened: Tab, drawn: Path) -> None:
    page = opened.page
    shows(page, drawn, 1, 0, 0)
    choose(page, "image", 3)
    shows(page, drawn, 1, 3, 0)
    choose(page, "factor", 2)
    choose(page, "donor", 5)
    shows(page, drawn, 2, 3, 5)
    choose(page, "kind", "slide")
    shows(page, drawn, 2, 3, SLIDE + 4)
    choose(page, "direction", 1)
    box = page.locator("#position").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    shows(page, drawn, 2, 3, SLIDE + 9 + 8)
    choose(page, "kind", "sample")
    choose(page, "draw", 2)
    shows(page, drawn, 2, 3, SAMPLE + 2)
    choose(page, "kind", "walk")
    box = page.locator("#step").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    shows(page, drawn, 2, 3, WALK + 7)
    choose(page, "factor", 0)
    shows(page, drawn, 0, 3, WALK + 7)
    expect(page.locator("#kind-set")).to_be_hidden()  # the rest has no values
    choose(page, "factor", 1)
    choose(page, "kind", "set")
    page.get_by_role("radio", name="b <c>").check()
    first = json.loads(page.locator("#data").inner_text())["factors"][1]["columns"]["set"][0]
    shows(page, drawn, 1, 3, first + 1)
    assert "set to b <c>." in page.locator("#said").inner_text()
    choose(page, "factor", 0)
    choose(page, "donor", 2)
    shows(page, drawn, 0, 3, 2)
    assert page.get_by_role("radio", name="take it from another image").is_checked()
    assert opened.errors == []
    assert opened.requests[0] == drawn.as_uri()
    assert [address for address in opened.requests[1:] if not address.startswith("data:")] == []


def test_by_keyboard_too(opened: Tab, drawn: Path) -> None:
    page = opened.page
    page.locator('input[name="image"]').first.focus()
    page.keyboard.press("ArrowRight")
    shows(page, drawn, 1, 1, 0)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    shows(page, drawn, 2, 1, 0)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    shows(page, drawn, 2, 1, 1)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    assert page.locator("#position").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    shows(page, drawn, 2, 1, SLIDE + 3)
    focused = page.evaluate("document.activeElement.id")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert (focused, outline) == ("position", "solid"), "the focus is not seen"
    assert page.locator("#position").get_attribute("aria-valuetext") == "−1"


def test_a_screen_reader_is_told_what_is_seen(opened: Tab) -> None:
    page = opened.page
    data = json.loads(page.locator("#data").inner_text())
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input, [role="img"], [role="region"]')].filter((element) =>
            !(element.getAttribute('aria-label') || '').trim() && !(element.labels?.[0]?.innerText || '').trim()
        ).map((element) => element.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    assert page.locator("#said").get_attribute("aria-live") == "polite"
    before = page.locator("#said").inner_text()
    choose(page, "donor", 3)
    said = page.locator("#said").inner_text()
    assert said != before
    assert f"shape taken from donor 4 ({data['factors'][1]['donors'][3]})" in said
    seen = data["factors"][1]["seen"][0]
    assert f"shape {seen['words'][seen['rows'][3]]}" in said
    label = page.locator("#shown-after").get_attribute("aria-label")
    assert label is not None
    assert label.startswith(f"After the edit: shape {seen['words'][seen['rows'][3]]}, hue ")
    assert page.get_by_role("radio", name="take it from another image").is_checked()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["drawn", "decided", "long_named"])
def test_a_phone_needs_no_sideways_scroll(
    open_tab: Callable[..., Tab], request: pytest.FixtureRequest, which: str, scheme: str
) -> None:
    tab = open_tab(width=390, height=844, color_scheme=scheme)
    tab.page.goto(request.getfixturevalue(which).as_uri())
    for details in tab.page.locator("details").all():
        details.evaluate("(element) => { element.open = true; }")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = tab.page.evaluate(
        """() => [...document.querySelectorAll('body *')]
            .filter((element) => !element.closest('.scroll, pre, .skip, svg'))
            .filter((element) => element.getBoundingClientRect().right > 391)
            .map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert wide == []
    paper = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = tab.page.evaluate("getComputedStyle(document.body).color")
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (paper, ink)]
    assert (brightness[0] > brightness[1]) == (scheme == "light")
    assert tab.errors == []


def test_bars_of_decisions_follow_the_choices(open_tab: Callable[..., Tab], decided: Path) -> None:
    tab = open_tab()
    page = tab.page
    page.goto(decided.as_uri())
    data = json.loads(page.locator("#data").inner_text())
    choose(page, "factor", 2)
    choose(page, "image", 1)
    choose(page, "kind", "sample")
    choose(page, "draw", 4)
    columns = len(data["factors"][2]["outside"][0])
    expected = data["factors"][2]["bars"][columns + SAMPLE + 4]
    assert [bar.get_attribute("style") for bar in page.locator("#shown-bars .fill").all()] == [
        f"width: {number / 10:g}%;" for number in expected
    ]
    label = page.locator("#shown-bars .track").first.get_attribute("aria-label")
    before = data["numbers"]["before"][1][0]
    assert label == f"{data['numbers']['labels'][0]}: {before / 10:.0f} % before, {expected[0] / 10:.0f} % after"
    assert "The decision" in page.locator("#said").inner_text()
    assert tab.errors == []


FRAMES = {
    "srcdoc": "frame.srcdoc = page",
    "blob": "frame.src = URL.createObjectURL(new Blob([page], {type: 'text/html'}))",  # as MLflow has it
}


@pytest.mark.parametrize("how", FRAMES)
def test_it_works_in_the_frame_of_mlflows_page(open_tab: Callable[..., Tab], drawn: Path, how: str) -> None:
    """A sandbox of scripts alone: no storage, no origin, no way out."""
    tab = open_tab(width=900, height=900)
    tab.page.goto("about:blank")
    tab.page.evaluate(
        f"""(page) => {{
            const frame = document.createElement("iframe");
            frame.setAttribute("sandbox", "allow-scripts");
            Object.assign(frame, {{ width: 800, height: 800 }});
            {FRAMES[how]};
            document.body.append(frame);
        }}""",
        drawn.read_text(),
    )
    frame = tab.page.frame_locator("iframe")
    choose(frame, "factor", 2)
    choose(frame, "donor", 4)
    shows(frame, drawn, 2, 0, 4)
    frame.get_by_role("link", name="All scores").click()
    frame.locator("#scores").evaluate(
        """async (element) => {
            while (element.getBoundingClientRect().top > innerHeight) await new Promise(requestAnimationFrame);
        }"""
    )
    choose(frame, "image", 2)
    shows(frame, drawn, 2, 2, 4)
    assert tab.errors == []
    assert tab.elsewhere == []
