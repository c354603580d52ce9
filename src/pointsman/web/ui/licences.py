"""The pages about licences: the one that an unlicensed instance shows first, and System > Licenses.

Invariant: a key's text goes to `Control` alone, whose refusal is shown as text beside what was typed.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.control.error import ControlError
from pointsman.licence.holding import bit_rate, day
from pointsman.licence.key import SIZE_LIMIT, Refused, read_key
from pointsman.schema.license_key import LICENSE_KEY
from pointsman.schema.problem import ObjectId
from pointsman.schema.validate import Invalid
from pointsman.web.ui.desk import Desk, back_to, sentence
from pointsman.web.ui.visit import Visit

UNLICENSED = "/unlicensed"
LICENSES = "/system/licenses"
READ = "License_Keys"
ADD = "License_Keys!InstallNew"
REMOVE = "License_Keys!Remove"
_MARKS = {"in use": "ok", "valid, another is in use": "off", "expired": "warn", "not valid yet": "warn"}


class Licences:
    """Handlers of the pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._control = desk.control

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk = self._desk
        return [
            desk.get(UNLICENSED, self.unlicensed, READ),
            desk.post(f"{UNLICENSED}/key", self.add_first, ADD),
            desk.post(f"{UNLICENSED}/community", self.choose_community, ADD),
            desk.get(LICENSES, self.licenses, READ),
            desk.post(f"{LICENSES}/add", self.add, ADD),
            desk.post(f"{LICENSES}/remove", self.remove, REMOVE),
        ]

    async def unlicensed(self, visit: Visit) -> Response:
        """GET /unlicensed: the choice between a key and Community Edition; over once it was made."""
        if not self._control.licensing.choice_open:
            return back_to("/")
        return await self._page(visit, "unlicensed.html")

    async def licenses(self, visit: Visit) -> Response:
        """GET /system/licenses: the keys, and a form for another."""
        return await self._page(visit, "licenses.html")

    async def add_first(self, visit: Visit) -> Response:
        """POST /unlicensed/key with csrf, key (text) or file."""
        return await self._add(visit, "unlicensed.html", "/")

    async def add(self, visit: Visit) -> Response:
        """POST /system/licenses/add with csrf, key (text) or file."""
        return await self._add(visit, "licenses.html", LICENSES)

    async def choose_community(self, visit: Visit) -> Response:
        """POST /unlicensed/community with csrf."""
        try:
            self._control.licensing.choose_community(visit.author)
        except ControlError as error:
            return await self._page(visit, "unlicensed.html", sentence(str(error)), 507)
        return back_to("/")

    async def remove(self, visit: Visit) -> Response:
        """POST /system/licenses/remove with csrf and name."""
        try:
            await self._control.delete(visit.author, ObjectId(LICENSE_KEY.path, visit.form.text("name")))
        except ControlError as error:
            return await self._page(visit, "licenses.html", sentence(str(error)), 409)
        return back_to(LICENSES)

    async def _add(self, visit: Visit, template: str, following: str) -> Response:
        typed, content = visit.form.text("key"), visit.form.file
        if max(len(typed), len(content)) > SIZE_LIMIT:
            text = f"A licence key has at most {SIZE_LIMIT} bytes; this is another file."
            return await self._page(visit, template, text, 413)
        content = content or typed.encode("utf-8", "replace")
        try:
            serial = read_key(content).licence.serial
            await self._control.put_file(visit.author, ObjectId(LICENSE_KEY.path, serial), content)
        except Refused as error:
            return await self._page(visit, template, sentence(str(error)), 400, typed)
        except Invalid as error:
            words = "; ".join(problem.message for problem in error.problems)
            return await self._page(visit, template, sentence(words), 400, typed)
        except ControlError as error:
            return await self._page(visit, template, sentence(str(error)), 507, typed)
        return back_to(following)

    async def _page(
        self, visit: Visit, template: str, complaint: str = "", status: int = 200, typed: str = ""
    ) -> Response:
        values: dict[str, Any] = {
            "licence": self._control.licensing.view(),
            "marks": _MARKS,
            "complaint": complaint,
            "typed": typed,
            "day": day,
            "bit_rate": bit_rate,
            "most": SIZE_LIMIT,
            "may_add": visit.may(ADD, write=True),
            "may_remove": visit.may(REMOVE, write=True),
        }
        heading = "Choose a licence" if template == "unlicensed.html" else ""
        return await self._desk.page(visit, template, heading=heading, status=status, **values)
