"""`pointsman diff`: what documents would change, in objects and in the generated engine configuration.

Invariant: nothing is changed, here or on the instance.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pointsman.cli.outcome import Exit, Rejected
from pointsman.cli.report import (
    show_act,
    show_changes,
    show_conditions,
    show_engine,
    show_faults,
    show_rejected,
)
from pointsman.cli.screen import Screen
from pointsman.cli.target import find_target, target_options
from pointsman.document.fault import Faulty
from pointsman.document.load import load
from pointsman.document.secret_hash import refuse_hashes
from pointsman.document.wire import decode_changes
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import Invalid


@click.command(short_help="Show what documents would change.")
@click.argument("documents", type=click.Path(path_type=Path))
@target_options
@click.option(
    "--against", type=click.Path(path_type=Path), help="Compare with these documents, not an instance."
)
@click.option("--replace", is_flag=True, help="As if the documents were the whole configuration.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def diff(
    documents: Path,
    home: Path,
    url: str | None,
    user: str,
    password_file: Path | None,
    fingerprint: str | None,
    against: Path | None,
    replace: bool,
    as_json: bool,
) -> int:
    """Show what applying documents to a running instance would change; nothing is changed.

    DOCUMENTS is a file, a directory, or a directory with a `config` directory in it.
    """
    screen = Screen(as_json)
    try:
        if against is not None:
            # Delayed: only this needs the compiler, which is a quarter of what would be loaded.
            from pointsman.cli.check import HASHED
            from pointsman.cli.offline import compare_offline

            before, after = load(against, BY_PATH), load(documents, BY_PATH)
            for side in (before, after):
                refuse_hashes(side.objects, BY_PATH, HASHED)
            show_difference(screen, compare_offline(before.objects, after.objects))
            return Exit.OK
        document = load(documents, BY_PATH, complete=False)
    except Faulty as error:
        show_faults(screen, error.faults)
        return Exit.INVALID
    except Invalid as error:
        show_rejected(screen, Rejected(error.problems), side)
        return Exit.INVALID
    instance = find_target(home, url, user, password_file, fingerprint)
    try:
        found = instance.diff(document.objects, replace=replace)
    except Rejected as error:
        show_rejected(screen, error, document)
        return Exit.INVALID
    show_difference(screen, found)
    return Exit.OK


def show_difference(screen: Screen, found: dict[str, Any]) -> None:
    """The answer of an instance's `diff`."""
    if screen.as_json:
        screen.data(found)
        return
    changes = decode_changes(found["changes"])
    if not changes:
        screen.line("No difference.")
    show_changes(screen, changes)
    if found.get("engine"):
        screen.line()
        show_engine(screen, found["engine"])
    told = [c for c in found.get("conditions", ()) if c["standing"] != "applied"]
    if told:
        screen.line()
        show_conditions(screen, told)
    if changes and "act" in found:
        screen.line()
        show_act(screen, found)
