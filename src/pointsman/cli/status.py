"""`pointsman status`: one screen that says what serves, what does not, why, since when and who changed it.

Invariant: nothing is changed; what the instance leaves out is shown as empty, never as zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.text import Text

from pointsman.cli.outcome import Exit, Rejected
from pointsman.cli.report import show_conditions, show_rejected
from pointsman.cli.screen import LEVELS, STATES, Screen, ago, styled
from pointsman.cli.target import find_target, target_options
from pointsman.cli.traffic_ip import show_traffic_ips

Json = dict[str, Any]


@click.command(short_help="Show services, pools and nodes.")
@target_options
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def status(
    home: Path, url: str | None, user: str, password_file: Path | None, fingerprint: str | None, as_json: bool
) -> int:
    """Show services, pools and nodes, why a node is down, since when, and who changed it last."""
    screen = Screen(as_json)
    instance = find_target(home, url, user, password_file, fingerprint)
    try:
        found = instance.status()
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    if as_json:
        screen.data(found)
    else:
        show_status(screen, found)
    return Exit.OK


def show_status(screen: Screen, found: Json) -> None:
    """The status in the shape of `control.status.Status`, as tables."""
    word, style = LEVELS.get(found["level"], (found["level"], ""))
    revision = f"revision {found['revision']}"
    if found["in_force"] != found["revision"]:
        revision += f", in force {found['in_force']}"
    screen.line(styled(found["traffic_manager"], "bold"), f"  Pointsman {found['version']}, {revision}")
    screen.line(styled(word, style), f": {found['sentence']}")
    if documents := found.get("documents"):
        _documents(screen, documents)
    if found["services"]:
        screen.line()
        screen.table(
            ("SERVICE", "STATE", "LISTENS", "POOL", "CONNS", "REQUESTS", "IN", "OUT", "WHY"),
            [_service(service) for service in found["services"]],
            below="WHY",
        )
    if traffic_ips := found.get("traffic_ips"):
        screen.line()
        show_traffic_ips(screen, traffic_ips)
    for pool in found["pools"]:
        _pool(screen, pool)
    told = [c for c in found["conditions"] if c["standing"] != "applied"]
    if told:
        screen.line()
        show_conditions(screen, told)


def _documents(screen: Screen, documents: Json) -> None:
    if documents["directory"]:
        when = f", last import {ago(documents['time'])}" if documents["time"] else ""
        count = f", {documents['objects']} object" + ("" if documents["objects"] == 1 else "s")
        objects = count if documents["outcome"] in ("ok", "warnings") else ""
        screen.line(f"managed by documents: {documents['directory']}{when}{objects}")
    if documents["outcome"] == "failed":
        screen.line(styled("import failed", "bold red"), f": {documents['cause']}")
    for text in documents["pending"]:
        screen.line(f"{text}.")


def _service(service: Json) -> tuple[str | Text, ...]:
    if not service["enabled"]:
        state = styled("disabled", "bright_black")
    else:
        state = styled("serving", "green") if service["serving"] else styled("DOWN", "bold red")
    figures = service["figures"]
    return (
        styled(service["name"], "bold"),
        state,
        f"{service['protocol']} {service['port']}".strip(),
        service["pool"],
        _count(figures, "current_conn"),
        _count(figures, "total_requests"),
        _bytes(figures, "bytes_in"),
        _bytes(figures, "bytes_out"),
        service["reason"] if service["enabled"] else "",
    )


def _pool(screen: Screen, pool: Json) -> None:
    screen.line()
    facts = [pool["algorithm"]]
    if pool["monitors"]:
        facts.append("monitors " + ", ".join(pool["monitors"]))
    if pool["failure_pool"]:
        facts.append(f"failure pool {pool['failure_pool']}")
    if pool["used_by"]:
        facts.append("used by " + ", ".join(pool["used_by"]))
    state = pool["state"]
    head = styled(f"POOL {pool['name']}", "bold")
    screen.line(
        head, "  ", styled(_word(state), STATES.get(state, "")), "  " + "; ".join(filter(None, facts))
    )
    screen.table(
        ("NODE", "STATE", "WEIGHT", "CONNS", "TOTAL", "WHY", "SINCE", "LAST CHANGED BY"),
        [_node(node) for node in pool["nodes"]],
        below="WHY",
    )


def _node(node: Json) -> tuple[str | Text, ...]:
    state = node["state"]
    changed = " ".join(filter(None, (node["changed_by"], ago(node["changed_at"]))))
    return (
        node["node"],
        styled(_word(state), STATES.get(state, "")),
        str(node["weight"]),
        _count(node["figures"], "current_conn", "current_requests"),
        _count(node["figures"], "total_conn"),
        node["reason"] if node["reason"] != state else "",
        ago(node["since"]),
        changed,
    )


def _word(state: str) -> str:
    # Read without colour, what is broken must stand out too.
    return state.upper() if state == "dead" else state


def _count(figures: Json, *names: str) -> str:
    return next((str(figures[name]) for name in names if name in figures), "")


def _bytes(figures: Json, name: str) -> str:
    if name not in figures:
        return ""
    size = float(figures[name])
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
