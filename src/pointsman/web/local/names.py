"""What the control socket offers of the traffic manager's name: what it is, and an address in its place.

Invariant: the same use case as on the page; the control plane restarts after the answer.

GET /name; POST /name with {"address": str}, "" for the only one that the machine has.
"""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointsman.control.control import Control
from pointsman.control.error import ControlError
from pointsman.schema.problem import Problem
from pointsman.schema.validate import Invalid
from pointsman.web.api.naming import name_body
from pointsman.web.local.request import actor_of, invalid, read_body, refused


def name_routes(control: Control) -> list[Route]:
    """The routes, for the control socket's application."""

    async def show(request: Request) -> Response:
        return JSONResponse(name_body(control.renaming.names()))

    async def replace(request: Request) -> Response:
        try:
            address = await _address(request)
            restarts = await control.renaming.use_address(actor_of(request, "cli"), address)
        except Invalid as error:
            return refused(error.problems)
        except ControlError as error:
            return refused((Problem(None, (), "name.refused", str(error)),))
        return JSONResponse({"restarts": restarts})

    return [Route("/name", show), Route("/name", replace, methods=["POST"])]


async def _address(request: Request) -> str:
    try:
        match json.loads(await read_body(request)):
            case {"address": str(address)}:
                return address
    except (ValueError, RecursionError):
        pass
    raise invalid("the request names no address; use the command")
