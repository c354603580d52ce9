"""The pages about licences: the one that an unlicensed instance shows first, and System > Licenses.

Invariant: only the administrator changes anything, by forms of the session's own; a key's text goes to `Control` alone,
whose refusal is shown as text beside what was typed.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pointsman.console.login import read_form
from pointsman.console.template import Pages
from pointsman.control.control import Control
from pointsman.control.error import ControlError
from pointsman.identity.session import same_token
from pointsman.identity.user import ADMIN
from pointsman.licence.holding import bit_rate, day
from pointsman.licence.key import SIZE_LIMIT, Refused, read_key
from pointsman.schema.license_key import LICENSE_KEY
from pointsman.schema.problem import ObjectId
from pointsman.schema.validate import Invalid
from pointsman.store import Author
from pointsman.web.ui.upload import TooLarge, read_upload

UNLICENSED = "/unlicensed"
LICENSES = "/system/licenses"
_BODY_LIMIT = 4 * SIZE_LIMIT
"""Bytes of a form with a key, pasted and as a file, and what a browser puts around them."""
_MARKS = {"in use": "ok", "valid, another is in use": "off", "expired": "warn", "not valid yet": "warn"}
_NOT_YOURS = "Only the administrator may change licences. Log in as admin."
_STALE = "The form is not from this session. Please send it again."


class Licences:
    """Handlers of the pages."""

    def __init__(self, control: Control, pages: Pages) -> None:
        self._control = control
        self._pages = pages

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route(UNLICENSED, self.unlicensed),
            Route(f"{UNLICENSED}/key", self.add_first, methods=["POST"]),
            Route(f"{UNLICENSED}/community", self.choose_community, methods=["POST"]),
            Route(LICENSES, self.licenses),
            Route(f"{LICENSES}/add", self.add, methods=["POST"]),
            Route(f"{LICENSES}/remove", self.remove, methods=["POST"]),
        ]

    async def unlicensed(self, request: Request) -> Response:
        """GET /unlicensed: the choice between a key and Community Edition; over once it was made."""
        if not self._control.licensing.choice_open:
            return RedirectResponse("/", 303)
        return self._page(request, "unlicensed.html")

    async def licenses(self, request: Request) -> Response:
        """GET /system/licenses: the keys, and a form for another."""
        return self._page(request, "licenses.html")

    async def add_first(self, request: Request) -> Response:
        """POST /unlicensed/key with csrf, key (text) or file."""
        return await self._add(request, "unlicensed.html", "/")

    async def add(self, request: Request) -> Response:
        """POST /system/licenses/add with csrf, key (text) or file."""
        return await self._add(request, "licenses.html", LICENSES)

    async def choose_community(self, request: Request) -> Response:
        """POST /unlicensed/community with csrf."""
        form = await read_form(request)
        if form is None:
            return _not_a_form()
        if complaint := self._forbidden(request, form.get("csrf", "")):
            return self._page(request, "unlicensed.html", complaint, 403)
        try:
            self._control.licensing.choose_community(_author(request))
        except ControlError as error:
            return self._page(request, "unlicensed.html", _sentence(str(error)), 507)
        return RedirectResponse("/", 303)

    async def remove(self, request: Request) -> Response:
        """POST /system/licenses/remove with csrf and name."""
        form = await read_form(request)
        if form is None:
            return _not_a_form()
        if complaint := self._forbidden(request, form.get("csrf", "")):
            return self._page(request, "licenses.html", complaint, 403)
        try:
            await self._control.delete(_author(request), ObjectId(LICENSE_KEY.path, form.get("name", "")))
        except ControlError as error:
            return self._page(request, "licenses.html", _sentence(str(error)), 409)
        return RedirectResponse(LICENSES, 303)

    async def _add(self, request: Request, template: str, following: str) -> Response:
        try:
            form = await _read_upload(request)
        except TooLarge:
            text = f"A licence key has at most {SIZE_LIMIT} bytes; this is another file."
            return self._page(request, template, text, 413)
        if form is None:
            return _not_a_form()
        csrf, typed, content = form
        if complaint := self._forbidden(request, csrf):
            return self._page(request, template, complaint, 403, typed)
        try:
            serial = read_key(content).licence.serial
            await self._control.put_file(_author(request), ObjectId(LICENSE_KEY.path, serial), content)
        except Refused as error:
            return self._page(request, template, _sentence(str(error)), 400, typed)
        except Invalid as error:
            words = "; ".join(problem.message for problem in error.problems)
            return self._page(request, template, _sentence(words), 400, typed)
        except ControlError as error:
            return self._page(request, template, _sentence(str(error)), 507, typed)
        return RedirectResponse(following, 303)

    def _forbidden(self, request: Request, csrf: str) -> str:
        session = request.state.session
        if not same_token(session.csrf, csrf):
            return _STALE
        return "" if session.user == ADMIN else _NOT_YOURS

    def _page(
        self, request: Request, template: str, complaint: str = "", status: int = 200, typed: str = ""
    ) -> Response:
        session = request.state.session
        values = {
            "title": self._control.identity.name,
            "version": self._control.identity.version,
            "user": session.user,
            "csrf": session.csrf,
            "licence": self._control.licensing.view(),
            "marks": _MARKS,
            "complaint": complaint,
            "typed": typed,
            "day": day,
            "bit_rate": bit_rate,
            "most": SIZE_LIMIT,
        }
        return self._pages.render(template, values, status)


def _author(request: Request) -> Author:
    return Author(request.state.session.user, request.client.host if request.client else "", "ui")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


async def _read_upload(request: Request) -> tuple[str, str, bytes] | None:
    """Token, typed text and key of a posted form; the file counts before what was typed. None when it is no form.

    Raises `TooLarge`.
    """
    found = await read_upload(request, _BODY_LIMIT)
    if found is None:
        return None
    fields, _, content = found
    typed = fields.get("key", "")
    return fields.get("csrf", ""), typed[:SIZE_LIMIT], content or typed.encode("utf-8", "replace")


def _not_a_form() -> Response:
    text = f"This is not the form that the page sends; open {quote(LICENSES)} and use it.\n"
    return PlainTextResponse(text, 400)
