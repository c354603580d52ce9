"""The members of a cluster as values, read from the configuration.

Pure. Invariant: what is read depends on what is stored alone, so that every member that has seen the same entries
knows the same members.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.schema.cluster import AUTHORITY, MEMBERS, SETTINGS
from pointsman.schema.problem import ObjectId

Objects = Mapping[ObjectId, Mapping[str, Any]]


@dataclass(frozen=True)
class Member:
    """A member as it described itself; `name` is that of its traffic manager, `joined` in Unix seconds.

    `removed_by` and `removed_at` say who removed it and when; "" and 0 for a member.
    """

    id: str
    name: str
    address: str = ""
    control_port: int = 0
    rest_port: int = 0
    ui_port: int = 0
    version: str = ""
    level: int = 0
    licence: str = ""
    certificate: str = ""
    public_key: str = ""
    admin_sha1: str = ""
    admin_sha256: str = ""
    engine_certificate: str = ""
    joined: int = 0
    removed: bool = False
    removed_by: str = ""
    removed_at: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """What is stored of it, but for its removal."""
        return {
            "basic": {
                "traffic_manager": self.name,
                "address": self.address,
                "control_port": self.control_port,
                "rest_port": self.rest_port,
                "ui_port": self.ui_port,
                "version": self.version,
                "level": self.level,
                "licence": self.licence,
                "certificate": self.certificate,
                "public_key": self.public_key,
                "admin_sha1": self.admin_sha1,
                "admin_sha256": self.admin_sha256,
                "engine_certificate": self.engine_certificate,
                "joined": self.joined,
            }
        }


@dataclass(frozen=True)
class Roster:
    """Everybody who is or was a member, by id; `cluster` is the cluster's id, "" for an instance that stands alone."""

    cluster: str
    all: Mapping[str, Member]
    override: bool = False

    @property
    def members(self) -> tuple[Member, ...]:
        """Who is a member, by name."""
        present = (member for member in self.all.values() if not member.removed)
        return tuple(sorted(present, key=lambda member: (member.name, member.id)))

    def named(self, name: str) -> Member | None:
        """The member of a name."""
        return next((member for member in self.members if member.name == name), None)

    @property
    def uneven(self) -> str:
        """Why the configuration is frozen, as a sentence: members run different versions. "" when they do not."""
        versions: dict[tuple[int, str], list[str]] = {}
        for member in self.members:
            versions.setdefault((member.level, member.version), []).append(member.name)
        if len(versions) < 2:
            return ""
        told = "; ".join(
            f"{version} on {', '.join(names)}" for (_, version), names in sorted(versions.items())
        )
        return f"the members run different versions ({told})"


def read_roster(objects: Objects) -> Roster:
    """The members that are stored."""
    authority = objects.get(ObjectId(AUTHORITY.path, ""), {}).get("basic", {})
    settings = objects.get(ObjectId(SETTINGS.path, ""), {}).get("basic", {})
    found = (
        _member(identity.name, held) for identity, held in objects.items() if identity.type == MEMBERS.path
    )
    return Roster(
        str(authority.get("cluster", "")),
        {member.id: member for member in found},
        override=bool(settings.get("override", False)),
    )


def _member(number: str, settings: Mapping[str, Any]) -> Member:
    basic, removal = settings.get("basic", {}), settings.get("removal", {})
    known = {name: basic[name] for name in _KEYS if name in basic}
    removed = removal.get("state") == "removed"
    return Member(
        number,
        str(basic.get("traffic_manager", "")),
        **known,
        removed=removed,
        removed_by=str(removal.get("by", "")) if removed else "",
        removed_at=int(removal.get("time", 0)) if removed else 0,
    )


_KEYS = tuple(name for name in Member("", "").settings["basic"] if name != "traffic_manager")
