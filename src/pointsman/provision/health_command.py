"""`pointsman-container health`: the question of the image's HEALTHCHECK, for people.

Invariant: it is the same question; `health` itself knows nothing of click, which would cost each check more than the
question does.
"""

from __future__ import annotations

import click

from pointsman.provision.health import main


@click.command(short_help="Say whether this container's instance serves.")
def health() -> int:
    """Say whether this container's instance serves: exit status 0 and "ok", or 1 and what is wrong."""
    return main()
