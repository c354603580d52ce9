"""The pages about traffic managers: System > Traffic Managers, the fingerprints before a join, the join, removal.

Invariant: a join goes only to the server whose fingerprint was shown before and confirmed, and a removal only with the
member's name typed in; who joins, leaves or removes gives their own password with it.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.cluster.edit import PARTS
from pointsman.cluster.joining import JoinWish
from pointsman.control.clustering import Clustering
from pointsman.control.error import ControlError
from pointsman.web.ui.address import segment
from pointsman.web.ui.desk import Desk, back_to, sentence
from pointsman.web.ui.people.confirmation import Unconfirmed, confirm
from pointsman.web.ui.visit import Refused, Visit

TRAFFIC_MANAGERS = "/system/traffic-managers"
READ = "Traffic_Managers"
CHANGE = "Traffic_Managers!AddRemove"
_MARKS = {"here": "ok", "alive": "ok", "unreachable": "error"}
_UI_PORT = 9090
_HOST_LIMIT = 255
SHOWN_SUPERSEDED = 20


class TrafficManagers:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, clustering: Clustering) -> None:
        self._desk = desk
        self._control = desk.control
        self._clustering = clustering

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk = self._desk
        return [
            desk.get(TRAFFIC_MANAGERS, self.show, READ),
            desk.post(f"{TRAFFIC_MANAGERS}/look", self.look, CHANGE),
            desk.post(f"{TRAFFIC_MANAGERS}/join", self.join, CHANGE),
            desk.post(f"{TRAFFIC_MANAGERS}/leave", self.leave, CHANGE),
            desk.post(f"{TRAFFIC_MANAGERS}/remove", self.remove, CHANGE),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET: the members, and the forms."""
        return await self._page(visit, lost=await self._clustering.superseded(SHOWN_SUPERSEDED))

    async def look(self, visit: Visit) -> Response:
        """POST with csrf, host and port: the fingerprints of the other cluster, to be confirmed."""
        form = visit.form
        host, port = form.text("host").strip()[:_HOST_LIMIT], form.text("port").strip() or str(_UI_PORT)
        if not host or not _is_port(port):
            return await self._page(
                visit, "Give the name or address of a member, and a port from 1 to 65535.", 400
            )
        try:
            table = await self._clustering.look_at(host, int(port))
        except ControlError as error:
            return await self._page(visit, sentence(str(error)), 502)
        return await self._page(visit, table=table, host=host, port=port)

    async def join(self, visit: Visit) -> Response:
        """POST with csrf, host, port, fingerprint, user, password, part, replace: joins."""
        form = visit.form
        port, part = form.text("port"), form.text("part", PARTS[0])
        if form.text("verified") != "yes":
            text = "Compare the fingerprints with those that the other machines say of themselves, and confirm it."
            return await self._page(visit, text, 400)
        if not _is_port(port) or part not in PARTS or not form.text("fingerprint"):
            raise Refused(f"This is not the form that the page sends; open {TRAFFIC_MANAGERS} and use it.")
        wish = JoinWish(
            form.text("host")[:_HOST_LIMIT],
            int(port),
            form.text("fingerprint"),
            form.text("user"),
            form.text("password"),
            replace_own=form.text("replace") == "yes",
            part=part,
        )
        if (unconfirmed := await self._unconfirmed(visit)) is not None:
            return unconfirmed
        try:
            await self._clustering.join(visit.author, wish)
        except ControlError as error:
            return await self._page(visit, sentence(str(error)), 409)
        return back_to(TRAFFIC_MANAGERS)

    async def leave(self, visit: Visit) -> Response:
        """POST with csrf and typed: leaves, when this traffic manager's name was typed in."""
        form = visit.form
        if form.text("typed").strip() != self._control.identity.name:
            return await self._page(
                visit, "To leave, type the name of this traffic manager as it is shown.", 400
            )
        if (unconfirmed := await self._unconfirmed(visit)) is not None:
            return unconfirmed
        try:
            await self._clustering.leave(visit.author)
        except ControlError as error:
            return await self._page(visit, sentence(str(error)), 409)
        return back_to(TRAFFIC_MANAGERS)

    async def remove(self, visit: Visit) -> Response:
        """POST with csrf, name and typed: removes that member, when its name was typed in."""
        form = visit.form
        name = form.text("name")
        if form.text("typed").strip() != name:
            text = "To remove a member, type its name as it is shown."
            return await self._page(visit, text, 400, removing=name)
        if (unconfirmed := await self._unconfirmed(visit, removing=name)) is not None:
            return unconfirmed
        try:
            await self._clustering.remove(visit.author, name)
        except ControlError as error:
            return await self._page(visit, sentence(str(error)), 409, removing=name)
        return back_to(TRAFFIC_MANAGERS)

    async def _unconfirmed(self, visit: Visit, **more: object) -> Response | None:
        """The page that says why somebody has not shown to be who began the session; None when that is certain."""
        try:
            await confirm(self._desk.users, visit)
        except Unconfirmed as error:
            return await self._page(visit, str(error), error.status, **more)
        return None

    async def _page(self, visit: Visit, complaint: str = "", status: int = 200, **more: object) -> Response:
        values: dict[str, Any] = {
            "title": self._control.identity.name,
            "view": self._clustering.view(),
            "services": self._control.names("virtual_servers"),
            "marks": _MARKS,
            "complaint": complaint,
            "moment": moment,
            "table": None,
            "lost": (),
            "removing": "",
            "settings_of": lambda name: f"{TRAFFIC_MANAGERS}/settings/{segment(name)}",
            "value": value,
            "may_change": visit.may(CHANGE, write=True),
            **more,
        }
        return await self._desk.page(visit, "traffic_managers.html", status=status, **values)


def moment(seconds: float) -> str:
    """A Unix time for people."""
    if not seconds:
        return "never"
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def value(part: object) -> str:
    """One side of a change for people."""
    return "not set" if part is None else json.dumps(part, ensure_ascii=False)[:200]


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65_536
