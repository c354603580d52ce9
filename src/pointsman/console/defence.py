"""The defences every answer and every request of a web page goes through.

Invariant: each answer carries the security headers; a request that could change something and comes from
another site is refused before any page sees it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": with that a browser sends its own forms with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Defence:
    """ASGI middleware around a whole web UI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Adds the headers; refuses cross-site writes with 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_defended(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if scope["method"] not in SAFE_METHODS and not is_same_site(Headers(scope=scope)):
            refusal = PlainTextResponse("The request comes from another site; open the page itself.\n", 403)
            await refusal(scope, receive, send_defended)
            return
        await self._app(scope, receive, send_defended)


def is_same_site(headers: Headers) -> bool:
    """Whether browser headers, where present, say that our own page sent the request.

    Sec-Fetch-Site decides where a browser sends it, because no page can set it; Origin decides elsewhere.
    Programs other than browsers send neither header; they have no cookies that somebody else could ride on.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return True
    return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
