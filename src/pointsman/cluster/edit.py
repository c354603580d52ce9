"""The changes of configuration that members make about members: one comes, leaves, is removed; groups follow.

Pure. Invariant: each function gives the changes of one transaction, whole settings for each object it touches; what a
type that this version does not have would need is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pointsman.cluster.roster import Member, Objects, Roster
from pointsman.schema.cluster import AUTHORITY, DATA_KEYS, MEMBERS, SETTINGS, USERS
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.store import Change, Delete, Put

TRAFFIC_MANAGERS = "traffic_managers"
GROUPS = "traffic_ip_groups"
_LISTS = ("machines", "slaves")
"""The lists of a group: all its traffic managers, and those of them that are passive."""
_PINS = "ip_mapping"
"""The table of addresses that are kept on one traffic manager."""
PARTS = ("passive", "active", "none")
"""How a member takes part in the groups that are there when it joins."""


def entry(objects: Objects, own: Member, traffic_manager: Mapping[str, Any], part: str) -> list[Change]:
    """A member comes, with the settings of its own object."""
    identity = ObjectId(TRAFFIC_MANAGERS, own.name)
    return [
        Put(identity, traffic_manager),
        Put(ObjectId(MEMBERS.path, own.id), own.settings),
        *_groups_with(objects, own.name, part),
    ]


def removal(objects: Objects, member: Member, by: str, at: int) -> list[Change]:
    """A member is one no more: its object goes, and it is taken out of groups."""
    settings = dict(objects.get(ObjectId(MEMBERS.path, member.id), {}))
    settings["removal"] = {"state": "removed", "by": by, "time": at}
    changes: list[Change] = [Put(ObjectId(MEMBERS.path, member.id), settings)]
    changes += _groups_without(objects, member.name)
    identity = ObjectId(TRAFFIC_MANAGERS, member.name)
    if identity in objects:
        changes.append(Delete(identity))
    return changes


def dissolution(objects: Objects) -> list[Change]:
    """Everything about the cluster goes; for an instance that stands alone again."""
    internal = {AUTHORITY.path, DATA_KEYS.path, MEMBERS.path, SETTINGS.path, USERS.path}
    return [Delete(identity) for identity in objects if identity.type in internal]


def others_away(objects: Objects, roster: Roster, own: str) -> list[Change]:
    """The other members' objects go, for an instance that stands alone again with its copy of the configuration."""
    changes: list[Change] = []
    for member in roster.members:
        identity = ObjectId(TRAFFIC_MANAGERS, member.name)
        if member.name != own and identity in objects:
            changes.append(Delete(identity))
    return changes


def data_keys(generation: int, wrapped: Mapping[str, str]) -> list[Change]:
    """A data key for each member, by id."""
    return [
        Put(
            ObjectId(DATA_KEYS.path, f"{generation}.{member}"),
            {"basic": {"generation": generation, "member": member, "wrapped": text}},
        )
        for member, text in sorted(wrapped.items())
    ]


def _groups_with(objects: Objects, name: str, part: str) -> list[Change]:
    if part == "none" or GROUPS not in BY_PATH:
        return []
    lists = _LISTS if part == "passive" else _LISTS[:1]
    changes: list[Change] = []
    for identity, settings in _groups(objects):
        basic = dict(settings.get("basic", {}))
        for key in lists:
            if BY_PATH[GROUPS].key("basic", key) is not None and name not in basic.get(key, ()):
                basic[key] = [*basic.get(key, ()), name]
        changes.append(Put(identity, {**settings, "basic": basic}))
    return changes


def _groups_without(objects: Objects, name: str) -> list[Change]:
    changes: list[Change] = []
    for identity, settings in _groups(objects):
        basic = settings.get("basic", {})
        kept = {
            key: [held for held in value if held != name]
            if key in _LISTS
            else [row for row in value if row.get("traffic_manager") != name]
            if key == _PINS
            else value
            for key, value in basic.items()
        }
        if kept != basic:
            changes.append(Put(identity, {**settings, "basic": kept}))
    return changes


def _groups(objects: Objects) -> Iterable[tuple[ObjectId, Mapping[str, Any]]]:
    if GROUPS not in BY_PATH:
        return ()
    return [(identity, settings) for identity, settings in objects.items() if identity.type == GROUPS]
