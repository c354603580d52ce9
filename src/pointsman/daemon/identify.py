"""Who this instance is: its id, made once, and its name, which the configure script can change.

Invariant: the name in HOME/identity/instance.json is the one that this member's object has in the configuration: the
object is renamed first, and a start that was cut short in between goes on from there.
"""

from __future__ import annotations

import json
import platform
import socket
import uuid
from pathlib import Path

from pointsman import __version__
from pointsman.control.control import Identity
from pointsman.control.renaming import rename_traffic_manager
from pointsman.private_file import write_private
from pointsman.store import Store


class IdentityDamaged(Exception):
    """The file is there and cannot be used; the text names it and the remedy."""


async def identify(home: Path, store: Store, *, flag: str | None, ordered: str) -> Identity:
    """The instance's identity; made at the first start, renamed when `ordered` is another name.

    `flag` is a name for this run only, `ordered` the one that was decided ("" for none). Raises `IdentityDamaged`,
    `OSError`, `StoreError`.
    """
    path = home / "identity" / "instance.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        name, number = str(stored["name"]), str(stored["uuid"])
    except FileNotFoundError:
        name, number = flag or ordered or socket.gethostname() or "localhost", str(uuid.uuid4())
        _write(path, name, number)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise IdentityDamaged(
            f"{path}: {error}; restore the file or remove it to get a new identity"
        ) from None
    if ordered and ordered != name and not flag:
        await rename_traffic_manager(store, name, ordered)
        name = ordered
        _write(path, name, number)
    return Identity(flag or name, __version__, number, f"{platform.system()} {platform.machine()}")


def _write(path: Path, name: str, number: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_private(path, json.dumps({"uuid": number, "name": name}).encode())
