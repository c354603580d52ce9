"""Backups over REST: `status/<tm>/backups/full[/<name>]` as the product has it, and additions of ours.

Invariant: what may be done at all is decided before (`web.api.authorisation`); a passphrase comes in a header or a
body, never in a URL; a name never leads out of the directory.

`schedule` and GET `full/<name>?describe`, `?verify` and `?compare[=<other>]` are ours; `PUT ?restore` takes, besides
the product's empty properties, `restore` with `only`, `mapping`, `with_needed`, `with_users`, `dry_run`, `passphrase`.
"""

from __future__ import annotations

from typing import Any

from pointsman.control.backup_report import kept_body, read_wish, restored_body, restoring_body, schedule_body
from pointsman.control.backup_schedule import read_schedule
from pointsman.control.backups import BackupRefused, NoBackup
from pointsman.control.control import Control
from pointsman.control.error import CannotStore, Conflict, ControlError, Forbidden, Frozen
from pointsman.document.wire import encode_changes
from pointsman.schema.validate import Invalid
from pointsman.web.answer import JSON, Answer, error_answer, json_answer
from pointsman.web.api.authorisation import X_TAR
from pointsman.web.api.insight import argument
from pointsman.web.api.lenient_json import NotJson, read_json
from pointsman.web.api.listing import list_children, not_allowed, not_found, read_only
from pointsman.web.api.request import SAFE, BodyGone, Request

PASSPHRASE = "pointsman-passphrase"  # noqa: S105 (the name of a header)
NEW_PASSPHRASE = "pointsman-new-passphrase"  # noqa: S105
"""Headers that carry passphrases, as UTF-8."""


