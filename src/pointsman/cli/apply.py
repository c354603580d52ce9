"""`pointsman apply`: brings documents into force on a running instance and says what that did.

Invariant: exit status 0 is said only when the change is in force; documents with a fault change nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pointsman.cli.diff import show_difference
from pointsman.cli.outcome import Exit, Rejected
from pointsman.cli.report import show_changes, show_conditions, show_faults, show_rejected
from pointsman.cli.screen import Screen
from pointsman.cli.target import find_target, target_options
from pointsman.document.fault import Faulty
from pointsman.document.load import load
from pointsman.document.wire import decode_changes
from pointsman.schema.registry import BY_PATH

TROUBLE = ("rejected", "warning")


@click.command(short_help="Apply documents to a running instance.")
@click.argument("documents", type=click.Path(path_type=Path))
@target_options
@click.option(
    "--replace", is_flag=True, help="Make the documents the whole configuration; delete what they leave out."
)
@click.option("--dry-run", is_flag=True, help="Only say what would change, as `diff` does.")
@click.option("--reason", default="", help="A note for the history.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def apply(
    documents: Path,
    home: Path,
    url: str | None,
    user: str,
    password_file: Path | None,
    fingerprint: str | None,
    replace: bool,
    dry_run: bool,
    reason: str,
    as_json: bool,
) -> int:
    """Apply configuration documents to a running instance and wait until they are in force.

    DOCUMENTS is a file, a directory, or a directory with a `config` directory in it. Keys that the documents
    do not mention stay as they are.
    """
    screen = Screen(as_json)
    instance = find_target(home, url, user, password_file, fingerprint)
    try:
        document = load(documents, BY_PATH, complete=False)
    except Faulty as error:
        show_faults(screen, error.faults)
        return Exit.INVALID
    try:
        if dry_run:
            show_difference(screen, instance.diff(document.objects, replace=replace))
            return Exit.OK
        done = instance.apply(document.objects, replace=replace, reason=reason or f"apply {documents}")
    except Rejected as error:
        show_rejected(screen, error, document)
        return Exit.INVALID
    outcome = _outcome(done)
    if as_json:
        screen.data({**done, "exit": int(outcome)})
    else:
        show_changes(screen, decode_changes(done["changes"]))
        show_conditions(screen, (c for c in done["conditions"] if c["standing"] != "applied"))
        screen.line(_sentence(done, outcome))
    return outcome


def _outcome(done: dict[str, Any]) -> Exit:
    if not done["in_force"] and done["dealt_with"]:
        return Exit.REFUSED
    trouble = any(condition["standing"] in TROUBLE for condition in done["conditions"])
    return Exit.WARNINGS if trouble or not done["in_force"] else Exit.OK


def _sentence(done: dict[str, Any], outcome: Exit) -> str:
    revision = done["revision"]
    if outcome is Exit.REFUSED:
        why = (
            "; ".join(problem["message"] for problem in done.get("problems", ())) or "see `pointsman status`"
        )
        return (
            f"Revision {revision} was stored, but the engine refused it; the last good configuration serves.\n"
            f"Why: {why}"
        )
    if not done["in_force"]:
        return f"Revision {revision} was stored and is not in force yet; see `pointsman status`."
    what = "Nothing to change" if not done["changes"] else "In force"
    with_warnings = ", with the warnings above" if outcome is Exit.WARNINGS else ""
    return f"{what}{with_warnings} (revision {revision})."
