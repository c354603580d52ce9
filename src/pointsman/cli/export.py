"""`pointsman export`: the configuration of an instance as a document.

Invariant: a file that is written has mode 0600 and appears whole or not at all; nothing but the document goes to
standard output.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from pointsman.cli.outcome import Exit, Rejected
from pointsman.cli.report import show_rejected
from pointsman.cli.screen import Screen
from pointsman.cli.target import find_target, target_options
from pointsman.document.export import Format, Secrets
from pointsman.private_file import write_private


@click.command(short_help="Write the configuration as a document.")
@target_options
@click.option("--differences", is_flag=True, help="Only what differs from the base configuration.")
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Format)),
    default="yaml",
    show_default=True,
    help="The notation.",
)
@click.option(
    "--secrets",
    type=click.Choice(get_args(Secrets)),
    default="exclude",
    show_default=True,
    help="Write secrets, leave them out, or write hashes that stand for what is stored.",
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file to write, with mode 0600."
)
def export(
    home: Path,
    url: str | None,
    user: str,
    password_file: Path | None,
    fingerprint: str | None,
    differences: bool,
    form: str,
    secrets: str,
    output: Path | None,
) -> int:
    """Write the configuration of a running instance as a document that `apply` and the importer read.

    The base of --differences is the base snapshot of an instance that imports documents, else what every instance has
    when it is new.
    """
    screen = Screen(as_json=False)
    instance = find_target(home, url, user, password_file, fingerprint)
    try:
        exported = instance.export(form=form, secrets=secrets, differences=differences)
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    text = str(exported["text"])
    if output is None:
        click.echo(text.encode(), nl=False)
    else:
        try:
            write_private(output, text.encode())
        except OSError as error:
            screen.complain(f"--output {output}: cannot be written ({error.strerror}); name another file")
            return Exit.INVALID
    for identity in exported.get("deleted", ()):
        name = f"{identity['type']}/{identity['name']}"
        screen.complain(f"{name} was deleted since the base, which a document cannot say.")
    if exported.get("left_out"):
        screen.complain(f"Secrets left out: {exported['left_out']}. Write them with --secrets include.")
    return Exit.OK
