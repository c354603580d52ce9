"""What the control socket offers of licences: how it stands, and taking a key away.

Invariant: a key that is in use may be removed; what is in force then is decided anew, and no request is dropped for it.

GET /licence; POST /licence/remove with {"serial": str}.
"""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointsman.control.control import Control
from pointsman.control.error import ControlError
from pointsman.schema.license_key import LICENSE_KEY
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.validate import Invalid
from pointsman.store import Delete
from pointsman.web.local.plain import plain
from pointsman.web.local.request import actor_of, invalid, read_body, refused


def licence_routes(control: Control) -> list[Route]:
    """The routes, for the control socket's application."""
    licences = _Licences(control)
    return [
        Route("/licence", licences.state),
        Route("/licence/remove", licences.remove, methods=["POST"]),
    ]


class _Licences:
    def __init__(self, control: Control) -> None:
        self._control = control

    async def state(self, request: Request) -> Response:
        """How it stands."""
        return JSONResponse(plain(self._control.licensing.view()))

    async def remove(self, request: Request) -> Response:
        """Removes the key with a serial number, or of that name."""
        try:
            serial = await _serial(request)
            held = self._control.licensing.view().keys
            names = [key.name for key in held if serial in (key.serial, key.name)]
            if not names:
                text = f'there is no licence key "{serial}"; `pointsman licence list` names those there are'
                raise invalid(text)
            changes = [Delete(ObjectId(LICENSE_KEY.path, name)) for name in names]
            await self._control.edit(actor_of(request, "cli"), changes)
        except Invalid as error:
            return refused(error.problems)
        except ControlError as error:
            return refused((Problem(None, (), "control.refused", str(error)),))
        return await self.state(request)


async def _serial(request: Request) -> str:
    try:
        match json.loads(await read_body(request)):
            case {"serial": str() as serial}:
                return serial
    except (ValueError, RecursionError):
        pass
    raise invalid("the request names no serial; use the command")
