"""Who this instance is: its id, made once, and its name, which the configure script and the page can change.

Invariant: the name in HOME/identity/instance.json is the one that this member's object has in the configuration: the
object is renamed first, and a start that was cut short in between goes on from there. A name that another traffic
manager has is not taken.
"""

from __future__ import annotations

import logging
import platform
import socket
import uuid
from pathlib import Path

from pointsman import __version__
from pointsman.control.control import Identity
from pointsman.control.renaming import NameTaken, rename_traffic_manager
from pointsman.identity.called import Called, IdentityDamaged, read_called, write_called
from pointsman.store import Author, Store

_log = logging.getLogger("pointsman")


async def identify(home: Path, store: Store, *, flag: str | None, ordered: str) -> Identity:
    """The instance's identity; made at the first start, renamed when somebody wished so.

    `flag` is a name for this run only, `ordered` the one that was decided for the first start ("" for the host's).
    Raises `IdentityDamaged`, `OSError`, `StoreError`.
    """
    try:
        called = read_called(home)
    except OSError as error:
        raise IdentityDamaged(f"{error.filename}: {error.strerror}; make it readable") from None
    if called is None:
        called = Called(flag or ordered or socket.gethostname() or "localhost", str(uuid.uuid4()))
        write_called(home, called)
    if called.wish is not None and not flag:
        called = await _renamed(store, called)
        write_called(home, called)
    return Identity(
        flag or called.name, __version__, called.uuid, f"{platform.system()} {platform.machine()}"
    )


async def _renamed(store: Store, called: Called) -> Called:
    """The instance as it is called once its wish is done, or turned down."""
    assert called.wish is not None
    wish = called.wish
    author = Author(wish.user, wish.address, wish.surface)
    try:
        await rename_traffic_manager(store, called.name, wish.name, author)
    except NameTaken as error:
        _log.error("this traffic manager is still called %s: %s", called.name, error)
        return Called(called.name, called.uuid)
    return Called(wish.name, called.uuid)
