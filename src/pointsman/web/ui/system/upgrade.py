"""The page System > Upgrade: which version runs where, what their difference means, how to go to another; and the
restart of the control plane.

Invariant: nothing here touches traffic; the restart wants its box ticked.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.schema.event import Event, Severity
from pointsman.schema.level import LEVEL
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.visit import Refused, Visit

UPGRADE = "/system/upgrade"
READING = "Traffic_Managers"
RESTARTING = "Restart"
_SOON_SECONDS = 0.5
"""So that the answer is out before the process ends."""


@dataclass(frozen=True)
class Runs:
    """What a member runs; `here` for this one, `reached` whether it is heard of at present."""

    name: str
    version: str
    level: int
    here: bool
    reached: bool


class UpgradePages:
    """Handlers of the page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            self._desk.get(UPGRADE, self.show, READING),
            self._desk.post(f"{UPGRADE}/restart", self.restart, RESTARTING),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET: the versions."""
        control = self._desk.control
        view = control.clustering.view() if control.clustering is not None else None
        runs = [
            Runs(one.name, one.version, one.level, one.state == "here", one.state != "unreachable")
            for one in (view.members if view is not None else ())
        ]
        if not runs:
            runs = [Runs(control.identity.name, control.identity.version, LEVEL, here=True, reached=True)]
        return await self._desk.page(
            visit,
            "upgrade.html",
            heading=say("Upgrade"),
            runs=runs,
            mixed=len({(one.version, one.level) for one in runs}) > 1,
            levels=sorted({one.level for one in runs}),
            frozen=view.frozen if view is not None else "",
            override=view.override if view is not None else False,
            waiting=control.importer.pending(),
            can_restart=control.importer.restart is not None,
            may_restart=visit.may(RESTARTING, write=True),
        )

    async def restart(self, visit: Visit) -> Response:
        """POST with confirm: has the launcher start the control plane again."""
        control = self._desk.control
        if visit.form.text("confirm") != "yes":
            raise Refused("Please confirm the restart by the box beside the button.")
        asks = control.importer.restart
        if asks is None:
            raise Refused("Nobody can start the control plane again here; do it on the machine.", 409)
        text = "restart of the control plane was asked for"
        control.record(Event("general", "audit", Severity.INFO, None, text, author=visit.user))
        asyncio.get_running_loop().call_later(_SOON_SECONDS, asks.ask)
        text = (
            "The control plane starts again, which takes a few seconds; traffic goes on. Log in again then."
        )
        return self._desk.pages.render("message.html", {"title": control.identity.name, "text": text})
