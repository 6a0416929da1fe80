"""The picture of a report in README's tour: `python benchmarks/report_picture.py reports/latent.html docs/report.png`.

Needs playwright (`pip install playwright`) and Debian's chromium.
"""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, sync_playwright

SHOWN = (".answer", "#explorer")  # from the one to the other
MARGIN = 20
WIDTH = 1000


def main(page: Path, picture: Path) -> None:
    """Open the page, give the fourth image the first concept of another, and keep what is seen of the explorer."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": 1600}, device_scale_factor=2)
        tab.goto(page.resolve().as_uri())
        tab.evaluate("document.querySelector('nav').remove()")
        tab.locator('input[name="image"][value="3"]').check()
        tab.locator('input[name="donor"][value="4"]').check()
        tab.evaluate("document.activeElement.blur()")
        first, last = (tab.locator(selector).bounding_box() for selector in SHOWN)
        assert first is not None
        assert last is not None
        left, top, bottom = last["x"] - MARGIN, first["y"] - MARGIN, last["y"] + last["height"] + MARGIN
        clip: FloatRect = {"x": left, "y": top, "width": last["width"] + 2 * MARGIN, "height": bottom - top}
        seen = Image.open(BytesIO(tab.screenshot(clip=clip))).convert("RGB")
        browser.close()
    size = (WIDTH, round(seen.height * WIDTH / seen.width))
    seen.resize(size, Image.Resampling.LANCZOS).quantize(256, kmeans=3).save(picture, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
