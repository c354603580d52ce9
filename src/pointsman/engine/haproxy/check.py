"""HAProxy's own opinion of a configuration (`haproxy -c`), and its complaints mapped back to objects.

Invariant: every complaint becomes a problem, with the object and field its line comes from where that is
known.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from pointsman.compiler.plan import Plan
from pointsman.engine.haproxy.account import Account
from pointsman.launcher.engines import bare_environment
from pointsman.schema.problem import ObjectId, Problem

_ALERT = re.compile(r"^\[ALERT\]\s+\(\d+\)\s*:\s*(.*)$", re.MULTILINE)
_PLACE = re.compile(r"\[?(?:[^\s\[\]']*/)?haproxy\.cfg:(\d+)\]?")
_CLOSING = re.compile(r"Error\(s\) found in configuration|Fatal errors found|Some protocols failed to start")
_REMEDY = "; change this or remove it, the last good configuration stays in force"


async def check_configuration(binary: Path, configuration: Path, account: Account | None = None) -> str:
    """What `haproxy -c`, run by `account`, says against a configuration file; "" when it accepts it."""
    process = await asyncio.create_subprocess_exec(
        binary,
        *("-c", "-f", configuration),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=bare_environment(),
        cwd="/",  # it goes back to where it began, which that user must be able to
        user=account.user if account else None,
        group=account.group if account else None,
        extra_groups=() if account else None,
    )
    try:
        async with asyncio.timeout(60):
            complaint = (await process.communicate())[1].decode(errors="replace")
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode == 0:
        return ""
    return complaint or f"[ALERT] (0) : haproxy -c ended with status {process.returncode}"


def refusals(complaint: str, plan: Plan) -> tuple[Problem, ...]:
    """The problems in HAProxy's output, each on the object and field that the line it names comes from."""
    alerts = [alert for alert in _ALERT.findall(complaint) if not _CLOSING.search(alert)]
    if not alerts:
        words = " ".join(complaint.split())[-300:] or "no reason given"
        return (
            Problem(None, (), "engine.refused", f"the engine refuses the configuration: {words}{_REMEDY}"),
        )
    problems = dict.fromkeys(_problem(alert, plan) for alert in alerts)
    return tuple(problems)


def _problem(alert: str, plan: Plan) -> Problem:
    lines = plan.lines()
    place = _PLACE.search(alert)
    subject: ObjectId | None = None
    path: tuple[str, ...] = ()
    if place is not None and 0 < int(place[1]) <= len(lines):
        origin = lines[int(place[1]) - 1].origin
        if origin is not None:
            subject, path = origin.subject, origin.path
    if subject is None:
        # Complaints found after reading name the proxy or "proxy/server" instead of the line.
        for name in re.findall(r"(?:'|\b(?:frontend|backend|proxy|listen) )([^\s',]+)", alert):
            proxy = plan.proxies.get(name.partition("/")[0])
            if proxy is not None and proxy.subject is not None:
                subject = proxy.subject
                break
    said = _PLACE.sub("", alert.removeprefix("config :")).replace("parsing  :", "").strip(" :")
    return Problem(subject, path, "engine.refused", f"the engine refuses this: {said}{_REMEDY}")
