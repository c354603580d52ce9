"""Another name for an object: here and in everything that refers to it, as one change.

Invariant: an object never takes the name of another one, and its history goes on under the new name.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from pointsman.control.error import NotFound
from pointsman.schema.problem import ObjectId
from pointsman.schema.validate import check_name
from pointsman.store import Rename
from pointsman.web.ui.address import segment
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk, back_to
from pointsman.web.ui.objects.kinds import ObjectPages
from pointsman.web.ui.visit import Refused, Visit


class Renaming:
    """The handler of the form."""

    def __init__(self, desk: Desk, changing: Changing, pages: ObjectPages) -> None:
        self._desk = desk
        self._changing = changing
        self._pages = pages

    @property
    def routes(self) -> list[Route]:
        """Where it is."""
        one = f"{self._pages.path}/{{name:object}}/rename"
        return [self._desk.post(one, self.rename, self._pages.writing)]

    async def rename(self, visit: Visit) -> Response:
        """POST …/<name>/rename with `new_name`, and `act` "review" for a look at it first. Raises `Invalid` for what
        can be no name.
        """
        name, wanted = visit.name(), visit.form.text("new_name").strip()
        kind, objects = self._pages.kind, self._desk.control.snapshot.objects
        identity, target = ObjectId(kind.path, name), ObjectId(kind.path, wanted)
        if identity not in objects:
            raise NotFound(identity)
        if wanted == name:
            visit.tell("It has that name already.", "warn")
            return back_to(f"{self._pages.path}/{segment(name)}")
        check_name(target)
        if target in objects:
            raise Refused(
                f"There is a {kind.title.lower()} called {wanted} already. Choose another name.", 409
            )
        where = f"{self._pages.path}/{segment(wanted)}"
        pending = Pending(
            owner=visit.session.csrf,
            changes=(Rename(identity, wanted),),
            base=None,
            title=f"Rename {kind.title} {name}",
            done=f"{kind.title} {name} is called {wanted} now, also wherever it is used.",
            back=f"{self._pages.path}/{segment(name)}",
            onward=where,
        )
        if visit.form.text("act") == "review":
            return self._changing.prepare(visit, pending)
        return await self._changing.carry_out(visit, pending)
