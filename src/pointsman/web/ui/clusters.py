"""The pages about traffic managers: System > Traffic Managers, the fingerprints before a join, the join, removal.

Invariant: only the administrator changes anything, by forms of the session's own; a join goes only to the server whose
fingerprint was shown before and confirmed, and a removal only with the member's name typed in.
"""

from __future__ import annotations

import datetime
import json

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pointsman.cluster.edit import PARTS
from pointsman.cluster.joining import JoinWish
from pointsman.console.login import read_form
from pointsman.console.template import Pages
from pointsman.control.clustering import Clustering
from pointsman.control.control import Control
from pointsman.control.error import ControlError
from pointsman.identity.session import same_token
from pointsman.identity.user import ADMIN
from pointsman.store import Author

TRAFFIC_MANAGERS = "/system/traffic-managers"
_NOT_YOURS = "Only the administrator may change the cluster. Log in as admin."
_STALE = "The form is not from this session. Please send it again."
_MARKS = {"here": "ok", "alive": "ok", "unreachable": "error"}
_UI_PORT = 9090
_HOST_LIMIT = 255
SHOWN_SUPERSEDED = 20


class TrafficManagers:
    """Handlers of the pages."""

    def __init__(self, control: Control, clustering: Clustering, pages: Pages) -> None:
        self._control = control
        self._clustering = clustering
        self._pages = pages

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route(TRAFFIC_MANAGERS, self.show),
            Route(f"{TRAFFIC_MANAGERS}/look", self.look, methods=["POST"]),
            Route(f"{TRAFFIC_MANAGERS}/join", self.join, methods=["POST"]),
            Route(f"{TRAFFIC_MANAGERS}/leave", self.leave, methods=["POST"]),
            Route(f"{TRAFFIC_MANAGERS}/remove", self.remove, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """GET: the members, and the forms."""
        return self._page(request, lost=await self._clustering.superseded(SHOWN_SUPERSEDED))

    async def look(self, request: Request) -> Response:
        """POST with csrf, host and port: the fingerprints of the other cluster, to be confirmed."""
        form = await read_form(request)
        if form is None:
            return _not_a_form()
        if complaint := self._forbidden(request, form):
            return self._page(request, complaint, 403)
        host, port = form.get("host", "").strip()[:_HOST_LIMIT], form.get("port", "").strip() or str(_UI_PORT)
        if not host or not _is_port(port):
            return self._page(
                request, "Give the name or address of a member, and a port from 1 to 65535.", 400
            )
        try:
            table = await self._clustering.look_at(host, int(port))
        except ControlError as error:
            return self._page(request, _sentence(str(error)), 502)
        return self._page(request, table=table, host=host, port=port)

    async def join(self, request: Request) -> Response:
        """POST with csrf, host, port, fingerprint, user, password, part, replace: joins."""
        form = await read_form(request)
        if form is None:
            return _not_a_form()
        if complaint := self._forbidden(request, form):
            return self._page(request, complaint, 403)
        port, part = form.get("port", ""), form.get("part", PARTS[0])
        if form.get("verified") != "yes":
            text = "Compare the fingerprints with those that the other machines say of themselves, and confirm it."
            return self._page(request, text, 400)
        if not _is_port(port) or part not in PARTS or not form.get("fingerprint"):
            return _not_a_form()
        wish = JoinWish(
            form.get("host", "")[:_HOST_LIMIT],
            int(port),
            form["fingerprint"],
            form.get("user", ""),
            form.get("password", ""),
            replace_own=form.get("replace") == "yes",
            part=part,
        )
        try:
            await self._clustering.join(_author(request), wish)
        except ControlError as error:
            return self._page(request, _sentence(str(error)), 409)
        return RedirectResponse(TRAFFIC_MANAGERS, 303)

    async def leave(self, request: Request) -> Response:
        """POST with csrf and typed: leaves, when this traffic manager's name was typed in."""
        form = await read_form(request)
        if form is None:
            return _not_a_form()
        if complaint := self._forbidden(request, form):
            return self._page(request, complaint, 403)
        if form.get("typed", "").strip() != self._control.identity.name:
            return self._page(request, "To leave, type the name of this traffic manager as it is shown.", 400)
        try:
            await self._clustering.leave(_author(request))
        except ControlError as error:
            return self._page(request, _sentence(str(error)), 409)
        return RedirectResponse(TRAFFIC_MANAGERS, 303)

    async def remove(self, request: Request) -> Response:
        """POST with csrf, name and typed: removes that member, when its name was typed in."""
        form = await read_form(request)
        if form is None:
            return _not_a_form()
        if complaint := self._forbidden(request, form):
            return self._page(request, complaint, 403)
        name = form.get("name", "")
        if form.get("typed", "").strip() != name:
            return self._page(request, "To remove a member, type its name as it is shown.", 400)
        try:
            await self._clustering.remove(_author(request), name)
        except ControlError as error:
            return self._page(request, _sentence(str(error)), 409)
        return RedirectResponse(TRAFFIC_MANAGERS, 303)

    def _forbidden(self, request: Request, form: dict[str, str]) -> str:
        session = request.state.session
        if not same_token(session.csrf, form.get("csrf", "")):
            return _STALE
        return "" if session.user == ADMIN else _NOT_YOURS

    def _page(self, request: Request, complaint: str = "", status: int = 200, **more: object) -> Response:
        session = request.state.session
        values = {
            "title": self._control.identity.name,
            "version": self._control.identity.version,
            "user": session.user,
            "csrf": session.csrf,
            "view": self._clustering.view(),
            "services": self._control.names("virtual_servers"),
            "marks": _MARKS,
            "complaint": complaint,
            "moment": moment,
            "table": None,
            "lost": (),
            "value": value,
            **more,
        }
        return self._pages.render("traffic_managers.html", values, status)


def moment(seconds: float) -> str:
    """A Unix time for people."""
    if not seconds:
        return "never"
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def value(part: object) -> str:
    """One side of a change for people."""
    return "not set" if part is None else json.dumps(part, ensure_ascii=False)[:200]


def _author(request: Request) -> Author:
    return Author(request.state.session.user, request.client.host if request.client else "", "ui")


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65_536


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _not_a_form() -> Response:
    return PlainTextResponse(
        f"This is not the form that the page sends; open {TRAFFIC_MANAGERS} and use it.\n", 400
    )
