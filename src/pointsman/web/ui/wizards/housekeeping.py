"""The wizards that are not about services: a backup, room on the disk, and the ones that lead to pages.

Invariant: what is deleted was chosen by name and confirmed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from pointsman.backup.manifest import DESCRIPTION_LIMIT
from pointsman.console.template import format_bytes, format_utc
from pointsman.control.disk import delete_logs, disk_use
from pointsman.store import Author
from pointsman.web.ui.wizards.asking import Answers, Ask, Option
from pointsman.web.ui.wizards.wizard import Link, Outcome, Step, Wizard, World

BACKUPS = "/system/backups"


async def _ask_backup(answers: Answers, world: World) -> Sequence[Ask]:
    return (
        Ask(
            "name",
            "Name of the backup",
            needed=True,
            default=(time.strftime("%Y-%m-%d %H.%M", time.gmtime()),),
        ),
        Ask("description", "Description", "area", "What it is for; may be empty."),
        Ask(
            "secrets",
            "Private keys and passwords",
            "radio",
            options=(
                Option("include", "in the backup", "it lies on this machine, readable by the instance alone"),
                Option("exclude", "left out", "they must be set again where they are not stored"),
            ),
            default=("include",),
            needed=True,
        ),
    )


def _check_backup(answers: Answers, world: World) -> Mapping[str, str]:
    if len(answers.text("description")) > DESCRIPTION_LIMIT:
        return {"description": f"is too long; shorten it to {DESCRIPTION_LIMIT} characters at most"}
    return {}


async def _backup(answers: Answers, world: World) -> Outcome:
    name, secrets = answers.text("name"), answers.text("secrets") == "include"
    description = answers.text("description").replace("\r\n", "\n")
    backups = world.control.backups

    async def act(author: Author) -> None:
        await backups.create(author, name, description, secrets=secrets)

    objects = len(world.control.objects)
    return Outcome(
        done=f'The backup "{name}" was made.',
        act=act,
        summary=(
            f'A backup "{name}" of the whole configuration is made: {objects} objects, '
            f"{'with' if secrets else 'without'} private keys and passwords.",
            "It stays on this traffic manager until you delete it. Download it to keep it elsewhere.",
        ),
        links=(Link("Configuration backups", BACKUPS),),
    )


BACKUP = Wizard(
    "backup",
    "Backup my configuration",
    "Keeps the whole configuration as it is now, to compare with and to go back to.",
    "Wizard!Backup",
    ("Backup!Edit",),
    (Step("Backup", _ask_backup, _check_backup, "What is kept, and under which name."),),
    _backup,
    icon="download",
)

RESTORE = Wizard(
    "restore",
    "Restore a backup",
    "Shows what a backup would change, and makes the configuration what it was.",
    "Wizard!Restore",
    leads=BACKUPS,
    icon="undo",
)

JOIN = Wizard(
    "join-cluster",
    "Join a cluster",
    "Makes this traffic manager a member of a cluster, after a look at its fingerprints.",
    "Wizard!ClusterJoin",
    leads="/system/traffic-managers#join-title",
    icon="plus",
)


async def _ask_disk(answers: Answers, world: World) -> Sequence[Ask]:
    use = await disk_use(world.control.backups.home)
    kept = await world.control.backups.list()
    return [
        Ask(
            "backups",
            "Configuration backups",
            "boxes",
            "They belong to this traffic manager alone. Download those that matter first."
            if kept
            else "There are none.",
            options=tuple(
                Option(
                    one.name,
                    one.name,
                    f"{format_bytes(one.size)}, {format_utc(one.manifest.time)}"
                    + (f", {one.fault}" if one.fault else ""),
                )
                for one in kept
            ),
        ),
        Ask(
            "logs",
            "Logs",
            "boxes",
            "Former logs are deleted, the present one of an engine is emptied.",
            options=tuple(
                Option(
                    log.name,
                    log.name,
                    f"{format_bytes(log.size)}, {'former' if log.former else 'is emptied'}",
                )
                for log in use.logs
                if log.spare
            ),
        ),
        Ask(
            "rest",
            "What stays",
            "note",
            f"{format_bytes(use.free)} of {format_bytes(use.total)} are free. Events and history of activity take "
            f"{format_bytes(use.history)} and expire by themselves; the configuration with its history takes "
            f"{format_bytes(use.configuration)}.",
        ),
    ]


def _check_disk(answers: Answers, world: World) -> Mapping[str, str]:
    if not answers.all("backups") and not answers.all("logs"):
        return {"logs": "nothing is chosen; choose what may go, or cancel"}
    return {}


async def _free(answers: Answers, world: World) -> Outcome:
    backups, logs = answers.all("backups"), answers.all("logs")
    control = world.control

    async def act(author: Author) -> None:
        for name in backups:
            await control.backups.delete(author, name)
        if logs:
            await delete_logs(control, control.backups.home, author, logs)

    return Outcome(
        done="The disk has more room now.",
        act=act,
        summary=(
            *(f'The backup "{name}" is deleted for good.' for name in backups),
            *(f"The log {name} goes." for name in logs),
        ),
        links=(Link("Free more", "/wizards/free-disk-space"), Link("Configuration backups", BACKUPS)),
    )


FREE_DISK = Wizard(
    "free-disk-space",
    "Free some disk space",
    "Shows what lies on the disk of this traffic manager, and deletes what you choose: backups and old logs.",
    "Wizard!FreeDiskSpace",
    ("Backup!Edit",),
    (Step("What may go", _ask_disk, _check_disk, "Only what is chosen here is deleted."),),
    _free,
    icon="trash",
    danger=True,
)
