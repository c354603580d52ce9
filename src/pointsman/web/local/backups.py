"""What the control socket offers of backups.

Invariant: an archive crosses the socket only when it was asked for by name, as base64.

GET /backups; POST /backups/create {"name", "description", "secrets", "passphrase"}, /backups/show {"name"},
/backups/verify {"name", "passphrase"}, /backups/compare {"name", "other", "passphrase"}, /backups/restore {"name",
"wish", "passphrase", "dry_run", "reason", "wait"}, /backups/delete {"name"}, /backups/export {"name", "secrets",
"passphrase", "new_passphrase"}, /backups/import {"name", "data"}; all but the name may be absent. GET and POST
/backups/schedule {"schedule"}.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointsman.control.backup_report import kept_body, read_wish, restored_body, restoring_body, schedule_body
from pointsman.control.backup_schedule import read_schedule
from pointsman.control.control import Control
from pointsman.control.error import ControlError
from pointsman.document.wire import encode_changes, encode_condition, encode_problem
from pointsman.schema.problem import Problem
from pointsman.schema.validate import Invalid
from pointsman.schema.value import LINE_LIMIT
from pointsman.store import Author
from pointsman.web.local.request import LONGEST_WAIT, actor_of, invalid, read_body, refused

Json = dict[str, Any]
_DEFAULTS: Json = {
    "description": "", "secrets": True, "passphrase": "", "new_passphrase": "", "other": "", "wish": {},
    "dry_run": False, "reason": "", "wait": 0.0, "data": "",
}  # fmt: skip


def backup_routes(control: Control) -> list[Route]:
    """The routes, for the control socket's application."""
    backups = _Backups(control)
    acts = ("create", "show", "verify", "compare", "restore", "delete", "export", "import")
    return [
        Route("/backups", backups.list),
        Route("/backups/schedule", backups.schedule),
        Route("/backups/schedule", backups.set_schedule, methods=["POST"]),
        *(Route(f"/backups/{act}", backups.handler(act), methods=["POST"]) for act in acts),
    ]


class _Backups:
    def __init__(self, control: Control) -> None:
        self._control = control
        self._backups = control.backups

    async def list(self, request: Request) -> Response:
        """All of them."""
        return JSONResponse({"backups": [kept_body(kept) for kept in await self._backups.list()]})

    async def schedule(self, request: Request) -> Response:
        """When backups are made by themselves."""
        return JSONResponse({"schedule": schedule_body(self._backups.schedule)})

    async def set_schedule(self, request: Request) -> Response:
        """Makes it another."""
        try:
            match json.loads(await read_body(request)):
                case {"schedule": dict(wish)}:
                    pass
                case _:
                    raise invalid("the request is not a schedule; use the command")
            scheduler = self._backups.schedule
            scheduler.set(actor_of(request, "cli"), read_schedule(wish, scheduler.schedule))
        except Invalid as error:
            return refused(error.problems)
        except (ValueError, RecursionError):
            return refused(invalid("the request is not JSON; use the command").problems)
        except ControlError as error:
            return refused((Problem(None, (), "backup.refused", str(error)),))
        return await self.schedule(request)

    def handler(self, act: str) -> Callable[[Request], Awaitable[Response]]:
        """What answers a request for an act."""
        do: Callable[[Author, Json], Awaitable[Json]] = getattr(self, f"_{act}")

        async def handle(request: Request) -> Response:
            try:
                return JSONResponse(await do(actor_of(request, "cli"), await _read(request)))
            except Invalid as error:
                return refused(error.problems)
            except ControlError as error:
                return refused((Problem(None, (), "backup.refused", str(error)),))

        return handle

    async def _create(self, actor: Author, wish: Json) -> Json:
        kept = await self._backups.create(
            actor, wish["name"], wish["description"], secrets=wish["secrets"], passphrase=wish["passphrase"]
        )
        return {"backup": kept_body(kept)}

    async def _show(self, actor: Author, wish: Json) -> Json:
        return {"backup": kept_body(await self._backups.look(wish["name"]))}

    async def _verify(self, actor: Author, wish: Json) -> Json:
        archive = await self._backups.read(wish["name"], wish["passphrase"])
        missing = [[str(identity), *path] for identity, path in archive.content.missing]
        return {"backup": kept_body(await self._backups.look(wish["name"])), "missing": missing}

    async def _compare(self, actor: Author, wish: Json) -> Json:
        changes = await self._backups.compare(wish["name"], wish["other"], wish["passphrase"])
        return {"changes": encode_changes(changes)}

    async def _restore(self, actor: Author, wish: Json) -> Json:
        wanted = read_wish(wish["wish"])
        if wish["dry_run"]:
            return restoring_body(await self._backups.preview(wish["name"], wanted, wish["passphrase"]))
        restored = await self._backups.restore(
            actor, wish["name"], wanted, wish["passphrase"], wish["reason"]
        )
        control = self._control
        wait = min(max(0.0, wish["wait"]), LONGEST_WAIT)
        dealt_with = await control.wait_in_force(restored.revision, wait)
        subjects = {change.identity for change in restored.restoring.edit.changes}
        return {
            **restored_body(restored),
            "conditions": [encode_condition(c) for c in control.conditions() if c.subject in subjects],
            "problems": [encode_problem(problem) for problem in control.stuck],
            "dealt_with": dealt_with,
            "in_force": control.in_force >= restored.revision,
        }

    async def _delete(self, actor: Author, wish: Json) -> Json:
        await self._backups.delete(actor, wish["name"])
        return {"deleted": wish["name"]}

    async def _export(self, actor: Author, wish: Json) -> Json:
        data = await self._backups.download(
            actor,
            wish["name"],
            secrets=wish["secrets"],
            passphrase=wish["passphrase"],
            new_passphrase=wish["new_passphrase"],
        )
        return {"data": base64.b64encode(data).decode("ascii")}

    async def _import(self, actor: Author, wish: Json) -> Json:
        try:
            data = base64.b64decode(wish["data"], validate=True)
        except binascii.Error:
            raise invalid("the archive must be base64; use the command") from None
        created = await self._backups.upload(actor, wish["name"], data)
        return {"created": created, "backup": kept_body(await self._backups.look(wish["name"]))}


async def _read(request: Request) -> Json:
    body = await read_body(request)
    try:
        data = json.loads(body)
        match data:
            case {"name": str(), **others} if others.keys() <= _DEFAULTS.keys():
                wish = {**_DEFAULTS, **data}
                wish["wait"] = float(wish["wait"])
                fit = all(isinstance(wish[name], type(default)) for name, default in _DEFAULTS.items())
                "".join(text for text in wish.values() if isinstance(text, str)).encode()
                if fit and len(wish["reason"]) <= LINE_LIMIT:
                    return wish
    except (ValueError, TypeError, RecursionError):
        pass
    raise invalid("the request is not one about a backup; use the command")
