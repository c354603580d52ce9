"""The data keys of the cluster: wrapped for each member, a new one whenever a member goes.

Invariant: a key travels wrapped for one member only; who was removed gets no key that was made afterwards.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Protocol

from pointsman.cluster.edit import data_keys
from pointsman.cluster.roster import Objects, Roster
from pointsman.identity.authority import NotAcceptable, unwrap, wrap
from pointsman.identity.credential import Credential
from pointsman.schema.cluster import DATA_KEYS
from pointsman.store import Author, Change, StoreError

KEY_BYTES = 32
_STEP_BITS = 31
_log = logging.getLogger("pointsman.cluster")


class KeyStore(Protocol):
    """What is needed of the store; see `pointsman.store.Store`."""

    @property
    def objects(self) -> Objects:
        """What is stored."""

    @property
    def keys(self) -> Mapping[int, bytes]:
        """The data keys by generation."""

    async def add_key(self, generation: int, secret: bytes) -> None:
        """Takes another one; the greatest generation seals."""


def next_generation(known: Mapping[int, bytes]) -> int:
    """A generation above all known ones that no other member will choose at the same time."""
    return ((max(known, default=0) >> _STEP_BITS) + 1 << _STEP_BITS) + secrets.randbelow(1 << _STEP_BITS)


def wrapped_for(keys: Mapping[int, bytes], public_key: str) -> dict[int, str]:
    """Every data key, for one member. Raises `NotAcceptable`."""
    return {generation: wrap(secret, public_key) for generation, secret in keys.items()}


def renewal(roster: Roster, generation: int, secret: bytes) -> list[Change]:
    """What hands a new data key to every member."""
    wrapped: dict[str, str] = {}
    for member in roster.members:
        try:
            wrapped[member.id] = wrap(secret, member.public_key)
        except NotAcceptable:
            _log.error("%s has no readable public key and gets no data key; remove it", member.name)
    return data_keys(generation, wrapped)


async def take_keys(store: KeyStore, credential: Credential) -> bool:
    """Takes the keys that others wrapped for this member; whether there were any."""
    taken = False
    for identity, settings in tuple(store.objects.items()):
        if identity.type != DATA_KEYS.path or not identity.name.endswith(f".{credential.name.member}"):
            continue
        basic = settings.get("basic", {})
        generation = int(basic.get("generation", 0))
        if not generation or generation in store.keys:
            continue
        try:
            await store.add_key(generation, unwrap(str(basic.get("wrapped", "")), credential.key))
            taken = True
        except (NotAcceptable, StoreError) as error:
            _log.error("the data key of generation %d cannot be used: %s", generation, error)
    return taken


AUTHOR = Author("", "", "cluster")
"""The author of what a member writes about itself."""
