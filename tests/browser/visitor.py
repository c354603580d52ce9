"""Somebody in front of a browser, who notices what a page must never do.

Invariant: at the end of a visit nothing was asked of another host, no script failed, nothing was refused by the
security policy, no dialog opened, and no page was wider than the window.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, expect

USER, PASSWORD = "admin", "secret-for-tests"
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What Chromium needs as root, and so that it asks nothing of the network by itself."""
PATIENCE = 30_000
"""Milliseconds before a page is said not to come, and what is expected on it not to be there."""
expect.set_options(timeout=PATIENCE)  # by itself 5 s, whatever the page's own patience is


class Visitor:
    """A browser with an empty profile and one page; `address` is the instance's."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context = context
        self.address = address.rstrip("/")
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.expected: list[str] = []
        """Parts of complaints that a test is about."""
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("dialog", self._on_dialog)
        context.on("request", self._on_request)

    def open(self, path: str = "/") -> Page:
        """Goes to a page of the instance, or of another when `path` is a whole address."""
        self.page.goto(path if path.startswith("https:") else self.address + path)
        return self.page

    def log_in(self, password: str = PASSWORD, path: str = "/") -> Page:
        """Fills in the login form of wherever `path` leads, and waits for the page that answers."""
        self.open(path)
        self.page.fill("input[name=username]", USER)
        self.page.fill("input[name=password]", password)
        with self.page.expect_navigation(timeout=PATIENCE):
            self.page.click("button[type=submit]")
        return self.page

    def look(self, name: str) -> None:
        """The page fits the window; POINTSMAN_SCREENSHOTS=DIRECTORY keeps a picture of it."""
        if directory := os.environ.get("POINTSMAN_SCREENSHOTS"):
            self.page.screenshot(path=Path(directory) / f"{name}.png", full_page=True)
        widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        needed, there = self.page.evaluate(widths)
        assert needed <= there, f"{name}: {needed} pixels wide in a window of {there}"

    def verdict(self) -> None:
        """Fails with whatever was noticed."""
        host = urlsplit(self.address).hostname
        away = [url for url in self.requests if urlsplit(url).hostname not in (host, None)]
        assert not away, f"asked of other hosts: {away}"
        unexpected = [text for text in self.complaints if not any(word in text for word in self.expected)]
        assert not unexpected, unexpected

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        self.requests.append(request.url)
