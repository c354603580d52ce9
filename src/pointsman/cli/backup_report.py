"""How backups and restores look on the command line.

Invariant: names and descriptions, which come from anywhere, are shown through `screen`, which cleans them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from pointsman.cli.instance import Json
from pointsman.cli.report import show_changes, show_conditions
from pointsman.cli.screen import Screen, ago, styled
from pointsman.document.wire import decode_changes, decode_problem


def show_list(screen: Screen, backups: Sequence[Json]) -> None:
    """A line for each backup."""
    if not backups:
        screen.line("There are no backups; `pointsman backup create NAME` makes one.")
        return
    screen.table(
        ("NAME", "MADE", "BY", "VERSION", "OBJECTS", "SECRETS", "SIZE", "DESCRIPTION"),
        [
            (
                styled(one["name"], "bold"),
                when(one["time"]) if not one["fault"] else styled("damaged", "red"),
                one["traffic_manager"],
                one["version"],
                str(sum(one["objects"].values())),
                one["secrets"],
                size(one["size"]),
                one["fault"] or one["description"].replace("\n", " "),
            )
            for one in backups
        ],
        below="DESCRIPTION",
    )


def show_backup(screen: Screen, one: Json, missing: Iterable[Sequence[str]], now: float) -> None:
    """Everything that a manifest says."""
    counted = ", ".join(f"{number} {kind}" for kind, number in sorted(one["objects"].items()))
    for label, text in (
        ("name", one["name"]),
        ("description", one["description"]),
        ("made", f"{when(one['time'])} ({ago(one['time'], now)})" if one["time"] else "unknown"),
        ("by", f"{one['traffic_manager']}, version {one['version']}, schema level {one['level']}"),
        ("cluster", ", ".join(one["traffic_managers"])),
        ("objects", counted),
        ("secrets", f"{one['secrets']}, {one['secret_fields']} fields"),
        ("size", f"{one['size']} bytes"),
        ("fault", one["fault"]),
    ):
        if text:
            screen.line(f"{label:<13}{text}")
    for subject, *path in missing:
        screen.line(styled("not at hand", "yellow"), f"  {subject}: {'.'.join(path)}")


def show_restore(screen: Screen, found: Json, *, dry_run: bool) -> None:
    """What a restore did or would do."""
    changes = decode_changes(found["changes"])
    moved = {old: new for old, new in found["mapping"].items() if old != new}
    for old, new in sorted(moved.items()):
        screen.line(f"{new} takes the place of {old}." if new else f"Nobody takes the place of {old}.")
    show_changes(screen, changes)
    for remark in map(decode_problem, found["remarks"]):
        screen.line(styled("remark", "yellow"), f"  {remark}")
    if dry_run:
        screen.line(
            "Nothing was changed; this is what a restore would do." if changes else "Nothing would change."
        )
        return
    show_conditions(screen, (c for c in found["conditions"] if c["standing"] in ("rejected", "warning")))
    for problem in map(decode_problem, found["problems"]):
        screen.complain(styled(str(problem), "red"))
    for user in found["users"]:
        screen.line(f"{user} has the password of the backup now.")
    if not changes:
        screen.line("The configuration is that of the backup already; nothing was changed.")
    elif found["in_force"]:
        screen.line(f"Restored: {len(changes)} objects changed, in force as revision {found['revision']}.")
    else:
        screen.complain(
            f"Stored as revision {found['revision']}, but not in force yet; see `pointsman status`."
        )


def show_schedule(screen: Screen, found: Json) -> None:
    """When backups are made, and what is kept of them."""
    if found["every"] == "off":
        screen.line("No backups are made by themselves; `pointsman backup schedule --daily` changes that.")
        return
    day = f" on {found['day']}" if found["every"] == "weekly" else ""
    age = f", none older than {found['days']} days" if found["days"] else ""
    how = "" if found["secrets"] else ", without secrets"
    screen.line(f"A backup is made {found['every']}{day} at {found['time']} UTC{how}.")
    screen.line(f"The last {found['keep']} are kept{age}. The next one: {when(found['next'])}.")
    if found["failure"]:
        screen.line(styled("failed", "red"), f"  {found['failure']}")


def when(seconds: float) -> str:
    """A Unix time for people, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def size(number: int) -> str:
    """A number of bytes for people."""
    if number < 10_000:
        return f"{number} B"
    return f"{number / 1000:.0f} kB" if number < 10_000_000 else f"{number / 1_000_000:.0f} MB"
