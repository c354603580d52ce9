"""Which language a request is answered in, and texts of Python in that language.

The browser's own choice counts, kept in a cookie as the appearance is; else what the browser says it prefers; else
English. Invariant: outside of a request, and without catalogs, everything is English.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pointsman.console.language.catalog import ENGLISH, PLACEHOLDER, Language

COOKIE = "pointsman-language"
AUTOMATIC = "auto"
_MOST_RANGES = 20
_current: ContextVar[Language] = ContextVar("language", default=ENGLISH)

Languages = Mapping[str, Language]
"""By their codes; English is always among them."""


def english_alone() -> Languages:
    """The languages without any catalog."""
    return {ENGLISH.code: ENGLISH}


def current() -> Language:
    """The language of the request that is being answered."""
    return _current.get()


def say(message: str, **values: str) -> str:
    """A text of Python's in the language of the request, with `values` at its placeholders; English without a
    translation. `tools/texts.py` finds the message, so it is written out where this is called.
    """
    text = _current.get().texts.get(message, message)
    return PLACEHOLDER.sub(lambda found: values.get(found[2], found[0]), text) if values else text


class Spoken:
    """ASGI middleware around all pages: what is inside is answered in the language that the request chooses."""

    def __init__(self, app: ASGIApp, languages: Callable[[], Languages]) -> None:
        self._app = app
        self._languages = languages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            languages = self._languages()
            # Set in any case: requests of one connection may share a context.
            _current.set(chosen(Headers(scope=scope), languages) if len(languages) > 1 else ENGLISH)
        await self._app(scope, receive, send)


def chosen(headers: Headers, languages: Languages) -> Language:
    """The language for a browser."""
    code = cookie_choice(headers)
    if code in languages:
        return languages[code]
    return preferred(headers.get("accept-language", ""), languages)


def cookie_choice(headers: Headers) -> str:
    """The code that somebody chose in this browser; "" for none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def preferred(header: str, languages: Languages) -> Language:
    """The best of what Accept-Language names (RFC 9110, 12.5.4): a range fits its language and, where that is not
    there, the one that it is a variant of ("de-AT" is answered in "de"), or any variant of it.
    """
    wanted: list[tuple[float, str]] = []
    for part in header.split(",")[:_MOST_RANGES]:
        name, _, weight = part.partition(";")
        wanted.append((_quality(weight), name.strip().lower()))
    known = {code.lower(): language for code, language in languages.items()}
    for quality, name in sorted(wanted, key=lambda one: -one[0]):
        if quality <= 0:
            break
        base = name.partition("-")[0]
        for code in (name, base, *(one for one in known if base and one.startswith(f"{base}-"))):
            if code in known:
                return known[code]
    return ENGLISH


def _quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    if not name:
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0) if name.strip().lower() == "q" else 0.0
    except ValueError:
        return 0.0
