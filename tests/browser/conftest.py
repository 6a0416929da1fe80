"""One Chromium for the tests of this folder, and tabs that remember what they logged and what they asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 60_000.0  # milliseconds, on a busy machine
LOCAL = ("", "127.0.0.1", "localhost")  # hosts of this machine; data: and blob: have none


@dataclass(frozen=True)
class Tab:
    """A page in a browser of its own, without cookies or storage of another.

    Attributes:
        page: as Playwright drives it.
        errors: console errors with where they come from, and exceptions that nothing caught, of its frames, too.
        requests: every address that was asked for.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def elsewhere(self) -> list[str]:
        """The addresses of other machines among `requests`."""
        return [address for address in self.requests if (urlsplit(address).hostname or "") not in LOCAL]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Chromium without a window; ends with this folder's tests, as its event loop keeps others from having theirs."""
    if not CHROMIUM.exists():
        pytest.skip("Debian package: chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_tab(chromium: Browser) -> Iterator[Callable[..., Tab]]:
    """Open a tab: `open_tab()`, or `open_tab(width=390, height=844, color_scheme="dark")`; closed with the test.

    Other arguments are those of Playwright's `new_context`.
    """
    contexts = []

    def open_one(width: int = 1500, height: int = 1000, **options: Any) -> Tab:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        tab = Tab(context.new_page())
        tab.page.on("request", lambda request: tab.requests.append(request.url))
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.page.on(
            "console",
            lambda message: (
                tab.errors.append(f"{message.text} ({message.location['url']})") if message.type == "error" else None
            ),
        )
        return tab

    yield open_one
    for context in contexts:
        context.close()