class BackupHandler:
    """Answers requests below `status/<tm>/backups`."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._backups = control.backups

    async def answer(self, request: Request, below: tuple[str, ...]) -> Answer:
        """The answer to a request for what is `below` "backups"."""
        try:
            return await self._answer(request, below)
        except NoBackup:
            return not_found(request.method, request.segments)
        except Invalid as error:
            return error_answer(400, "resource.validation_error", "; ".join(map(_told, error.problems)), {})
        except BackupRefused as error:
            return error_answer(400, "backup.refused", str(error), {})
        except Conflict as error:
            return error_answer(409, "resource.conflict", str(error), {})
        except Frozen as error:
            return error_answer(409, "cluster.frozen", str(error), {})
        except CannotStore as error:
            return error_answer(507, "storage.failed", str(error), {})
        except Forbidden as error:
            return error_answer(403, "auth.forbidden", str(error), {})
        except ControlError as error:
            return error_answer(409, "resource.refused", str(error), {})
        except NotJson as error:
            return error_answer(400, "json.syntax_error", str(error), {})
        except BodyGone as error:
            return error_answer(400, "http.incomplete", str(error), {})

    async def _answer(self, request: Request, below: tuple[str, ...]) -> Answer:
        method, path = request.method, request.segments
        match below:
            case ():
                if method not in SAFE:
                    return read_only(method, path)
                return list_children(path, [("full", True), ("schedule", False)])
            case ("schedule",):
                return await self._schedule(request)
            case ("full",):
                if method not in SAFE:
                    return read_only(method, path)
                names = [kept.name for kept in await self._backups.list()]
                return list_children(path, [(name, False) for name in sorted(names)])
            case ("full", name):
                return await self._one(request, name)
        return not_found(method, path)

    async def _schedule(self, request: Request) -> Answer:
        scheduler = self._backups.schedule
        if request.method == "PUT":
            wish = _section(await _properties(request), "schedule")
            for shown in ("next", "failure"):
                wish.pop(shown, None)
            scheduler.set(request.caller, read_schedule(wish, scheduler.schedule))
        elif request.method not in SAFE:
            return read_only(request.method, request.segments)
        return json_answer(200, {"properties": {"schedule": schedule_body(scheduler)}})

    async def _one(self, request: Request, name: str) -> Answer:
        if request.method in SAFE:
            return await self._get(request, name)
        if request.method == "DELETE":
            await self._backups.delete(request.caller, name)
            return Answer(204)
        if "restore" in request.query:
            return (
                await self._restore(request, name)
                if request.method == "PUT"
                else not_allowed("POST", ["PUT"])
            )
        if request.content_type == X_TAR:
            created = await self._backups.upload(request.caller, name, await request.body())
            return Answer(201 if created else 204)
        if request.method != "PUT":
            return not_allowed(request.method)
        if request.content_type not in (JSON, ""):
            return error_answer(415, "http.unsupported_media_type", f"send {JSON} or {X_TAR}", {})
        return await self._put(request, name)

    async def _get(self, request: Request, name: str) -> Answer:
        passphrase = _passphrase(request, PASSPHRASE)
        if "compare" in request.query:
            other = argument(request.query, "compare")
            changes = await self._backups.compare(name, other, passphrase)
            return json_answer(200, {"changes": encode_changes(changes)})
        if "verify" in request.query:
            archive = await self._backups.read(name, passphrase)
            missing = [[str(identity), *path] for identity, path in archive.content.missing]
            return json_answer(200, {"backup": kept_body(await self._backups.look(name)), "missing": missing})
        kept = await self._backups.look(name)
        if "describe" in request.query:
            return json_answer(200, {"backup": kept_body(kept)})
        if X_TAR in request.headers.get("accept", "").lower():
            data = await self._backups.download(
                request.caller,
                name,
                secrets=argument(request.query, "secrets") != "exclude",
                passphrase=passphrase,
                new_passphrase=_passphrase(request, NEW_PASSPHRASE),
            )
            return Answer(200, data, X_TAR, (("content-disposition", "attachment"),))
        return json_answer(200, await self._shown(name))

    async def _shown(self, name: str) -> dict[str, Any]:
        manifest = (await self._backups.look(name)).manifest
        backup = {
            "description": manifest.description,
            "time_stamp": manifest.time,
            "version": manifest.version,
        }
        return {"properties": {"backup": backup}}

    async def _put(self, request: Request, name: str) -> Answer:
        wish = _section(await _properties(request), "backup")
        # A client may send back what it read.
        for shown in ("time_stamp", "version"):
            wish.pop(shown, None)
        match {"description": None, "secrets": "include", "passphrase": "", **wish}:
            case {
                "description": str() | None as description,
                "secrets": "include" | "exclude" as secrets,
                "passphrase": str(passphrase),
                **others,
            } if not others:
                pass
            case _:
                text = 'a backup takes "description", "passphrase" and "secrets" ("include" or "exclude")'
                return error_answer(400, "resource.validation_error", text, {})
        there = name in {kept.name for kept in await self._backups.list()}
        if not there:
            await self._backups.create(
                request.caller, name, description or "", secrets=secrets == "include", passphrase=passphrase
            )
        elif description is not None:
            if wish.keys() - {"description"}:
                text = f'there is a backup "{name}" already; only its description can be changed'
                return error_answer(400, "resource.validation_error", text, {})
            await self._backups.describe(request.caller, name, description)
        return json_answer(200 if there else 201, await self._shown(name))

    async def _restore(self, request: Request, name: str) -> Answer:
        wish = _section(await _properties(request), "restore")
        passphrase, dry_run = (
            wish.pop("passphrase", _passphrase(request, PASSPHRASE)),
            wish.pop("dry_run", False),
        )
        if not isinstance(passphrase, str) or not isinstance(dry_run, bool):
            text = '"passphrase" must be a text and "dry_run" true or false'
            return error_answer(400, "resource.validation_error", text, {})
        wanted = read_wish(wish)
        if dry_run:
            return json_answer(
                200, {"restore": restoring_body(await self._backups.preview(name, wanted, passphrase))}
            )
        restored = await self._backups.restore(request.caller, name, wanted, passphrase)
        return json_answer(200, {**await self._shown(name), "restore": restored_body(restored)})


def _told(problem: Any) -> str:
    return (
        str(problem) if problem.subject else f"{'.'.join(problem.path)}: {problem.message}".removeprefix(": ")
    )


def _passphrase(request: Request, header: str) -> str:
    """A passphrase out of a header; what is not UTF-8 is taken as Latin-1, as the header came."""
    text = request.headers.get(header, "")
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


async def _properties(request: Request) -> dict[str, Any]:
    body = await request.body()
    match read_json(body) if body.strip() else {"properties": {}}:
        case {"properties": dict(properties), **others} if not others:
            return properties
    raise NotJson('the body must be an object like {"properties": {...}}; send one')


def _section(properties: dict[str, Any], name: str) -> dict[str, Any]:
    match properties:
        case {**found} if not found:
            return {}
        case {**found} if found.keys() == {name} and isinstance(found[name], dict):
            return dict(found[name])
    raise NotJson(f'only the section "{name}" belongs into the properties; send it alone')
