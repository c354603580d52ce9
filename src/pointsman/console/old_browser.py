"""A plain notice for browsers that are past their end, instead of pages that they would show broken.

Invariant: such a browser gets the one static page for every address but the health check, and no form to type a
password into.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pointsman.console.template import Pages

_MARKS = ("MSIE ", "Trident/")
"""Parts of the user agent of Internet Explorer, and of Edge where it was told to behave as that."""
_OPEN = "/healthz"


class OldBrowser:
    """ASGI middleware in front of the login; `title` is the traffic manager's name."""

    def __init__(self, app: ASGIApp, pages: Pages, title: str) -> None:
        self._app = app
        self._pages = pages
        self._title = title

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers with the notice, or hands on."""
        old = scope["type"] == "http" and scope["path"] != _OPEN and is_old(Headers(scope=scope))
        notice = self._pages.render("old_browser.html", {"title": self._title}) if old else None
        await (notice or self._app)(scope, receive, send)


def is_old(headers: Headers) -> bool:
    """Whether a request's user agent is Internet Explorer."""
    agent = headers.get("user-agent", "")
    return any(mark in agent for mark in _MARKS)
