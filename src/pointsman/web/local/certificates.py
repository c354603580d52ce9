"""What the control socket offers of the instance's own certificate: what it is, and another one in its place.

Invariant: no answer holds the private key.

GET /certificate; POST /certificate with {"public": str, "private": str}, both in PEM.
"""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointsman.control.control import Control
from pointsman.control.error import ControlError
from pointsman.control.own_certificate import LENGTH_LIMIT
from pointsman.identity.certificate import CertificateRefused
from pointsman.schema.problem import Problem
from pointsman.schema.validate import Invalid
from pointsman.web.api.certificate import certificate_body
from pointsman.web.local.request import actor_of, invalid, read_body, refused


def certificate_routes(control: Control) -> list[Route]:
    """The routes, for the control socket's application."""
    certificates = _Certificates(control)
    return [
        Route("/certificate", certificates.show),
        Route("/certificate", certificates.replace, methods=["POST"]),
    ]


class _Certificates:
    def __init__(self, control: Control) -> None:
        self._control = control

    async def show(self, request: Request) -> Response:
        """What it is."""
        return JSONResponse({"certificate": certificate_body(self._control.certificate.view)})

    async def replace(self, request: Request) -> Response:
        """Puts another pair in its place."""
        try:
            public, private = await _pair(request)
            await self._control.certificate.replace(actor_of(request, "cli"), public, private)
        except Invalid as error:
            return refused(error.problems)
        except CertificateRefused as error:
            return refused((Problem(None, (), "certificate.refused", str(error)),))
        except ControlError as error:
            return refused((Problem(None, (), "storage.failed", str(error)),))
        return await self.show(request)


async def _pair(request: Request) -> tuple[str, str]:
    try:
        match json.loads(await read_body(request)):
            case {"public": str() as public, "private": str() as private} if (
                max(len(public), len(private)) <= LENGTH_LIMIT
            ):
                return public, private
    except (ValueError, RecursionError):
        pass
    raise invalid("the request names no certificate and key; use the command")
