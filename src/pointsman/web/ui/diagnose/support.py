"""Diagnose > Technical Support: what a report holds, and the report itself.

Invariant: a report is made for who may have it, by a form of the session's own, and leaves an audit event.
"""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.routing import Route

from pointsman.control.support import PARTS, Support
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.events.filters import AUDIT
from pointsman.web.ui.visit import Refused, Visit

SUPPORT = "/diagnose/support"
PERMISSION = "Support_Files"


class SupportPages:
    """Handlers of the page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._support = Support(desk.control, desk.diagnosis)
        self._making = asyncio.Lock()

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            self._desk.get(SUPPORT, self.page, PERMISSION),
            self._desk.post(f"{SUPPORT}/report", self.report, PERMISSION),
        ]

    async def page(self, visit: Visit) -> Response:
        """GET /diagnose/support: what is in a report."""
        return await self._desk.page(
            visit,
            "support.html",
            parts=PARTS,
            may_make=visit.may(PERMISSION, write=True) and visit.may(AUDIT),
        )

    async def report(self, visit: Visit) -> Response:
        """POST /diagnose/support/report: the report, which tells of logins and changes as well."""
        if not visit.may(AUDIT):
            raise Refused(f"A report tells of logins and changes: it takes the permission {AUDIT}, too.", 403)
        if self._making.locked():
            raise Refused("A report is being made already; try again in a moment.", 429)
        async with self._making:
            made = await self._support.make(visit.author)
        headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
        return Response(made.data, media_type="application/gzip", headers=headers)
