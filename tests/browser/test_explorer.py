"""The explorer's page in a real browser: each control changes the picture, and nothing else happens."""

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from explore.explorers import explorer_of
from interpret.subjects import parts
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import expect
from tracking.files import free_port

from .conftest import Tab

CHANGED = "#result figure.changed img"


@pytest.fixture(scope="module")
def address(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001
    """A real page on a small map, whose outputs the tests compute themselves."""
    from pipeline.explore.page import launch

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        blocks, address = launch(explorer_of(), "127.0.0.1", free_port())
        yield address
        blocks.close(verbose=False)


@pytest.fixture
def tab(address: str, open_tab: Callable[..., Tab]) -> Iterator[Tab]:
    """The page, just opened; at the end nothing was wrong, and nothing was fetched from elsewhere."""
    tab = open_tab(1280, 900)
    tab.page.goto(address)
    tab.page.wait_for_selector(CHANGED)
    yield tab
    assert tab.errors == []
    assert tab.elsewhere == []
    assert tab.requests


def pixels(tab: Tab, selector: str = CHANGED) -> NDArray[np.uint8]:
    source = tab.page.get_attribute(selector, "src")
    assert source is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))


def after(tab: Tab, action: Callable[[], object]) -> NDArray[np.uint8]:
    """The changed picture once it is another than before the action."""
    before = tab.page.get_attribute(CHANGED, "src")
    action()
    expect(tab.page.locator(CHANGED)).not_to_have_attribute("src", str(before))
    return pixels(tab)


def test_a_slider_changes_the_picture_and_the_button_takes_it_back(tab: Tab) -> None:
    untouched = pixels(tab)
    slider = tab.page.locator("#factor-1 input[type=range]").first
    slider.focus()
    moved = after(tab, lambda: slider.press("End"))  # by the keyboard
    assert slider.input_value() == "3"
    assert np.abs(moved.astype(int) - untouched).max() > 3
    assert not np.array_equal(after(tab, lambda: slider.press("Home")), moved)
    assert np.array_equal(after(tab, tab.page.get_by_role("button", name="Everything as it is").click), untouched)
    expect(slider).to_have_value("0")


def test_a_factor_is_swapped_set_and_drawn(tab: Tab) -> None:
    factor = tab.page.locator("#factor-1")
    seen = [pixels(tab)]
    seen.append(after(tab, factor.get_by_label("of the second image").check))
    factor.get_by_role("combobox", name="the shape to set").click()
    seen.append(after(tab, tab.page.get_by_role("option", name="e", exact=True).click))
    expect(factor.get_by_label("set to")).to_be_checked()
    draw = factor.get_by_role("button", name="Draw")
    seen += [after(tab, draw.click) for _ in range(2)]
    expect(factor.get_by_label("drawn")).to_be_checked()
    assert len({picture.tobytes() for picture in seen}) == len(seen)


def test_a_colour_is_set_by_its_picker(tab: Tab) -> None:
    factor = tab.page.locator("#factor-2")
    after(tab, factor.get_by_label("set to").check)  # red
    factor.locator(".dialog-button").click()
    after(tab, lambda: tab.page.locator(".color-gradient").click(position={"x": 60, "y": 60}))
    expect(tab.page.get_by_role("alert")).to_have_count(0)


def test_another_image_is_picked_and_uploaded(tab: Tab, tmp_path: Path) -> None:
    explorer = explorer_of()
    first = tab.page.locator(".thumbnails").first
    after(tab, first.get_by_role("button").nth(3).click)
    picked = explorer.picked(int(explorer.images[3]))
    assert np.array_equal(pixels(tab, "#result img >> nth=0"), picked.pixels[0])
    own = np.random.default_rng(5).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(own).save(tmp_path / "own.png")
    upload = tab.page.locator("input[type=file]").first
    after(tab, lambda: upload.set_input_files(tmp_path / "own.png"))
    assert np.array_equal(pixels(tab, "#result img >> nth=0"), own)
    expect(first.locator("[aria-pressed=true]")).to_have_attribute("data-number", str(len(explorer.images)))
    after(tab, first.get_by_role("button").nth(1).click)
    after(tab, first.get_by_role("button").last.click)  # the upload is still there
    assert np.array_equal(pixels(tab, "#result img >> nth=0"), own)


def test_beside_the_last_of_many_factors_the_result_is_still_seen(
    open_tab: Callable[..., Tab], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.explore.page import launch

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    many = explorer_of(parts(tuple(f"concept{number}" for number in range(20)), 40))
    blocks, address = launch(many, "127.0.0.1", free_port())
    try:
        tab = open_tab(1280, 700)
        tab.page.goto(address)
        tab.page.wait_for_selector(CHANGED)
        last = tab.page.locator("#factor-0")  # the residual
        last.get_by_role("button").first.click()
        slider = last.locator("input[type=range]").first
        slider.focus()
        after(tab, lambda: slider.press("End"))
        expect(slider).to_be_in_viewport()
        expect(tab.page.locator(CHANGED)).to_be_in_viewport()
        assert tab.errors == []
    finally:
        blocks.close(verbose=False)


@pytest.mark.parametrize("size", [None, (5000, 4001)])
def test_a_wrong_upload_gets_a_sentence(tab: Tab, tmp_path: Path, size: tuple[int, int] | None) -> None:
    path, before = tmp_path / "wrong.png", tab.page.get_attribute(CHANGED, "src")
    message = "wrong.png: no image that can be read"
    if size is None:
        path.write_bytes(b"no image")
    else:
        Image.new("L", size).save(path)
        message = "wrong.png: 5000x4001 pixels, 20 megapixels; accepted are 20 at most"
    tab.page.locator("input[type=file]").first.set_input_files(path)
    expect(tab.page.get_by_role("alert")).to_have_text(f"Not taken: {message}")
    assert tab.page.get_attribute(CHANGED, "src") == before
