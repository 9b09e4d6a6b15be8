"""A real Chromium without a window, for pages: fixtures `browser` and `page`, found by every test.

Skipped where Playwright or Chromium is missing. Nothing is downloaded: the Chromium of the machine
is used.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A running Chromium (Playwright's Browser).

    Of one module: while Playwright runs, its thread has an event loop, which other tests trip over.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install 'fitecli[dev]'"
    )
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        pytest.skip("there is no chromium on this machine")
    words = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=words)
        yield running
        running.close()


class Heard:
    """What a page did that a quiet page does not do."""

    def __init__(self, page: Any) -> None:
        self.dialogs: list[str] = []
        self.said: list[str] = []  # on the console, blocked things too
        self.asked: list[str] = []  # addresses beside data: URIs
        page.on("dialog", self._dialog)
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", self._request)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        if not request.url.startswith("data:"):
            self.asked.append(request.url)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh page (Playwright's Page) with `heard`: its dialogs, its console, its requests."""
    context = browser.new_context()
    opened = context.new_page()
    opened.heard = Heard(opened)
    yield opened
    context.close()
