"""What the control socket offers to local commands: status, conditions, what a document would change, and
applying it; and setting a user's password.

Invariant: whoever can open the socket may do everything (its server lets only the owner and root in); every
change is made through `Control` in the name `local:<unix user>`, as one transaction.

GET /status, GET /conditions; POST /diff and POST /apply with {"objects": [...], "replace": bool, "reason":
str, "wait": seconds}; POST /password with {"user": str, "password": str}. Refusals are 400 with
{"problems": [...]}, see `document.wire` for the shapes.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pointsman.compiler.check import check
from pointsman.compiler.difference import AtRunTime, Nothing, Reload, difference
from pointsman.compiler.listing import compare_listings, listing, secrets_of
from pointsman.compiler.plan import Plan
from pointsman.control.control import Control
from pointsman.control.described import Edit, plan_edit
from pointsman.control.error import Conflict, ControlError
from pointsman.control.merge import with_changes
from pointsman.document.difference import Objects
from pointsman.document.wire import decode_objects, encode_changes, encode_condition, encode_problem
from pointsman.identity.user import PasswordRefused, Users
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import Invalid
from pointsman.schema.value import LINE_LIMIT
from pointsman.store import Author, Change

BODY_LIMIT = 128 * 1024 * 1024
LONGEST_WAIT = 300.0
ATTEMPTS = 5
"""How often an apply that met somebody else's change is made anew."""


def make_app(control: Control, users: Users) -> ASGIApp:
    """The application for the control socket; its ASGI scope names the peer as client ("local:<unix user>",
    0).
    """
    local = _Local(control, users)
    routes = [
        Route("/status", local.status),
        Route("/conditions", local.conditions),
        Route("/diff", local.diff, methods=["POST"]),
        Route("/apply", local.apply, methods=["POST"]),
        Route("/password", local.password, methods=["POST"]),
    ]
    return Starlette(routes=routes)


@dataclass(frozen=True)
class _Wish:
    """What a request asks for."""

    objects: Objects
    replace: bool
    reason: str
    wait: float


