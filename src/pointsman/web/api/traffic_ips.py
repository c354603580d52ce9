"""Traffic IPs in the status tree: who holds what, and having them go back where they belong.

Invariant: only `PUT traffic_ips?failback` does anything, and it changes no configuration.
"""

from __future__ import annotations

from dataclasses import asdict

from pointsman.control.control import Control
from pointsman.web.answer import Answer, error_answer, json_answer
from pointsman.web.api.request import Request


async def show_traffic_ips(control: Control) -> Answer:
    """Every traffic IP, with the machine that holds it."""
    status = await control.status()
    shown = [asdict(view) for view in status.traffic_ips]
    return json_answer(200, {"traffic_ips": shown, "errors": list(status.traffic_ip_errors)})


async def act_on_traffic_ips(control: Control, request: Request) -> Answer:
    """Has traffic IPs go back; answers when they have, or after five seconds."""
    if "failback" not in request.query:
        return error_answer(
            400, "query.invalid", "add ?failback, which is all that can be asked for here", {}
        )
    await control.fail_back(request.caller)
    return await show_traffic_ips(control)
