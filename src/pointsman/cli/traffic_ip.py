"""`pointsman traffic-ip`: who holds which traffic IP, and having them go back where they belong.

Invariant: nothing of the configuration is changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pointsman.cli.instance import LocalInstance
from pointsman.cli.outcome import Exit
from pointsman.cli.screen import Screen, ago
from pointsman.cli.target import home_option

Json = dict[str, Any]
json_option = click.option("--json", "as_json", is_flag=True, help="As data for scripts.")


@click.group(name="traffic-ip", short_help="Show traffic IPs, and have them go back.")
def traffic_ip() -> None:
    """The addresses that the members of the cluster hold for one another."""


@traffic_ip.command()
@home_option
@json_option
def show(home: Path, as_json: bool) -> int:
    """Which machine holds which traffic IP."""
    found = LocalInstance(home).status()
    return _shown(Screen(as_json=as_json), found["traffic_ips"], found["traffic_ip_errors"])


@traffic_ip.command()
@home_option
@json_option
def failback(home: Path, as_json: bool) -> int:
    """Have every machine take back now the traffic IPs that belong to it."""
    found = LocalInstance(home).fail_back()
    return _shown(Screen(as_json=as_json), found["traffic_ips"], found["errors"])


def _shown(screen: Screen, traffic_ips: list[Json], errors: list[str]) -> int:
    if screen.as_json:
        screen.data({"traffic_ips": traffic_ips, "errors": errors})
    else:
        show_traffic_ips(screen, traffic_ips)
        for error in errors:
            screen.complain(error)
    return Exit.WARNINGS if errors else Exit.OK


def show_traffic_ips(screen: Screen, traffic_ips: list[Json]) -> None:
    """A table of traffic IPs as `control.status.Status` has them."""
    screen.table(
        ("TRAFFIC IP", "GROUP", "HELD BY", "BELONGS TO", "CHANGED"),
        [
            (
                ip["address"],
                ip["group"],
                ip["holder"] or "nobody",
                ip["order"][0],
                ago(ip["since"]) if ip["since"] else "",
            )
            for ip in traffic_ips
        ],
    )
