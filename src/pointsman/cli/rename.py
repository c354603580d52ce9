"""`pointsman rename`: an IP address in the place of the traffic manager's host name.

Invariant: it ends when the instance answers under its new name, or says that it does not.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from pointsman.cli.instance import Instance
from pointsman.cli.outcome import Exit, Rejected, Unreachable
from pointsman.cli.report import show_rejected
from pointsman.cli.screen import Screen
from pointsman.cli.target import find_target, target_options

WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.2


@click.command(short_help="Replace the traffic manager's host name by an IP address.")
@click.argument("address", default="")
@target_options
def rename(
    address: str, home: Path, url: str | None, user: str, password_file: Path | None, fingerprint: str | None
) -> int:
    """Replace the host name by ADDRESS, or by the only address of the machine.

    The name changes everywhere in the configuration. The control plane starts again for it, traffic goes on. The way
    back to a host name is the configure script.
    """
    screen = Screen(as_json=False)
    instance = find_target(home, url, user, password_file, fingerprint)
    try:
        before = instance.names()
        restarts = instance.use_address(address)
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    if not restarts:
        screen.line(f"{before['name']} gets its new name when the control plane is started again")
        return Exit.WARNINGS
    if (name := _renamed(instance, str(before["name"]))) is None:
        screen.complain(f"the control plane did not come back within {WAIT_SECONDS:.0f} s; its log says why")
        return Exit.UNREACHABLE
    if name == before["name"]:
        screen.complain(f"the traffic manager is still called {name}; its log says why")
        return Exit.INVALID
    screen.line(f"{before['name']} is called {name} now")
    return Exit.OK


def _renamed(instance: Instance, before: str) -> str | None:
    """The name after the restart; None when nothing answered."""
    deadline = time.monotonic() + WAIT_SECONDS
    was_away = False
    while time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        try:
            name = str(instance.names()["name"])
        except Unreachable:
            was_away = True
            continue
        if was_away or name != before:
            return name
    return None
