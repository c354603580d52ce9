"""The one-way switch "Replace Traffic Manager Name" of System > Traffic Managers: an address for the host name.

Invariant: it is used by who may change traffic managers; what is refused is shown as text.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.control.error import ControlError
from pointsman.web.ui.clusters import READ as PERMISSION
from pointsman.web.ui.clusters import TRAFFIC_MANAGERS
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.visit import Visit

REPLACE = f"{TRAFFIC_MANAGERS}/replace-name"
"""Where the form is, and where it goes."""


class Naming:
    """Handlers of the form."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._control = desk.control

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            self._desk.get(REPLACE, self.show, PERMISSION),
            self._desk.post(REPLACE, self.replace, PERMISSION),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET: the form by itself."""
        return await self._page(visit)

    async def replace(self, visit: Visit) -> Response:
        """POST with csrf, address and confirm."""
        if visit.form.text("confirm") != "yes":
            return await self._page(visit, "Please confirm that the name shall be replaced.", 400)
        try:
            restarts = await self._control.renaming.use_address(visit.author, visit.form.text("address"))
        except ControlError as error:
            text = str(error)
            return await self._page(visit, f"{text[:1].upper()}{text[1:]}.", 400)
        when = (
            "The control plane starts again for that, which takes a few seconds; traffic goes on. Log in again then."
            if restarts
            else "That happens when the control plane is started again."
        )
        values = {"title": self._control.identity.name, "text": f"The name will be replaced. {when}"}
        return self._desk.pages.render("message.html", values)

    async def _page(self, visit: Visit, complaint: str = "", status: int = 200) -> Response:
        values: dict[str, Any] = {
            "names": self._control.renaming.names(),
            "action": REPLACE,
            "complaint": complaint,
            "may_write": visit.may(PERMISSION, write=True),
        }
        return await self._desk.page(
            visit, "replace_name.html", heading=say("Replace Traffic Manager Name"), status=status, **values
        )
