"""`pointsman backup`: make, list, describe, compare, restore, hand out and take in the backups of an instance.

Invariant: a passphrase is taken from a file, never from the command line; an archive that is written is readable by its
owner alone.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from pointsman.cli.backup_report import show_backup, show_list, show_restore, show_schedule
from pointsman.cli.instance import WAIT_SECONDS, Json, LocalInstance
from pointsman.cli.outcome import Exit, Rejected
from pointsman.cli.report import show_changes, show_rejected
from pointsman.cli.screen import Screen
from pointsman.cli.target import home_option
from pointsman.document.wire import decode_changes
from pointsman.private_file import write_private

Function = TypeVar("Function", bound=Callable[..., Any])
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="File whose first line is the passphrase of the backup's secrets.",
)


@click.group(short_help="Make, compare and restore configuration backups.")
def backup() -> None:
    """Configuration backups: the whole configuration of a cluster as one file, kept by the instance that made it.

    They are not copied to other members, and go with the instance: export those that matter.
    """


@backup.command(short_help="Back up the configuration of now.")
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@click.option("--without-secrets", is_flag=True, help="Leave private keys and passwords out.")
@PASSPHRASE
@home_option
@AS_JSON
def create(
    name: str,
    description: str,
    without_secrets: bool,
    passphrase_file: Path | None,
    home: Path,
    as_json: bool,
) -> int:
    """Back up the configuration of now as NAME, with its secrets: in clear (the file is readable by its owner alone),
    sealed with a passphrase, or without them.
    """

    def do(screen: Screen) -> int:
        wish = {"description": description, "secrets": not without_secrets}
        found = LocalInstance(home).backup("create", name, passphrase=_passphrase(passphrase_file), **wish)
        _show(screen, found, f'Made the backup "{name}".')
        return Exit.OK

    return _run(as_json, do)


@backup.command("list", short_help="List the backups of the instance.")
@home_option
@AS_JSON
def list_backups(home: Path, as_json: bool) -> int:
    """List the backups of the instance, oldest first."""

    def do(screen: Screen) -> int:
        found = LocalInstance(home).backups()
        if as_json:
            screen.data(found)
        else:
            show_list(screen, found["backups"])
        return Exit.OK

    return _run(as_json, do)


@backup.command(short_help="Describe a backup.")
@click.argument("name")
@home_option
@AS_JSON
def show(name: str, home: Path, as_json: bool) -> int:
    """What the backup NAME is, who made it, and what it holds."""

    def do(screen: Screen) -> int:
        _show(screen, LocalInstance(home).backup("show", name))
        return Exit.OK

    return _run(as_json, do)


@backup.command(short_help="Compare a backup with the configuration of now.")
@click.argument("name")
@click.argument("other", required=False, default="")
@PASSPHRASE
@home_option
@AS_JSON
def compare(name: str, other: str, passphrase_file: Path | None, home: Path, as_json: bool) -> int:
    """What changed from the backup NAME to the configuration of now, or to the backup OTHER."""

    def do(screen: Screen) -> int:
        instance = LocalInstance(home)
        found = instance.backup("compare", name, other=other, passphrase=_passphrase(passphrase_file))
        if as_json:
            screen.data(found)
        elif found["changes"]:
            show_changes(screen, decode_changes(found["changes"]))
        else:
            screen.line("There is no difference.")
        return Exit.OK

    return _run(as_json, do)


@backup.command(short_help="Restore a backup, whole or in part.")
@click.argument("name")
@click.option(
    "--only", multiple=True, metavar="TYPE[/NAME]", help="Restore these alone; nothing is deleted then."
)
@click.option(
    "--with-needed", is_flag=True, help="With --only: what these refer to as well, where it is not here."
)
@click.option(
    "--map", "pairs", multiple=True, metavar="OLD=NEW", help="NEW takes the place of OLD; none of OLD=."
)
@click.option("--with-users", is_flag=True, help="Set the passwords of the users too.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--reason", default="", help="Why, for the history.")
@PASSPHRASE
@home_option
@AS_JSON
def restore(
    name: str,
    only: Sequence[str],
    with_needed: bool,
    pairs: Sequence[str],
    with_users: bool,
    dry_run: bool,
    reason: str,
    passphrase_file: Path | None,
    home: Path,
    as_json: bool,
) -> int:
    """Make the configuration what it is in the backup NAME, as one change that history shows and can undo."""
    mapping = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not equals or not old:
            raise click.UsageError(f"--map {pair}: write OLD=NEW")
        mapping[old] = new

    def do(screen: Screen) -> int:
        wish = {"only": list(only), "with_needed": with_needed, "mapping": mapping, "with_users": with_users}
        found = LocalInstance(home).backup(
            "restore",
            name,
            wish=wish,
            dry_run=dry_run,
            reason=reason,
            wait=WAIT_SECONDS,
            passphrase=_passphrase(passphrase_file),
        )
        if as_json:
            screen.data(found)
        else:
            show_restore(screen, found, dry_run=dry_run)
        return _outcome(found, dry_run)

    return _run(as_json, do)


def _outcome(found: Json, dry_run: bool) -> Exit:
    if not dry_run and (found["problems"] or not found["in_force"]):
        return Exit.REFUSED
    troubled = any(c["standing"] in ("rejected", "warning") for c in found.get("conditions", ()))
    return Exit.WARNINGS if found["remarks"] or troubled else Exit.OK


@backup.command(short_help="Delete a backup.")
@click.argument("name")
@home_option
@AS_JSON
def delete(name: str, home: Path, as_json: bool) -> int:
    """Delete the backup NAME."""

    def do(screen: Screen) -> int:
        found = LocalInstance(home).backup("delete", name)
        if as_json:
            screen.data(found)
        else:
            screen.line(f'Deleted the backup "{name}".')
        return Exit.OK

    return _run(as_json, do)


@backup.command(short_help="Write a backup to a file.")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--without-secrets", is_flag=True, help="Leave private keys and passwords out.")
@click.option(
    "--seal-file",
    type=click.Path(path_type=Path),
    help="File whose first line becomes the file's passphrase.",
)
@PASSPHRASE
@home_option
def export(
    name: str,
    file: Path,
    without_secrets: bool,
    seal_file: Path | None,
    passphrase_file: Path | None,
    home: Path,
) -> int:
    """Write the backup NAME to FILE (mode 0600), with its secrets as it is stored unless told otherwise."""

    def do(screen: Screen) -> int:
        found = LocalInstance(home).backup(
            "export",
            name,
            secrets=not without_secrets,
            passphrase=_passphrase(passphrase_file),
            new_passphrase=_passphrase(seal_file),
        )
        data = base64.b64decode(found["data"])
        try:
            write_private(file, data)
        except OSError as error:
            screen.complain(f"{file}: cannot be written ({error.strerror}); check path and space")
            return Exit.INVALID
        screen.line(f'Wrote the backup "{name}" to {file} ({len(data)} bytes).')
        return Exit.OK

    return _run(False, do)


@backup.command("import", short_help="Take a backup from a file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="What it is called here; the file's name without it.")
@home_option
@AS_JSON
def import_backup(file: Path, name: str | None, home: Path, as_json: bool) -> int:
    """Take the backup in FILE, made here or elsewhere. Nothing is restored by that."""

    def do(screen: Screen) -> int:
        data = _contents(file, screen)
        if data is None:
            return Exit.INVALID
        called = name or file.name.removesuffix(".gz").removesuffix(".tar")
        found = LocalInstance(home).backup("import", called, data=base64.b64encode(data).decode("ascii"))
        _show(screen, found, f'Took the backup "{called}".')
        return Exit.OK

    return _run(as_json, do)


@backup.command(short_help="Check that a backup is whole.")
@click.argument("what", metavar="FILE|NAME")
@PASSPHRASE
@home_option
@AS_JSON
def verify(what: str, passphrase_file: Path | None, home: Path, as_json: bool) -> int:
    """Check every byte of a backup: of the FILE, for which no instance is needed, or of the instance's backup NAME."""

    def do(screen: Screen) -> int:
        path = Path(what)
        if not path.is_file():
            found = LocalInstance(home).backup("verify", what, passphrase=_passphrase(passphrase_file))
        else:
            data = _contents(path, screen)
            if data is None:
                return Exit.INVALID
            from pointsman.cli.backup_file import verified  # needs the whole schema

            found = verified(data, _passphrase(passphrase_file), path.name)
        _show(screen, found, "The backup is whole.")
        return Exit.OK

    return _run(as_json, do)


