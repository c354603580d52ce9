"""The pages System > Configuration Backups, and of one backup with its section "Restore".

Invariant: what is refused is shown as text; a passphrase comes in a form's body, and is not written into a page. A
restore takes the password of who asks for it, and, because it may replace groups and users, the right to change those.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pointsman.backup.manifest import DESCRIPTION_LIMIT
from pointsman.console.language.choice import say
from pointsman.control.backup_schedule import DAYS, Schedule, read_schedule
from pointsman.control.backups import NoBackup
from pointsman.control.error import CannotStore, Conflict, ControlError, Forbidden, Frozen
from pointsman.control.member_mapping import map_members
from pointsman.control.restoring import Restoring, Wish
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid
from pointsman.web.ui.change_list import changed_objects
from pointsman.web.ui.desk import Desk, Handler, sentence
from pointsman.web.ui.people.confirmation import Unconfirmed, confirm
from pointsman.web.ui.visit import Refused, Visit

BACKUPS = "/system/backups"
READ = "Backup"
WRITE = "Backup!Edit"
COMPARE = "Backup!Config_Difference"
GROUPS = "Access_Management!Groups!Edit"
_UNCONFIRMED = "Please confirm it by the box beside the button."
Form = dict[str, str]
Values = dict[str, Any]
Act = Callable[[Visit, str, Form], Awaitable[Response | Values]]


class BackupPages:
    """Handlers of the pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._control = desk.control
        self._users = desk.users
        self._backups = desk.control.backups

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk, one = self._desk, f"{BACKUPS}/backup/{{name:object}}"
        acts: Mapping[str, Act] = {
            "describe": self._describe,
            "delete": self._delete,
            "download": self._download,
            "restore": self._restore,
        }
        return [
            desk.get(BACKUPS, self.list, READ),
            desk.post(f"{BACKUPS}/create", self._handler(self._create), WRITE),
            desk.post(f"{BACKUPS}/schedule", self._handler(self._set_schedule), WRITE),
            desk.post(f"{BACKUPS}/upload", self.upload, WRITE),
            desk.get(one, self.show, READ),
            desk.get(f"{one}/compare", self.compare, COMPARE),
            *(desk.post(f"{one}/{word}", self._handler(act), WRITE) for word, act in acts.items()),
        ]

    async def list(self, visit: Visit) -> Response:
        """GET /system/backups: every backup, and forms to make one, take one in, and set times."""
        return await self._page(visit, "")

    async def show(self, visit: Visit) -> Response:
        """GET /system/backups/backup/<name>: one backup."""
        return await self._page(visit, visit.name())

    async def compare(self, visit: Visit) -> Response:
        """GET /system/backups/backup/<name>/compare?with=<other>: what changed since, or to the other; `only` names an
        object that the form for restoring shall begin with.
        """
        name, other = visit.name(), visit.query("with")
        try:
            changes = await self._backups.compare(name, other)
        except ControlError as error:
            return await self._page(visit, name, sentence(str(error)), 400)
        return await self._page(
            visit,
            name,
            form={"extent": "part", "only": only} if (only := visit.query("only")) else None,
            compared={"other": other, "changes": changed_objects(changes), "count": len(changes)},
        )

    async def upload(self, visit: Visit) -> Response:
        """POST /system/backups/upload with csrf, name and file."""
        brought = visit.form.file_name.removesuffix(".gz").removesuffix(".tar")
        name = visit.form.text("name").strip() or brought
        try:
            if name in [kept.name for kept in await self._backups.list()]:
                return await self._page(
                    visit, "", f'There is a backup "{name}" already; choose another name.', 400
                )
            await self._backups.upload(visit.author, name, visit.form.file)
        except (Invalid, ControlError) as error:
            return await self._page(visit, "", _told(error), _status(error))
        return RedirectResponse(_place(name), 303)

    def _handler(self, act: Act) -> Handler:
        """What answers a posted form: the act's response, or the page with what it says."""

        async def handle(visit: Visit) -> Response:
            name = visit.name() if "name" in visit.request.path_params else ""
            form = {key: values[-1] for key, values in visit.form.fields.items()}
            try:
                done = await act(visit, name, form)
            except NoBackup:
                return await self._page(visit, name)
            except (Invalid, ControlError) as error:
                return await self._page(visit, name, _told(error), _status(error), form=form)
            return done if isinstance(done, Response) else await self._page(visit, name, form=form, **done)

        return handle

    async def _create(self, visit: Visit, name: str, form: Form) -> Response:
        called = form.get("name", "").strip()
        await self._backups.create(
            visit.author,
            called,
            form.get("description", "").strip().replace("\r\n", "\n"),
            secrets=form.get("secrets", "include") != "exclude",
            passphrase=form.get("passphrase", ""),
        )
        return RedirectResponse(_place(called), 303)

    async def _set_schedule(self, visit: Visit, name: str, form: Form) -> Response:
        wish: Values = {key: form[key] for key in ("every", "day", "time") if key in form}
        for key in ("keep", "days"):
            text = form.get(key, "")
            wish[key] = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1
        wish["secrets"] = form.get("secrets", "include") != "exclude"
        self._backups.schedule.set(visit.author, read_schedule(wish, Schedule()))
        return RedirectResponse(BACKUPS, 303)

    async def _describe(self, visit: Visit, name: str, form: Form) -> Response:
        await self._backups.describe(
            visit.author, name, form.get("description", "").strip().replace("\r\n", "\n")
        )
        return RedirectResponse(_place(name), 303)

    async def _delete(self, visit: Visit, name: str, form: Form) -> Response | Values:
        if form.get("confirm") != "yes":
            return {"complaint": _UNCONFIRMED, "status": 400}
        await self._backups.delete(visit.author, name)
        return RedirectResponse(BACKUPS, 303)

    async def _download(self, visit: Visit, name: str, form: Form) -> Response:
        how = form.get("secrets", "stored")
        data = await self._backups.download(
            visit.author,
            name,
            secrets=how != "exclude",
            passphrase=form.get("passphrase", ""),
            new_passphrase=form.get("new_passphrase", "") if how == "seal" else "",
        )
        attachment = f"attachment; filename*=UTF-8''{quote(name, safe='')}.tar"
        return Response(data, media_type="application/x-tar", headers={"Content-Disposition": attachment})

    async def _restore(self, visit: Visit, name: str, form: Form) -> Values:
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
        if not visit.may(GROUPS, write=True):
            raise Refused(
                f"A restore may replace groups and users: it takes the permission {GROUPS} in full as well.",
                403,
            )
        try:
            await confirm(self._users, visit)
        except Unconfirmed as error:
            return {"complaint": str(error), "status": error.status}
        done = await self._backups.restore(
            visit.author, name, wish, passphrase, form.get("reason", "").strip()[:1000]
        )
        return {"restoring": {**_shown(done.restoring, done.revision), "users": done.users}}

    async def _page(
        self,
        visit: Visit,
        name: str,
        complaint: str = "",
        status: int = 200,
        *,
        form: Form | None = None,
        **more: Any,
    ) -> Response:
        values: Values = {
            "complaint": complaint,
            "may_write": visit.may(WRITE, write=True),
            "backups": list(reversed(await self._backups.list())),
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
            return await self._desk.page(visit, "backups.html", status=status, **values)
        try:
            kept = await self._backups.look(name)
        except NoBackup as error:
            values["complaint"] = sentence(str(error))
            return await self._page(visit, "", values["complaint"], 404)
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
            "called": {path: kind.plural for path, kind in BY_PATH.items()},
            **more,
        }
        return await self._desk.page(
            visit, "backup.html", heading=say("Backup {name}", name=kept.name), status=status, **values
        )


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
        case Forbidden():
            return 403
    return 400
