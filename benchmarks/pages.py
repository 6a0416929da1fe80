"""Pictures of MLflow's pages for the README, from the runs of this project, while `make ui` serves them.

    python benchmarks/pages.py --pictures docs          # needs Debian's chromium
    python benchmarks/pages.py --server http://127.0.0.1:5001 --pictures docs

It writes mlflow_scores.png (the table), mlflow_curves.png (the charts) and mlflow_run.png (the best run).
"""

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

from pipeline.params import load_params
from pipeline.tracking.store import Store, check_server, experiment_link, run_link
from pipeline.tracking.views import CURVES, SCORES

CHROMIUM = "/usr/bin/chromium"
PATIENCE = 60_000.0  # milliseconds
COLOURS = 96  # of a picture's palette, which makes it small
DRAWN = 4_000.0  # milliseconds, for charts, which say nowhere that they are done


def main() -> None:
    """Take the three pictures."""
    parser = argparse.ArgumentParser(description="pictures of MLflow's pages")
    parser.add_argument("--server", default="http://127.0.0.1:5000")
    parser.add_argument("--pictures", type=Path, required=True)
    arguments = parser.parse_args()
    params = load_params()
    store = check_server(params.study, params.layers[0])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, address, awaited, height in _pages(store, arguments.server):
            page = browser.new_page(viewport={"width": 1500, "height": height})
            page.set_default_timeout(PATIENCE)
            page.goto(address)
            _awaited(page, awaited).wait_for()
            page.get_by_role("button", name="Close", exact=True).click()  # the Assistant, which takes a quarter
            page.wait_for_timeout(DRAWN)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS)
            picture.save(arguments.pictures / f"{name}.png", optimize=True)
            page.close()
        browser.close()


def _pages(store: Store, server: str) -> list[tuple[str, str, str, int]]:
    """Name, address, a text that is there when it is drawn, and height of each page."""
    query, order = "tags.`iin.kind` = 'training'", ["metrics.`probe/gap` DESC"]
    best = store.client().search_runs([store.experiment_key], query, order_by=order, max_results=1)[0]
    return [
        ("mlflow_scores", experiment_link(store, server, SCORES), "probe/residual_leak", 460),
        ("mlflow_curves", experiment_link(store, server, CURVES, charts=True), "Depth and sizes", 1500),
        ("mlflow_run", run_link(store, best.info.run_id, server), "About this run", 900),
    ]


def _awaited(page: Page, text: str) -> Locator:
    return page.get_by_text(text).first


if __name__ == "__main__":
    main()
