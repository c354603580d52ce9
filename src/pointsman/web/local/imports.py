"""What the control socket offers of imports: run one, or say what it would do; take the base snapshot; how it stands.

Invariant: documents are named by a path and read by the instance itself, so that whoever asks, the result is recorded
in one place and the same rules hold for a command as for the watched directory.

POST /import with {"directory": absolute path, "names": [...], "strict": bool, "restart": bool, "dry_run": bool,
"diff": bool, "wait": seconds, "members": seconds to wait for other members}; POST /snapshot; GET /import. A failed
import is an answer like others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointsman.control.control import Control
from pointsman.control.desired import Desired
from pointsman.control.import_order import Imported, ImportOrder
from pointsman.control.import_record import NoBase
from pointsman.control.import_report import sentence
from pointsman.document.fault import Fault, Faulty, Place, syntax_fault
from pointsman.document.wire import encode_changes, encode_condition, encode_fault, encode_problem
from pointsman.schema.condition import Standing
from pointsman.schema.problem import Problem
from pointsman.schema.validate import Invalid
from pointsman.web.local.engine import engine_difference
from pointsman.web.local.request import LONGEST_WAIT, actor_of, invalid, read_body

Json = dict[str, Any]
LONGEST_MEMBERS = 86_400.0
"""Seconds that other members are waited for at most."""


def import_routes(control: Control) -> list[Route]:
    """The routes, for the control socket's application."""
    imports = _Imports(control)
    return [
        Route("/import", imports.run, methods=["POST"]),
        Route("/import", imports.state),
        Route("/snapshot", imports.snapshot, methods=["POST"]),
    ]


class _Imports:
    def __init__(self, control: Control) -> None:
        self._control = control

    async def state(self, request: Request) -> Response:
        """How it stands; `started` tells one control plane from the next (Unix time)."""
        importer = self._control.importer
        return JSONResponse(
            {
                "started": self._control.started,
                "watched": str(importer.watched or ""),
                "pending": list(importer.pending()),
                "last": importer.last.encoded() if importer.last is not None else None,
            }
        )

    async def snapshot(self, request: Request) -> Response:
        try:
            return JSONResponse({"revision": await self._control.importer.take_snapshot()})
        except OSError as error:
            problem = Problem(None, (), "storage.failed", f"cannot be written ({error.strerror}); free space")
            return JSONResponse({"problems": [encode_problem(problem)]}, status_code=400)

    async def run(self, request: Request) -> Response:
        try:
            data = _object(await read_body(request))
            order = _order(data, request)
        except Invalid as error:
            return JSONResponse({"problems": [encode_problem(p) for p in error.problems]}, status_code=400)
        if data.get("dry_run") is True:
            return JSONResponse(await self._preview(order, with_engine=data.get("diff") is True))
        before: Json = {}
        if data.get("diff") is True:
            before = await self._preview(order, with_engine=True)
        return JSONResponse({**before, **self._answer(await self._control.importer.run(order))})

    async def _preview(self, order: ImportOrder, *, with_engine: bool) -> Json:
        control = self._control
        try:
            document, desired = await control.importer.preview(order)
        except Faulty as error:
            return _failure(error.faults)
        except NoBase as error:
            return _failure((syntax_fault(Place(str(order.directory), 1, 1), str(error)),))
        remarks = document.remarks
        plan = control.preview(desired.edit.changes)
        subjects = {*document.objects, *(change.identity for change in desired.edit.changes)}
        found = [
            encode_condition(c)
            for c in plan.conditions
            if c.subject in subjects and c.standing is not Standing.APPLIED
        ]
        trouble = remarks or any(c["standing"] in ("warning", "rejected") for c in found)
        return {
            "outcome": "warnings" if trouble else "ok",
            "faults": [],
            "remarks": [encode_fault(fault) for fault in remarks],
            "changes": encode_changes(desired.edit.shown),
            "conditions": found,
            "objects": len(document.objects),
            **(engine_difference(control, plan, desired.edit.changes) if with_engine else {}),
        }

    def _answer(self, imported: Imported) -> Json:
        result, control = imported.result, self._control
        conditions: list[Json] = []
        if imported.desired is not None:
            subjects = {change.identity for change in imported.desired.edit.changes}
            apart = control.importer.conditions()  # the remarks, which are told with their places
            conditions = [
                encode_condition(c)
                for c in control.conditions()
                if c.subject in subjects and c not in apart and c.standing is not Standing.APPLIED
            ]
        return {
            **result.encoded(),
            "text": sentence(result),
            "changes": _changes(imported.desired),
            "conditions": conditions,
            "timely": imported.timely,
            "restart": imported.restart,
            "late": list(imported.late),
            "pending": list(control.importer.pending()),
            "started": control.started,
        }


def _changes(desired: Desired | None) -> list[Json]:
    return [] if desired is None else encode_changes(desired.edit.shown)


def _failure(faults: tuple[Fault, ...]) -> Json:
    return {
        "outcome": "failed",
        "faults": [encode_fault(fault) for fault in faults],
        "remarks": [],
        "changes": [],
        "conditions": [],
    }


def _object(body: bytes) -> Json:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"the request is not JSON ({error}); use the command") from None
    if not isinstance(data, dict):
        raise invalid("the request is not what /import takes; use the command")
    return data


def _order(data: Json, request: Request) -> ImportOrder:
    match data:
        case {"directory": str(directory), "names": [str(), *_] as names} if directory.startswith("/"):
            wait = data.get("wait", 0)
            if "\0" in directory or not all(isinstance(name, str) for name in names):
                raise invalid("directory and names must be paths; use the command")
            members = data.get("members", 0)
            if not isinstance(wait, int | float) or not isinstance(members, int | float):
                raise invalid("wait and members must be seconds; use the command")
            return ImportOrder(
                Path(directory),
                tuple(names),
                strict=data.get("strict") is True,
                restart=data.get("restart") is not False,
                author=actor_of(request, "import"),
                wait_seconds=min(max(0.0, wait), LONGEST_WAIT),
                members_seconds=min(max(0.0, members), LONGEST_MEMBERS),
            )
    raise invalid("an import needs a directory and names; use the command")
