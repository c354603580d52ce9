"""Which present traffic manager takes the place of which one of a backup, and objects told in the present names.

Pure. Invariant: no two of a backup take the place of one; whatever names a traffic manager by a declared reference
follows the mapping, and what named one that has no place is left out and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import FileResource, Key, Kind, Resource, ResourceType, ValueKind, keys_of
from pointsman.schema.traffic_manager import TRAFFIC_MANAGER
from pointsman.schema.validate import Invalid

MEMBERS = TRAFFIC_MANAGER.path

IDENTITY_SECTIONS = frozenset({"appliance", "cluster_comms", "ec2", "rest_api"})
IDENTITY_KEYS = frozenset({
    ("basic", "appliance_card"), ("basic", "cloud_platform"), ("basic", "nameip"), ("basic", "trafficip"),
    ("fault_tolerance", "bgp_router_id"), ("fault_tolerance", "ospfv2_ip"), ("kerberos", "hostname"),
    ("remote_licensing", "registration_identifier"), ("snmp", "bind_ip"),
})  # fmt: skip
"""Settings of a traffic manager that say which machine it is: addresses, interfaces, management ports."""


def map_members(old: Sequence[str], present: Sequence[str], wish: Mapping[str, str]) -> dict[str, str]:
    """Present names by those of the backup: as wished (an empty name leaves one out), then those of equal name, then
    the others in order. Who finds no place is not in it. Raises `Invalid` for a wish that cannot be.
    """
    problems = tuple(_wrong(old, present, wish))
    if problems:
        raise Invalid(problems)
    found = {before: after for before, after in wish.items() if after}
    free = [name for name in present if name not in found.values()]
    waiting = [name for name in old if name not in wish]
    for name in [name for name in waiting if name in free]:
        found[name] = name
        free.remove(name)
        waiting.remove(name)
    return found | dict(zip(waiting, free, strict=False))


def _wrong(old: Sequence[str], present: Sequence[str], wish: Mapping[str, str]) -> Iterator[Problem]:
    for before, after in wish.items():
        if before not in old:
            text = f'the backup has no traffic manager "{before}"; it has {_listed(old)}'
            yield Problem(None, ("mapping", before), "backup.mapping", text)
        elif after and after not in present:
            text = f'there is no traffic manager "{after}" here; there are {_listed(present)}'
            yield Problem(None, ("mapping", before), "backup.mapping", text)
        elif after and [*wish.values()].count(after) > 1:
            text = f'"{after}" can take the place of one traffic manager only; name another'
            yield Problem(None, ("mapping", before), "backup.mapping", text)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def renamed(
    identity: ObjectId,
    settings: Mapping[str, Any],
    mapping: Mapping[str, str],
    registry: Mapping[str, ResourceType] = BY_PATH,
) -> tuple[Mapping[str, Any], tuple[Problem, ...]]:
    """The settings of an object with traffic managers called as they are here, and what had to be left out."""
    kind = registry.get(identity.type)
    if kind is None or kind.kind is Kind.FILE:
        return settings, ()
    if not (naming := _naming(kind.model)):
        return settings, ()
    changed = {section: dict(keys) for section, keys in settings.items()}
    remarks: list[Problem] = []
    for key in naming:
        if key.name not in changed.get(key.section, {}):
            continue
        value, gone = _followed(key, changed[key.section][key.name], mapping)
        if value is None:
            del changed[key.section][key.name]
        else:
            changed[key.section][key.name] = value
        if gone:
            text = f"named {_listed(gone)}, which nobody here takes the place of; that was left out"
            remarks.append(Problem(identity, (key.section, key.name), "backup.member_left_out", text))
    return changed, tuple(remarks)


@cache
def _naming(model: type[Resource] | type[FileResource]) -> tuple[Key, ...]:
    keys = () if issubclass(model, FileResource) else keys_of(model)
    return tuple(key for key in keys if _names(key) or any(map(_names, key.columns)))


def _names(key: Key) -> bool:
    return key.reference is not None and key.reference.type == MEMBERS


def _followed(key: Key, value: Any, mapping: Mapping[str, str]) -> tuple[Any, list[str]]:
    """The value in the present names (None: nothing is left of it), and the names that have no place here."""
    gone: list[str] = []

    def follow(one: Key, name: str) -> str | None:
        target = one.reference.target(name) if one.reference is not None else None
        if target is None:
            return name
        if target not in mapping:
            gone.append(target)
            return None
        return name.removesuffix(target) + mapping[target]

    if key.kind is ValueKind.TABLE:
        rows = []
        for row in value:
            cells = dict(row)
            for column in filter(_names, key.columns):
                if column.name in cells:
                    cells[column.name] = _follow_all(column, cells[column.name], follow)
            if all(cells[name] is not None for name in cells):
                rows.append(cells)
        return rows, gone
    return _follow_all(key, value, follow), gone


def _follow_all(key: Key, value: Any, follow: Any) -> Any:
    if key.kind is not ValueKind.LIST:
        return follow(key, value)
    return [name for name in (follow(key, one) for one in value) if name is not None]


def as_member(stored: Mapping[str, Any], described: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of a traffic manager of another machine for this one, which stays who it is (`stored`)."""
    kept = {
        section: {
            name: value
            for name, value in keys.items()
            if section not in IDENTITY_SECTIONS and (section, name) not in IDENTITY_KEYS
        }
        for section, keys in described.items()
    }
    for section, keys in stored.items():
        for name, value in keys.items():
            if section in IDENTITY_SECTIONS or (section, name) in IDENTITY_KEYS:
                kept.setdefault(section, {})[name] = value
    return {section: keys for section, keys in kept.items() if keys}
