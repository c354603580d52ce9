"""The pages System > Configuration Backups, and of one backup with its section "Restore".

Invariant: only the administrator changes, restores or downloads anything, by forms of the session's own; what is
refused is shown as text; a passphrase comes in a form's body, and is not written into a page. Passwords are replaced
only by somebody who knows the present one: a session that was left open gives nobody a lasting way in.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pointsman.backup.manifest import DESCRIPTION_LIMIT
from pointsman.console.login import read_form
from pointsman.console.template import Pages
from pointsman.control.backup_schedule import DAYS, Schedule, read_schedule
from pointsman.control.backups import NoBackup
from pointsman.control.control import Control
from pointsman.control.error import CannotStore, Conflict, ControlError, Frozen
from pointsman.control.member_mapping import map_members
from pointsman.control.restoring import Restoring, Wish
from pointsman.identity.session import same_token
from pointsman.identity.user import ADMIN, Outcome, Users
from pointsman.schema.validate import Invalid
from pointsman.store import Author
from pointsman.web.ui.change_list import changed_objects
from pointsman.web.ui.upload import TooLarge, read_upload

BACKUPS = "/system/backups"
UPLOAD_LIMIT = 32 * 1024 * 1024
"""Bytes of a form with an archive; the listener takes no more."""
_MOST_FIELDS = 400
_FORM_LIMIT = 128 * 1024
_NOT_YOURS = "Only the administrator may do that. Log in as admin."
_STALE = "The form is not from this session. Please send it again."
_UNCONFIRMED = "Please confirm it by the box beside the button."
Form = dict[str, str]
Values = dict[str, Any]
Act = Callable[[Author, str, Form], Awaitable[Response | Values]]


class BackupPages:
    """Handlers of the pages."""

    def __init__(self, control: Control, users: Users, pages: Pages) -> None:
        self._control = control
        self._users = users
        self._backups = control.backups
        self._pages = pages

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        one = f"{BACKUPS}/backup/{{name}}"
        acts: Mapping[str, Act] = {
            "describe": self._describe,
            "delete": self._delete,
            "download": self._download,
            "restore": self._restore,
        }
        return [
            Route(BACKUPS, self.list),
            Route(f"{BACKUPS}/create", self._handler(self._create), methods=["POST"]),
            Route(f"{BACKUPS}/schedule", self._handler(self._set_schedule), methods=["POST"]),
            Route(f"{BACKUPS}/upload", self.upload, methods=["POST"]),
            Route(one, self.show),
            Route(f"{one}/compare", self.compare),
            *(Route(f"{one}/{word}", self._handler(act), methods=["POST"]) for word, act in acts.items()),
        ]

    async def list(self, request: Request) -> Response:
        """GET /system/backups: every backup, and forms to make one, take one in, and set times."""
        return await self._page(request, "")

    async def show(self, request: Request) -> Response:
        """GET /system/backups/backup/<name>: one backup."""
        return await self._page(request, request.path_params["name"])

    async def compare(self, request: Request) -> Response:
        """GET /system/backups/backup/<name>/compare?with=<other>: what changed since, or to the other."""
        name, other = request.path_params["name"], request.query_params.get("with", "")
        try:
            changes = await self._backups.compare(name, other)
        except ControlError as error:
            return await self._page(request, name, sentence(str(error)), 400)
        return await self._page(
            request,
            name,
            compared={"other": other, "changes": changed_objects(changes), "count": len(changes)},
        )

    async def upload(self, request: Request) -> Response:
        """POST /system/backups/upload with csrf, name and file."""
        try:
            found = await read_upload(request, UPLOAD_LIMIT)
        except TooLarge:
            text = (
                f"The file is larger than {UPLOAD_LIMIT} bytes; use pointsman backup import on the machine."
            )
            return await self._page(request, "", text, 413)
        if found is None:
            return _not_a_form()
        form, file_name, data = found
        if complaint := self._forbidden(request, form.get("csrf", "")):
            return await self._page(request, "", complaint, 403)
        name = form.get("name", "").strip() or file_name.removesuffix(".gz").removesuffix(".tar")
        try:
            if name in [kept.name for kept in await self._backups.list()]:
                return await self._page(
                    request, "", f'There is a backup "{name}" already; choose another name.', 400
                )
            await self._backups.upload(_author(request), name, data)
        except (Invalid, ControlError) as error:
            return await self._page(request, "", _told(error), _status(error))
        return RedirectResponse(_place(name), 303)

    def _handler(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        """What answers a posted form: the act's response, or the page with what it says."""

        async def handle(request: Request) -> Response:
            name = request.path_params.get("name", "")
            form = await read_form(request, limit=_FORM_LIMIT, most_fields=_MOST_FIELDS)
            if form is None:
                return _not_a_form()
            if complaint := self._forbidden(request, form.get("csrf", "")):
                return await self._page(request, name, complaint, 403)
            try:
                done = await act(_author(request), name, form)
            except NoBackup:
                return await self._page(request, name)
            except (Invalid, ControlError) as error:
                return await self._page(request, name, _told(error), _status(error), form=form)
            return done if isinstance(done, Response) else await self._page(request, name, form=form, **done)

        return handle

    async def _create(self, actor: Author, name: str, form: Form) -> Response:
        called = form.get("name", "").strip()
        await self._backups.create(
            actor,
            called,
            form.get("description", "").strip().replace("\r\n", "\n"),
            secrets=form.get("secrets", "include") != "exclude",
            passphrase=form.get("passphrase", ""),
        )
        return RedirectResponse(_place(called), 303)

    async def _set_schedule(self, actor: Author, name: str, form: Form) -> Response:
        wish: Values = {key: form[key] for key in ("every", "day", "time") if key in form}
        for key in ("keep", "days"):
            text = form.get(key, "")
            wish[key] = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1
        wish["secrets"] = form.get("secrets", "include") != "exclude"
        self._backups.schedule.set(actor, read_schedule(wish, Schedule()))
        return RedirectResponse(BACKUPS, 303)

    async def _describe(self, actor: Author, name: str, form: Form) -> Response:
        await self._backups.describe(actor, name, form.get("description", "").strip().replace("\r\n", "\n"))
        return RedirectResponse(_place(name), 303)

    async def _delete(self, actor: Author, name: str, form: Form) -> Response | Values:
        if form.get("confirm") != "yes":
            return {"complaint": _UNCONFIRMED, "status": 400}
        await self._backups.delete(actor, name)
        return RedirectResponse(BACKUPS, 303)

    async def _download(self, actor: Author, name: str, form: Form) -> Response:
        how = form.get("secrets", "stored")
        data = await self._backups.download(
            actor,
            name,
            secrets=how != "exclude",
            passphrase=form.get("passphrase", ""),
            new_passphrase=form.get("new_passphrase", "") if how == "seal" else "",
        )
        attachment = f"attachment; filename*=UTF-8''{quote(name, safe='')}.tar"
        return Response(data, media_type="application/x-tar", headers={"Content-Disposition": attachment})

    async def _restore(self, actor: Author, name: str, form: Form) -> Values:
        archive = (await self._backups.look(name)).manifest
        wish = Wish(
            only=_selected(form),
            needed=form.get("needed") == "yes",
            mapping={
                old: form[f"map{number}"]
                for number, old in enumerate(sorted(archive.members))
                if f"map{number}" in form
            },
            users=form.get("users") == "yes",
        )
        passphrase = form.get("passphrase", "")
        if form.get("act") != "restore":
            return {"restoring": _shown(await self._backups.preview(name, wish, passphrase), None)}
        if form.get("confirm") != "yes":
            return {"complaint": _UNCONFIRMED, "status": 400}
        if wish.users and (complaint := await self._not_shown(actor, form.get("password", ""))):
            return {"complaint": complaint, "status": 403}
        done = await self._backups.restore(
            actor, name, wish, passphrase, form.get("reason", "").strip()[:1000]
        )
        return {"restoring": {**_shown(done.restoring, done.revision), "users": done.users}}

    async def _not_shown(self, actor: Author, password: str) -> str:
        """Why somebody has not shown to be who began the session; "" when that is certain."""
        login = await self._users.verify(actor.name, password, actor.address, "UI")
        match login.outcome:
            case Outcome.RIGHT:
                return ""
            case Outcome.WRONG:
                return "To replace passwords, give your present password. Nothing was changed."
            case Outcome.WAIT:
                seconds = max(1, round(login.wait_seconds))
                return f"Too many wrong passwords from your address. Try again in {seconds} s. Nothing was changed."

    def _forbidden(self, request: Request, csrf: str) -> str:
        session = request.state.session
        if not same_token(session.csrf, csrf):
            return _STALE
        return "" if session.user == ADMIN else _NOT_YOURS

    async def _page(
        self,
        request: Request,
        name: str,
        complaint: str = "",
        status: int = 200,
        *,
        form: Form | None = None,
        **more: Any,
    ) -> Response:
        session = request.state.session
        values: Values = {
            "title": self._control.identity.name,
            "version": self._control.identity.version,
            "user": session.user,
            "csrf": session.csrf,
            "complaint": complaint,
            "backups": list(reversed(await self._backups.list())),
            "now": time.time(),
            "place": _place,
            "home": BACKUPS,
            "longest": DESCRIPTION_LIMIT,
            # Passphrases and passwords are not given back.
            "form": {key: text for key, text in (form or {}).items() if "pass" not in key},
        }
        if not name:
            scheduler = self._backups.schedule
            values |= {
                "schedule": scheduler.schedule,
                "next": scheduler.next,
                "failure": scheduler.failure,
                "days": DAYS,
            }
            return self._pages.render("backups.html", values, status)
        try:
            kept = await self._backups.look(name)
        except NoBackup as error:
            values["complaint"] = sentence(str(error))
            return await self._page(request, "", values["complaint"], 404)
        present = self._backups.present
        old = sorted(kept.manifest.members)
        values |= {
            "kept": kept,
            "old": old,
            "present": present,
            "mapping": map_members(old, present, {}),
            "others": [one.name for one in values["backups"] if one.name != name],
            "compared": None,
            "restoring": None,
            **more,
        }
        return self._pages.render("backup.html", values, status)


