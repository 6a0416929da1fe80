"""How long the explorer takes for a change, from the slider's event to the changed picture; and a picture of its page.

    python benchmarks/explorer.py                                # in a project with a trained map
    python benchmarks/explorer.py --picture docs/explore.png

The page is served by a process of its own, as `python -m pipeline.explore` does it, and driven in Chromium (Debian's,
with playwright of extra `dev`), which shares the machine's cores with it.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil
import torch
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from pipeline.entry import run
from pipeline.errors import InputError
from pipeline.explore.explorer import Change, Explorer
from pipeline.params import load_params
from pipeline.places import Places

CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1280, 900
CHANGES = 60

# one change: milliseconds from the event of a slider to the picture in the page
CHANGE = """
(value) => new Promise((done) => {
  const slider = document.querySelector('#factor-1 input[type=range]');
  const result = document.querySelector('#result');
  const before = result.querySelector('figure.changed img, .bars').outerHTML;
  const start = performance.now();
  const seen = new MutationObserver(() => {
    const shown = result.querySelector('figure.changed img, .bars');
    if (!shown || shown.outerHTML === before) return;
    seen.disconnect();
    done(performance.now() - start);
  });
  seen.observe(result, {subtree: true, childList: true, attributes: true, characterData: true});
  slider.value = value;
  slider.dispatchEvent(new Event('input', {bubbles: true}));
  slider.dispatchEvent(new Event('change', {bubbles: true}));
})
"""


def main() -> None:
    """Serve, drive, print; take the picture where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="PNG to write of the page, at most 200 KB")
    parser.add_argument("--port", type=int, default=7869)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "pipeline.explore", "--port", str(arguments.port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        if not server.stdout.readline().startswith("explorer of"):
            raise InputError("the explorer did not start; its words are above")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(f"http://127.0.0.1:{arguments.port}")
            page.wait_for_selector("#result figure img")
            if arguments.picture is not None:
                _picture(page, arguments.picture)
            else:
                _measure(page)
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _measure(page: Page) -> None:
    for value in (0.5, 1.0, 1.5, 2.0):  # the first ones make caches
        page.evaluate(CHANGE, value)
    before = _cpu_seconds()
    taken = sorted(page.evaluate(CHANGE, -3 + 6 * (number % 50) / 50 + 0.05) for number in range(CHANGES))
    spent = 1000 * (_cpu_seconds() - before) / CHANGES
    print(
        f"a change in the browser: median {statistics.median(taken):.0f} ms, 95 % within {taken[-4]:.0f} ms, "
        f"longest {taken[-1]:.0f} ms ({CHANGES} changes); {spent:.0f} ms of CPU time, of server and browser together"
    )
    params = load_params()
    explorer = Explorer.open(Places(), params.layers[0], params.seed)
    image, factor = explorer.picked(int(explorer.images[0])), explorer.layout.names[1]
    torch.set_num_threads(1)
    explorer.result(image, image, {factor: Change(amounts=(1.0,))})
    start = time.process_time()
    for number in range(CHANGES):
        explorer.result(image, image, {factor: Change(amounts=(number / CHANGES + 0.1,))})
    print(f"of which the map and the network: {1000 * (time.process_time() - start) / CHANGES:.1f} ms of CPU time")


def _cpu_seconds() -> float:
    """Of the server and the browser, with all that they started."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    total: float = sum(of_it.user + of_it.system for of_it in times)
    return total


def _picture(page: Page, path: Path) -> None:
    """The page with a factor swapped and a slider moved, in 256 colours."""
    page.locator("#factor-1").get_by_label("of the second image").check()
    page.locator("#factor-2 input[type=range]").first.fill("2")
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    page.screenshot(path=path, full_page=True)
    with Image.open(path) as shown:
        shown.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    run(main)
