"""What a page knows of a request: who asks, from where, what they may do, and what they posted.

Invariant: a form counts only with the token of the session that it was made for; what somebody may not do is refused
here, before a page sees it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request

from pointsman.console.language.choice import cookie_choice
from pointsman.console.login import local_path
from pointsman.control.access import Access
from pointsman.identity.session import Notice, Session
from pointsman.store import Author
from pointsman.web.ui.form_data import FormData

THEME_COOKIE = "pointsman-theme"
THEMES = ("auto", "light", "dark")


class Refused(Exception):
    """Why a page does not do what was asked, as a sentence for people; `status` is that of the answer."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Visit:
    """One request of somebody who is logged in; `form` is empty but for a POST, `permission` is what a POST took in
    full, "" where its page looks for itself.
    """

    request: Request
    access: Access
    form: FormData
    permission: str = ""

    @property
    def session(self) -> Session:
        """The browser's session."""
        found: Session = self.request.state.session
        return found

    @property
    def user(self) -> str:
        """Who is logged in."""
        return self.session.user

    @property
    def author(self) -> Author:
        """Who makes a change that follows from this request."""
        client = self.request.client
        return Author(self.user, client.host if client else "", "ui")

    @property
    def path(self) -> str:
        """The address as it was asked for, without the query."""
        raw = self.request.scope.get("raw_path") or quote(self.request.scope["path"]).encode()
        return bytes(raw).decode("latin-1").partition("?")[0]

    @property
    def here(self) -> str:
        """The address with its query, as a place to come back to."""
        query = self.request.scope["query_string"].decode("latin-1")
        return local_path(f"{self.path}?{query}" if query else self.path)

    @property
    def host(self) -> str:
        """By what name or address the browser reached this traffic manager, as it stands in an address."""
        name = self.request.url.hostname or "localhost"
        return f"[{name}]" if ":" in name else name

    @property
    def theme(self) -> str:
        """How the browser wants pages to look: "light", "dark", or "" for what its system says."""
        chosen = self.request.cookies.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES[1:] else ""

    @property
    def language(self) -> str:
        """The code of the language that was chosen in this browser; "" for what the browser prefers."""
        return cookie_choice(self.request.headers)

    @property
    def now(self) -> float:
        """Unix time."""
        return time.time()

    def name(self, parameter: str = "name") -> str:
        """A part of the path."""
        return str(self.request.path_params[parameter])

    def query(self, name: str, default: str = "") -> str:
        """A value of the query string."""
        return self.request.query_params.get(name, default)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number of the query string within bounds; `default` for what is none."""
        text = self.query(name)
        value = int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else default
        return min(max(value, low), high)

    def may(self, permission: str, *, write: bool = False) -> bool:
        """Whether the user may see what `permission` names, or with `write` change it."""
        return self.access.may(self.user, permission, write=write)

    def tell(self, text: str, mark: str = "ok", link: tuple[str, str] | None = None) -> None:
        """Has the session's next page say something first; `link` is a path and its title."""
        self.session.notices.append(Notice(mark, text, link))
