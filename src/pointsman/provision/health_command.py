"""`pointsman-container health`: the question of the image's HEALTHCHECK, for people.

Invariant: it is the same question, asked again for as long as somebody wants to wait; `health` itself knows nothing of
click, which would cost each check more than the question does.
"""

from __future__ import annotations

import os
import time

import click

from pointsman.provision.health import home_of, report
from pointsman.provision.outcome import Exit

_PAUSE_SECONDS = 0.2


@click.command(short_help="Say whether this container's instance serves.")
@click.option(
    "--wait", metavar="SECONDS", type=click.FloatRange(0), default=0, help="Wait so long until it does."
)
def health(wait: float) -> int:
    """Say whether this container's instance serves: exit status 0 and "ok", or 1 and what is wrong."""
    until = time.monotonic() + wait
    serves, line = report(home_of(os.environ))
    while not serves and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)
        serves, line = report(home_of(os.environ))
    click.echo(line)
    return Exit.OK if serves else Exit.INSTANCE
