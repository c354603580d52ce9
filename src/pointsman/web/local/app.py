"""What the control socket offers to local commands: status, conditions, what a document would change, and
applying it; and setting a user's password.

Invariant: whoever can open the socket may do everything (its server lets only the owner and root in); every
change is made through `Control` in the name `local:<unix user>`, as one transaction.

GET /status, GET /conditions, GET /export?format=&secrets=&differences=; POST /diff and POST /apply with {"objects":
[...], "replace": bool, "reason": str, "wait": seconds}; backups are in `backups`, certificates in `certificates`,
imports in `imports`, licences in `licences`, traffic IPs in `traffic_ips`, names in `names`, passwords in `passwords`.
Refusals are 400 with {"problems": [...]}, see `document.wire` for the shapes.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pointsman.control.accounts import Accounts
from pointsman.control.control import Control
from pointsman.control.described import Edit, plan_edit
from pointsman.control.error import Conflict, ControlError
from pointsman.control.exports import export_configuration, read_wish
from pointsman.control.import_record import NoBase
from pointsman.control.merge import checked
from pointsman.document.difference import Objects
from pointsman.document.secret_hash import resolve_hashes
from pointsman.document.wire import (
    decode_objects,
    encode_changes,
    encode_condition,
    encode_identity,
    encode_problem,
)
from pointsman.identity.user import Users
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH, RESOURCE_TYPES
from pointsman.schema.validate import Invalid
from pointsman.schema.value import LINE_LIMIT
from pointsman.store import Author
from pointsman.web.local.backups import backup_routes
from pointsman.web.local.certificates import certificate_routes
from pointsman.web.local.clusters import cluster_routes
from pointsman.web.local.engine import engine_difference
from pointsman.web.local.imports import import_routes
from pointsman.web.local.licences import licence_routes
from pointsman.web.local.names import name_routes
from pointsman.web.local.plain import plain
from pointsman.web.local.request import LONGEST_WAIT, actor_of, invalid, read_body, refused
from pointsman.web.local.traffic_ips import traffic_ip_routes
from pointsman.web.local.users import user_routes

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
        Route("/export", local.export),
        Route("/diff", local.diff, methods=["POST"]),
        Route("/apply", local.apply, methods=["POST"]),
        *backup_routes(control),
        *import_routes(control),
        *licence_routes(control),
        *certificate_routes(control),
        *cluster_routes(control.clustering),
        *name_routes(control),
        *traffic_ip_routes(control),
        *user_routes(users, Accounts(control, users)),
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

    async def export(self, request: Request) -> Response:
        try:
            wish = read_wish(dict(request.query_params))
        except ValueError as error:
            return refused((Problem(None, (), "request.invalid", str(error)),))
        try:
            exported = await export_configuration(self._control, wish, actor_of(request, "cli"))
        except NoBase as error:
            return refused((Problem(None, (), "import.no_base", str(error)),))
        return JSONResponse(
            {
                "text": exported.text,
                "left_out": exported.left_out,
                "deleted": [encode_identity(identity) for identity in exported.deleted],
            }
        )

    async def diff(self, request: Request) -> Response:
        try:
            wish = await self._resolved(await _read(request))
            edit = self._plan(wish)
            checked(self._control.snapshot.objects, edit.changes)
            plan = self._control.preview(edit.changes)
        except Invalid as error:
            return refused(error.problems)
        except ControlError as error:
            return refused((Problem(None, (), "control.refused", str(error)),))
        control = self._control
        subjects = {change.identity for change in edit.changes}
        return JSONResponse(
            {
                "revision": control.revision,
                "changes": encode_changes(edit.shown),
                "conditions": [encode_condition(c) for c in plan.conditions if c.subject in subjects],
                **engine_difference(control, plan, edit.changes),
            }
        )

    async def apply(self, request: Request) -> Response:
        control = self._control
        try:
            wish = await self._resolved(await _read(request))
            edit, revision = await self._commit(wish, actor_of(request, "cli"))
        except Invalid as error:
            return refused(error.problems)
        except ControlError as error:
            return refused((Problem(None, (), "control.refused", str(error)),))
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

    async def _resolved(self, wish: _Wish) -> _Wish:
        """The wish with stored secrets in the place of their hashes, which takes its time."""
        objects = await asyncio.to_thread(resolve_hashes, wish.objects, self._control.objects, BY_PATH)
        return dataclasses.replace(wish, objects=objects)

    def _plan(self, wish: _Wish) -> Edit:
        control = self._control
        stored = {
            (identity := ObjectId(kind.path, name)): control.settings(identity) or {}
            for kind in RESOURCE_TYPES
            for name in control.names(kind.path)
        }
        return plan_edit(stored, wish.objects, replace=wish.replace)


async def _read(request: Request) -> _Wish:
    body = await read_body(request)
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
        raise invalid(f"the request is not what /apply and /diff take ({error}); use the command") from None