class _Local:
    def __init__(self, control: Control, users: Users) -> None:
        self._control = control
        self._users = users

    async def status(self, request: Request) -> Response:
        return JSONResponse(plain(await self._control.status()))

    async def conditions(self, request: Request) -> Response:
        return JSONResponse({"conditions": [encode_condition(c) for c in self._control.conditions()]})

    async def diff(self, request: Request) -> Response:
        try:
            wish = await _read(request)
            edit = self._plan(wish)
            _check(self._control.snapshot, edit.changes)
            plan = self._control.preview(edit.changes)
        except Invalid as error:
            return _refused(error.problems)
        except ControlError as error:
            return _refused((Problem(None, (), "control.refused", str(error)),))
        subjects = {change.identity for change in edit.changes}
        return JSONResponse(
            {
                "revision": self._control.revision,
                "changes": encode_changes(edit.shown),
                "conditions": [encode_condition(c) for c in plan.conditions if c.subject in subjects],
                **self._engine(plan, edit.changes),
            }
        )

    async def apply(self, request: Request) -> Response:
        control = self._control
        try:
            wish = await _read(request)
            edit, revision = await self._commit(wish, _actor(request))
        except Invalid as error:
            return _refused(error.problems)
        except ControlError as error:
            return _refused((Problem(None, (), "control.refused", str(error)),))
        dealt_with = await control.wait_in_force(revision, wish.wait)
        subjects = {*wish.objects, *(change.identity for change in edit.changes)}
        found = [encode_condition(c) for c in control.conditions() if c.subject in subjects]
        return JSONResponse(
            {
                "revision": revision,
                "changes": encode_changes(edit.shown),
                "conditions": found,
                "problems": [encode_problem(problem) for problem in control.stuck],
                "dealt_with": dealt_with,
                "in_force": control.in_force >= revision,
            }
        )

    async def password(self, request: Request) -> Response:
        try:
            match json.loads(await _body(request)):
                case {"user": str(user), "password": str(password)}:
                    await self._users.set_password(user, password, as_given=True)
                    return JSONResponse({})
            raise ValueError("user or password is missing")
        except Invalid as error:
            return _refused(error.problems)
        except PasswordRefused as error:
            return _refused((Problem(None, (), "password.refused", str(error)),))
        except OSError as error:
            text = f"the password could not be stored ({error.strerror}); free space or repair the disk"
            return _refused((Problem(None, (), "password.refused", text),))
        except (ValueError, RecursionError):  # their texts might hold the password
            text = "the request is not what /password takes; use the configure script"
            return _refused((Problem(None, (), "request.invalid", text),))

    async def _commit(self, wish: _Wish, actor: Author) -> tuple[Edit, int]:
        """Stores what is wished; made anew from what somebody else stored meanwhile."""
        for attempt in range(ATTEMPTS):
            base = self._control.revision
            edit = self._plan(wish)
            if not edit.changes:
                return edit, base
            try:
                return edit, await self._control.edit(actor, edit.changes, wish.reason, base=base)
            except Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _plan(self, wish: _Wish) -> Edit:
        control = self._control
        stored = {
            (identity := ObjectId(kind.path, name)): control.settings(identity) or {}
            for kind in RESOURCE_TYPES
            for name in control.names(kind.path)
        }
        return plan_edit(stored, wish.objects, replace=wish.replace)

    def _engine(self, plan: Plan, changes: tuple[Change, ...]) -> dict[str, Any]:
        control = self._control
        current = control.plan
        secrets = secrets_of(control.snapshot) | secrets_of(
            Snapshot(with_changes(control.snapshot.objects, changes)[0])
        )
        text = compare_listings(listing(current, secrets) if current else {}, listing(plan, secrets))
        if current is None:
            return {"engine": text, "act": "start", "reasons": ["nothing is in force yet"]}
        match difference(current, plan):
            case Nothing():
                return {"engine": text, "act": "nothing", "reasons": []}
            case AtRunTime():
                return {"engine": text, "act": "runtime", "reasons": []}
            case Reload(reasons):
                return {"engine": text, "act": "reload", "reasons": list(reasons)}


def _check(snapshot: Snapshot, changes: tuple[Change, ...]) -> None:
    candidate, touched = with_changes(snapshot.objects, changes)
    if problems := check(Snapshot(candidate), touched):
        raise Invalid(problems)


async def _body(request: Request) -> bytearray:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise _invalid(f"the request has more than {BODY_LIMIT} bytes; split the document")
    except ClientDisconnect:
        raise _invalid("the request ended early; send it again") from None
    return body


async def _read(request: Request) -> _Wish:
    body = await _body(request)
    try:
        data = json.loads(body)
        match data:
            case {"objects": objects}:
                wait = min(max(0.0, float(data.get("wait", 0))), LONGEST_WAIT)  # in this order NaN becomes 0
                reason = str(data.get("reason", ""))
                reason.encode()  # half a surrogate pair is a ValueError too
                if len(reason) > LINE_LIMIT:
                    raise ValueError(f"the reason has more than {LINE_LIMIT} characters")
                return _Wish(decode_objects(objects), data.get("replace") is True, reason, wait)
        raise ValueError("objects are missing")
    except (ValueError, TypeError, RecursionError) as error:
        raise _invalid(f"the request is not what /apply and /diff take ({error}); use the command") from None


def _invalid(message: str) -> Invalid:
    return Invalid((Problem(None, (), "request.invalid", message),))


def _refused(problems: tuple[Problem, ...]) -> Response:
    return JSONResponse({"problems": [encode_problem(problem) for problem in problems]}, status_code=400)


def _actor(request: Request) -> Author:
    name = request.client.host if request.client else "local:unknown"
    return Author(name=name, address="", surface="cli")


def plain(value: Any) -> Any:
    """A value of dataclasses, enums and mappings as JSON data."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    match value:
        case enum.Enum():
            return value.value
        case ObjectId(type=kind, name=name):
            return {"type": kind, "name": name}
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case tuple() | list():
            return [plain(inner) for inner in value]
    return value
