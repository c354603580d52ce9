"""Gives this traffic manager another name: in its configuration, and as a wish that its next start carries out.

Invariant: the object and every reference to it get the name in one transaction, or none does; doing it again changes
nothing, so a start that was cut short repeats it. Renaming restarts the control plane and never the data plane.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pointsman.control.error import CannotStore, ControlError
from pointsman.identity.called import IdentityDamaged, Wish, wish_name
from pointsman.identity.machine import machine_addresses
from pointsman.schema.event import Event, Severity
from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Change, Put, Rename, Store

CONFIGURE = Author("", "", "configure")
"""The author of what the configure script asks for."""
KIND = "traffic_managers"
_RESTART_SECONDS = 0.2
"""How long the answer to whoever asked has to leave before the control plane stops."""


class NameTaken(Exception):
    """Another traffic manager has the name; the text says which and what to do."""


async def rename_traffic_manager(store: Store, before: str, after: str, author: Author = CONFIGURE) -> bool:
    """Renames this member's object and every reference to it; whether there was anything to rename.

    A name that is an address is its `nameip` too. When there is only an object that has the new name, a start before
    this one has renamed it. Raises `NameTaken` when both are there.
    """
    old, new = ObjectId(KIND, before), ObjectId(KIND, after)
    if before == after or old not in store.objects:
        return False
    if new in store.objects:
        raise NameTaken(f"another traffic manager is called {after}; choose a name that none has")
    settings = dict(store.objects[old])
    basic = {key: value for key, value in settings.get("basic", {}).items() if key != "nameip"}
    wanted = {section: keys for section, keys in settings.items() if section != "basic"}
    basic |= nameip(after)
    if basic:
        wanted["basic"] = basic
    changes: list[Change] = [Rename(old, after)]
    if wanted != settings:
        changes.append(Put(new, wanted))
    await store.commit(changes, author, f"traffic manager {before} is called {after} now")
    return True


def nameip(name: str) -> dict[str, str]:
    """The key that says a name is an address, for a name that is one."""
    return {"nameip": name} if is_address(name) else {}


def is_address(name: str) -> bool:
    """Whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class CannotRename(ControlError):
    """The name cannot be taken; nothing was changed."""


@dataclass(frozen=True)
class Names:
    """What is known of names: the own one, addresses that may take its place, and who else is there."""

    name: str
    addresses: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def is_address(self) -> bool:
        """Whether the own name is an address already: then only the configure script gives another."""
        return is_address(self.name)


class Renaming:
    """The use case of the page and of local commands: an address in the place of the host name. It is one way."""

    def __init__(
        self,
        home: Path,
        name: str,
        store: Store,
        on_event: Callable[[Event], None],
        addresses: Callable[[], tuple[str, ...]] = machine_addresses,
    ) -> None:
        self._home = home
        self._name = name
        self._store = store
        self._on_event = on_event
        self._addresses = addresses
        self.restart: Callable[[], bool] | None = None
        """Asks for a restart of the control plane; set by the composition root."""

    def names(self) -> Names:
        """The own name, and what could replace it."""
        others = sorted(
            identity.name
            for identity in self._store.objects
            if identity.type == KIND and identity.name != self._name
        )
        return Names(self._name, self._addresses(), tuple(others))

    async def use_address(self, actor: Author, address: str) -> bool:
        """Replaces the host name by an address of this machine, "" for its only one; false when the control plane
        must be restarted by hand for that.

        Raises `CannotRename`, `CannotStore`.
        """
        names = self.names()
        wanted = self._checked(names, address)
        try:
            wish = Wish(wanted, actor.name, actor.address, actor.surface)
            await asyncio.to_thread(wish_name, self._home, wish)
        except (OSError, IdentityDamaged) as error:
            raise CannotStore(f"the new name was not stored ({error}); repair that, then repeat") from error
        text = (
            f"traffic manager {names.name} will be called {wanted}; the control plane starts again for that"
        )
        subject = ObjectId(KIND, names.name)
        self._on_event(Event("general", "renaming", Severity.INFO, subject, text, author=actor.name))
        if self.restart is None:
            return False
        asyncio.get_running_loop().call_later(_RESTART_SECONDS, self.restart)
        return True

    def _checked(self, names: Names, address: str) -> str:
        if names.is_address:
            raise CannotRename(
                f"{names.name} is an IP address already; another name is given by the configure script, option 2"
            )
        if not address:
            if len(names.addresses) != 1:
                raise CannotRename(
                    "this machine has several addresses; say which one"
                    if names.addresses
                    else "this machine has no address that others could reach; give it one first"
                )
            address = names.addresses[0]
        try:
            address = str(ipaddress.ip_address(address))
        except ValueError:
            raise CannotRename(f"{address[:80]} is no IP address; give one of this machine") from None
        if address not in names.addresses:
            raise CannotRename(f"{address} is no address of this machine; give one that is")
        if address in names.others:
            raise CannotRename(f"another traffic manager is called {address}; choose another address")
        return address
