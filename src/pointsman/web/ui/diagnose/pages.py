"""Diagnose > Cluster Diagnosis, and Replication: everything that is wrong, here and at every member.

Invariant: it only reads; what is in order is said, too, so that nothing seems forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from pointsman.store import Superseded
from pointsman.web.api.insight import errors_of
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.diagnose.audit import as_text
from pointsman.web.ui.diagnose.members import ask_members
from pointsman.web.ui.objects.pages import address_of
from pointsman.web.ui.trouble_list import called, grouped
from pointsman.web.ui.visit import Visit

DIAGNOSE = "/diagnose"
REPLICATION = "/diagnose/replication"
MOST = 100
MOST_LOST = 200


@dataclass(frozen=True)
class LostEdit:
    """An edit that lost to another, with both values as text."""

    edit: Superseded
    about: str
    link: str
    lost: str
    kept: str


class DiagnosePages:
    """Handlers of the pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            self._desk.get(DIAGNOSE, self.page, "Diagnose"),
            self._desk.get(REPLICATION, self.replication, "Diagnose!Replicate"),
        ]

    async def page(self, visit: Visit) -> Response:
        """GET /diagnose: all that is wrong."""
        control = self._desk.control
        view = await self._desk.look.fresh()
        urgent = [one for one in view.troubles if one.grade != "note"]
        notes = [one for one in view.troubles if one.grade == "note"]
        around = self._desk.diagnosis.around()
        return await self._desk.page(
            visit,
            "diagnose.html",
            view=view,
            groups=grouped(urgent, MOST),
            notes=grouped(notes, MOST),
            notes_count=len(notes),
            members=await ask_members(control.clustering, visit.author, errors_of(view.status)),
            disk=around.disk,
            certificates=sorted(around.certificates, key=lambda one: one.ends)[:1],
            own=control.certificate.view,
            lost=len(await self._lost(1)),
        )

    async def replication(self, visit: Visit) -> Response:
        """GET /diagnose/replication: how far each member is, and edits that lost to others of the same time."""
        clustering = self._desk.control.clustering
        view = None if clustering is None else clustering.view()
        edits = [
            LostEdit(
                edit,
                called(edit.identity),
                address_of(edit.identity),
                as_text(edit.lost),
                as_text(edit.kept),
            )
            for edit in await self._lost(MOST_LOST)
        ]
        return await self._desk.page(
            visit,
            "replication.html",
            edits=edits,
            members=() if view is None else view.members,
            revision=self._desk.control.revision,
            in_force=self._desk.control.in_force,
        )

    async def _lost(self, limit: int) -> tuple[Superseded, ...]:
        clustering = self._desk.control.clustering
        return () if clustering is None else await clustering.superseded(limit)
