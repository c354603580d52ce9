"""Gives this traffic manager another name in its configuration.

Invariant: one transaction, or none; doing it again changes nothing, so a start that was cut short repeats it.
"""

from __future__ import annotations

import ipaddress

from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Change, Put, Rename, Store

CONFIGURE = Author("", "", "configure")
"""The author of what the configure script asks for."""
KIND = "traffic_managers"


async def rename_traffic_manager(store: Store, before: str, after: str) -> bool:
    """Renames this member's object and every reference to it; whether there was anything to rename.

    A name that is an address is its `nameip` too. An object that has the new name already stays as it is, and so does
    the old one.
    """
    old, new = ObjectId(KIND, before), ObjectId(KIND, after)
    if before == after or old not in store.objects or new in store.objects:
        return False
    settings = dict(store.objects[old])
    basic = {key: value for key, value in settings.get("basic", {}).items() if key != "nameip"}
    wanted = {section: keys for section, keys in settings.items() if section != "basic"}
    basic |= nameip(after)
    if basic:
        wanted["basic"] = basic
    changes: list[Change] = [Rename(old, after)]
    if wanted != settings:
        changes.append(Put(new, wanted))
    await store.commit(changes, CONFIGURE, f"traffic manager {before} is called {after} now")
    return True


def nameip(name: str) -> dict[str, str]:
    """The key that says a name is an address, for a name that is one."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return {}
    return {"nameip": name}
