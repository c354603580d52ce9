"""Backups in the life of the control plane: joined to their parts, and begun.

Invariant: a directory that cannot be used is said in the log and keeps no traffic manager from serving.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from pointsman.control.answering import Echo
from pointsman.control.backups import Backups, Maker
from pointsman.control.configuration import Configuration
from pointsman.control.control import Identity
from pointsman.control.licensing import Licensing
from pointsman.identity.user import Users
from pointsman.schema.event import Event
from pointsman.store import Store

_log = logging.getLogger("pointsman")


def open_backups(
    home: Path,
    identity: Identity,
    store: Store,
    configuration: Configuration,
    licensing: Licensing,
    users: Users,
    on_event: Callable[[Event], None],
) -> Backups:
    """The backups of this instance."""
    backups = Backups(
        home,
        Maker(identity.name, identity.uuid),
        store=store,
        configuration=configuration,
        licensing=licensing,
        users=users,
        on_event=on_event,
        answers=Echo().answers,
    )
    try:
        backups.open()
    except OSError as error:
        _log.error(
            "backups cannot be kept in %s (%s); repair the directory", home / "backups", error.strerror
        )
    return backups
