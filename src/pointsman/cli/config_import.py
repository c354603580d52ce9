"""`pointsman config-import`: makes documents, on top of the base snapshot, the whole configuration.

Invariant: exit status 0 is said only when the documents are in force; whatever goes wrong, the last good configuration
stays. The documents are read by the instance, which records the result whoever asked.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from pointsman.cli.instance import LocalInstance
from pointsman.cli.outcome import Exit, Rejected, Unreachable
from pointsman.cli.report import (
    STANDINGS,
    show_act,
    show_changes,
    show_conditions,
    show_engine,
    show_faults,
    show_rejected,
)
from pointsman.cli.screen import Screen, styled
from pointsman.cli.target import home_option
from pointsman.document.wire import decode_changes, decode_fault

POLL_SECONDS = 0.2
Json = dict[str, Any]


@click.command("config-import", short_help="Make documents the whole configuration.")
@click.argument("names", nargs=-1)
@click.option(
    "--chdir", "directory", type=click.Path(path_type=Path), default=Path(), help="The directory that holds config/."
)  # fmt: skip
@home_option
@click.option(
    "--no-replicate",
    is_flag=True,
    help="Wait for no other member of the cluster. They get the change all the same.",
)
@click.option("--no-restart", is_flag=True, help="Do not restart when a changed setting needs it.")
@click.option(
    "--restart-timeout",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the other members, and for a restart, before reporting a failure.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; only say what would change.")
@click.option("--diff", is_flag=True, help="Also show how the engine's configuration changes.")
@click.option("--strict", is_flag=True, help="Refuse sections and keys that are not known.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def config_import(
    names: tuple[str, ...],
    directory: Path,
    home: Path,
    no_replicate: bool,
    no_restart: bool,
    restart_timeout: float,
    dry_run: bool,
    diff: bool,
    strict: bool,
    as_json: bool,
) -> int:
    """Make configuration documents, on top of the base snapshot, the whole configuration of a running instance.

    NAMES are documents, or directories of them, below --chdir; `config` when none is given. What is in neither the
    base snapshot nor the documents is deleted. The instance reads the documents itself.
    """
    screen = Screen(as_json)
    instance = LocalInstance(home)
    order = {
        "directory": str(directory.absolute()),
        "names": list(names or ("config",)),
        "strict": strict,
        "restart": not no_restart,
        "dry_run": dry_run,
        "diff": diff,
        "members": 0.0 if no_replicate else restart_timeout,
    }
    try:
        done = instance.run_import(order)
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID
    outcome = _outcome(done)
    if done.get("restart") == "asked":
        if _restarted(instance, done["started"], restart_timeout):
            done["restart"] = "done"
        else:
            outcome = Exit.UNREACHABLE
    if as_json:
        screen.data({**done, "exit": int(outcome)})
    else:
        _show(screen, done, dry_run=dry_run)
    return outcome


def _outcome(done: Json) -> Exit:
    if not done.get("timely", True) or done.get("late"):
        return Exit.UNREACHABLE
    if done["outcome"] == "failed":
        return Exit.REFUSED if done.get("refused") else Exit.INVALID
    return Exit.OK if done["outcome"] == "ok" else Exit.WARNINGS


def _restarted(instance: LocalInstance, started: float, seconds: float) -> bool:
    """Waits until a control plane answers that was started after the one of `started`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if instance.import_state()["started"] != started:
                return True
        except (Unreachable, Rejected):  # it is just being started
            pass
        time.sleep(POLL_SECONDS)
    return False


def _show(screen: Screen, done: Json, *, dry_run: bool) -> None:
    if done["outcome"] == "failed":
        show_faults(screen, (decode_fault(fault) for fault in done["faults"]))
        if more := done.get("more"):
            screen.complain(f"and {more} more")
        if done.get("refused"):
            screen.complain("The engine refused the documents; the last good configuration serves.")
        return
    show_changes(screen, decode_changes(done["changes"]))
    if done.get("engine"):
        show_engine(screen, done["engine"])
    for fault in done["remarks"]:
        screen.line(styled("warning", STANDINGS["warning"]), f"  {decode_fault(fault)}")
    show_conditions(screen, done["conditions"])
    if dry_run:
        if not done["changes"]:
            screen.line("Nothing to change.")
        elif "act" in done:
            show_act(screen, done)
        else:
            screen.line("Nothing was changed.")
        return
    text = done["text"]
    screen.line(f"{text[:1].upper()}{text[1:]}.")
    match done["restart"]:
        case "done":
            screen.line("The control plane was started again, because a changed setting needs it.")
        case "asked":
            screen.complain(
                "The control plane was asked to start again and does not answer in time; see its log."
            )
    for sentence in done["late"]:
        screen.complain(f"{sentence[:1].upper()}{sentence[1:]}.")
    for sentence in done["pending"] if done["restart"] == "pending" else ():
        screen.line(f"{sentence}.")