def _selected(form: Form) -> tuple[str, ...]:
    """The types and objects that are to be restored alone; none means everything."""
    if form.get("extent") != "part":
        return ()
    types = [key.removeprefix("type.") for key in form if key.startswith("type.")]
    named = [line.strip() for line in form.get("only", "").splitlines()]
    # Nothing chosen is no wish for everything.
    return tuple(dict.fromkeys((*types, *filter(None, named)))) or ("",)


def _shown(restoring: Restoring, revision: int | None) -> Values:
    return {
        "changes": changed_objects(restoring.edit.shown),
        "count": len(restoring.edit.shown),
        "remarks": [str(remark) for remark in restoring.remarks],
        "moved": sorted((old, new or "") for old, new in restoring.mapping.items() if old != new),
        "revision": revision,
        "users": (),
    }


def _place(name: str) -> str:
    return f"{BACKUPS}/backup/{quote(name, safe='')}"


def _told(error: Invalid | ControlError) -> str:
    if isinstance(error, Invalid):
        shown = [str(p) if p.subject else f"{'.'.join(p.path)}: {p.message}" for p in error.problems[:5]]
        more = len(error.problems) - len(shown)
        return sentence("; ".join(shown) + (f"; and {more} more" if more > 0 else ""))
    return sentence(str(error))


def _status(error: Exception) -> int:
    match error:
        case CannotStore():
            return 507
        case Conflict() | Frozen():
            return 409
    return 400


def _author(request: Request) -> Author:
    return Author(request.state.session.user, request.client.host if request.client else "", "ui")


def sentence(text: str) -> str:
    """A text of ours as a sentence of a page."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _not_a_form() -> Response:
    return PlainTextResponse(f"This is not the form that the page sends; open {BACKUPS} and use it.\n", 400)
