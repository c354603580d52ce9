"""What the control socket offers of traffic IPs: having them go back where they belong.

Invariant: it answers when they have gone, or after five seconds.

POST /traffic-ips/failback; the answer is {"traffic_ips": [...], "errors": [...]}.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointsman.control.control import Control
from pointsman.web.local.plain import plain
from pointsman.web.local.request import actor_of


def traffic_ip_routes(control: Control) -> list[Route]:
    """The routes, for the control socket's application."""

    async def fail_back(request: Request) -> Response:
        await control.fail_back(actor_of(request, "cli"))
        status = await control.status()
        return JSONResponse(
            {"traffic_ips": plain(status.traffic_ips), "errors": list(status.traffic_ip_errors)}
        )

    return [Route("/traffic-ips/failback", fail_back, methods=["POST"])]
