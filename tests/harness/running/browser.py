"""Chromium without a window and without a network: it reaches what runs on this machine, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import Error, sync_playwright

from tests.harness.running.servers import install_package
from tests.harness.running.tools import MissingToolError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome", "chromium-browser")

PACKAGE = "chromium-headless-shell"
"""Debian's, which has no window at all, and so brings least along."""

WITHIN = 120_000  # milliseconds; a page that is not busy takes one of these seconds

NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def find_chromium() -> str | None:
    """Where Chromium is: what CHROMIUM names, or what is on PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser until the end of the block.

    Raises:
        MissingToolError: There is none, and none could be installed.
    """
    if find_chromium() is None:
        install_package(PACKAGE)
    with sync_playwright() as playwright:
        program = find_chromium() or _of_playwright(playwright)
        if program is None:
            raise MissingToolError("Chromium is missing: install it (apt install chromium), or name it in CHROMIUM")
        try:
            browser = playwright.chromium.launch(executable_path=program, args=[NO_NETWORK])
        except Error as problem:
            raise MissingToolError(f"Chromium cannot be used: {problem.message.splitlines()[0]}") from problem
        try:
            yield browser
        finally:
            browser.close()


def _of_playwright(playwright: Playwright) -> str | None:
    """What `playwright install chromium` has fetched, if it was asked to."""
    program = playwright.chromium.executable_path
    return program if Path(program).exists() else None


class Watched:
    """Pages that are closed at the end of a block; what goes wrong in them is noted, and whom they ask.

    Attributes:
        complaints: Errors of scripts, errors and warnings on the console, requests that had no answer.
        hosts: Host and port of all that was asked for.
    """

    def __init__(self, context: BrowserContext) -> None:
        context.set_default_timeout(WITHIN)
        self._context = context
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        context.on("console", self._note_message)
        context.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))
        context.on("requestfailed", lambda request: self.complaints.append(f"{request.url}: {request.failure}"))
        context.on("request", self._note_request)

    def open(self, url: str) -> Page:
        """Open a page in a tab of its own, and wait until all that it names is loaded."""
        page = self._context.new_page()
        page.goto(url)
        return page

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _note_request(self, request: Request) -> None:
        # A script may ask for what it has made itself, by `blob:http://...`.
        url = urlsplit(request.url.removeprefix("blob:"))
        if url.scheme != "data":
            self.hosts.add(url.netloc)


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than its window."""
    return int(page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth"))
