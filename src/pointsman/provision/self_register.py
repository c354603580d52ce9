"""`self-register`: registers the instance with a Services Director, once that is built.

Invariant: it never claims to have registered anything.
"""

from __future__ import annotations

import click

from pointsman.provision.outcome import Exit

NOT_BUILT = "registering with a Services Director is not built yet; add a licence key in another way"


@click.command("self-register", short_help="Register with a Services Director (not built yet).")
@click.argument("arguments", nargs=-1)
def self_register(arguments: tuple[str, ...]) -> int:
    """Register this instance with a Services Director. This is not built yet."""
    click.echo(f"self-register: {NOT_BUILT}", err=True)
    return Exit.INSTANCE
