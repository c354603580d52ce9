"""`pointsman config-snapshot`: what imports of documents start from is the configuration as it is now.

Invariant: the configuration itself is not changed.
"""

from __future__ import annotations

from pathlib import Path

import click

from pointsman.cli.instance import LocalInstance
from pointsman.cli.outcome import Exit, Rejected
from pointsman.cli.report import show_rejected
from pointsman.cli.screen import Screen
from pointsman.cli.target import home_option


@click.command("config-snapshot", short_help="Keep the present configuration as what imports start from.")
@home_option
def config_snapshot(home: Path) -> int:
    """Keep the present configuration as the base snapshot, which imports of documents start from.

    What documents describe now becomes part of the base as well: it stays when the documents leave it out later.
    """
    screen = Screen(False)
    try:
        taken = LocalInstance(home).take_snapshot()
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    screen.line(f"The base snapshot is the configuration of revision {taken['revision']}.")
    return Exit.OK