@backup.command(short_help="Show or set when backups are made by themselves.")
@click.option("--daily", is_flag=True, help="Every day.")
@click.option("--weekly", metavar="DAY", help="Every week on this day, such as sunday.")
@click.option("--off", is_flag=True, help="No more.")
@click.option("--time", "at", metavar="HH:MM", help="At this time, in UTC.")
@click.option("--keep", type=int, help="How many of them are kept.")
@click.option("--days", type=int, help="How old they become at most; 0: any age. The last three stay.")
@click.option(
    "--secrets/--without-secrets", default=None, help="Whether private keys and passwords are in them."
)
@home_option
@AS_JSON
def schedule(
    daily: bool,
    weekly: str | None,
    off: bool,
    at: str | None,
    keep: int | None,
    days: int | None,
    secrets: bool | None,
    home: Path,
    as_json: bool,
) -> int:
    """Show when backups are made by themselves, or set it. What is not named stays as it is."""
    if daily + (weekly is not None) + off > 1:
        raise click.UsageError("--daily, --weekly and --off exclude each other; give one")
    every = "daily" if daily else "weekly" if weekly is not None else "off" if off else None
    given = {
        "every": every, "day": weekly.lower() if weekly else None, "time": at, "keep": keep, "days": days,
        "secrets": secrets,
    }  # fmt: skip

    def do(screen: Screen) -> int:
        wish = {name: value for name, value in given.items() if value is not None}
        found = LocalInstance(home).schedule(wish)
        if as_json:
            screen.data(found)
        else:
            show_schedule(screen, found["schedule"])
        return Exit.OK

    return _run(as_json, do)


def _run(as_json: bool, do: Callable[[Screen], int]) -> int:
    screen = Screen(as_json)
    try:
        return do(screen)
    except Rejected as error:
        show_rejected(screen, error)
        return Exit.INVALID


def _show(screen: Screen, found: Json, sentence: str = "") -> None:
    if screen.as_json:
        screen.data(found)
        return
    if sentence:
        screen.line(sentence)
    show_backup(screen, found["backup"], found.get("missing", ()), time.time())


def _passphrase(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: the passphrase cannot be read ({error}); check it") from None


def _contents(path: Path, screen: Screen) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        screen.complain(f"{path}: cannot be read ({error.strerror}); check path and permissions")
        return None
