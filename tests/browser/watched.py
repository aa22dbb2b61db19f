"""A page in a real browser that is watched: no error, nothing that the policy refused, no request to another origin."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_MS = 60_000  # a page is there in a second; on a crowded machine everything takes longer
PHONE = (390, 844)
DESKTOP = (1280, 860)
expect.set_options(timeout=TIMEOUT_MS)


def find_chromium() -> str:
    """Where the machine's own Chromium is."""
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    assert found, "no Chromium here; see tools/browser.sh"
    return found


@dataclass
class WatchedPage:
    """A page and what went wrong on it."""

    page: Page
    context: BrowserContext
    origin: str
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    documents: int = 0

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text}")

    def asked(self, request: Request) -> None:
        self.requests.append(request.url)
        self.documents += request.is_navigation_request()
        if not request.url.startswith(f"{self.origin}/"):
            self.faults.append(f"request to another origin: {request.url}")

    def text(self, selector: str, expected: Any) -> None:
        """Wait until an element says what is expected."""
        expect(self.page.locator(selector)).to_contain_text(expected)

    def headline(self, expected: Any) -> None:
        """Wait until the page's news is what is expected."""
        self.text("#status .headline", expected)


Visit = Callable[..., WatchedPage]


@contextmanager
def open_page(
    chromium: Browser,
    base_url: str,
    path: str,
    *,
    dark: bool = False,
    size: tuple[int, int] = PHONE,
    faults: bool = False,
    cookies: Any = None,
    **options: Any,
) -> Iterator[WatchedPage]:
    """Open a path in a context of its own; ``faults`` allows what is otherwise an error at the end."""
    context = chromium.new_context(
        color_scheme="dark" if dark else "light",
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=2 if size == PHONE else 1,
        **options,
    )
    if cookies:
        context.add_cookies(cookies)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    watched = WatchedPage(page, context, base_url)
    page.on("console", watched.hear)
    page.on("pageerror", lambda error: watched.faults.append(f"exception: {error}"))
    page.on("request", watched.asked)
    try:
        page.goto(f"{base_url}{path}", wait_until="load")
        yield watched
        assert faults or not watched.faults, watched.faults
    finally:
        context.close()
