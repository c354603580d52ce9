"""The manifest of a backup: what it is, who made it when and where, and which members it has.

Pure. Invariant: a manifest that was decoded has every field in its type and within its bounds; a format, level or
version that is newer than this program is refused by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from pointsman import __version__
from pointsman.backup.tar import FIRST, ArchiveRefused
from pointsman.schema.level import LEVEL
from pointsman.schema.problem import ObjectId

FORMAT = 1
"""The format of the archives that this version writes."""
PRODUCT = "Pointsman"
DESCRIPTION_LIMIT = 1024
"""Characters of a description."""
_JSON_BRACKETS = 2_000_000
_JSON_COMMAS = 5_000_000
_SURROGATE = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]")
_LATEST = 253_000_000_000
"""In the year 9987, after which dates cannot be shown."""

Handling = Literal["included", "sealed", "left out"]
Members = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Manifest:
    """`time` is in Unix seconds; `traffic_manager` and `uuid` tell the instance that made it, `members` the cluster's
    traffic managers then; `secrets` says whether they are in it, `left_out` counts the fields that are secret; `counts`
    are the objects of each type; `scheduled` that nobody asked for it.
    """

    version: str = __version__
    level: int = LEVEL
    time: int = 0
    description: str = ""
    traffic_manager: str = ""
    uuid: str = ""
    members: tuple[str, ...] = ()
    secrets: Handling = "included"
    left_out: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    scheduled: bool = False

    @property
    def objects(self) -> int:
        """How many objects it holds."""
        return sum(self.counts.values())


def canonical(value: Any, indent: int | None = None) -> bytes:
    """JSON that is the same for equal values. Indented it takes ten times as long."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, indent=indent, allow_nan=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def read_json(data: bytes, what: str) -> Any:
    """The value of strict JSON of bounded size. Raises `ArchiveRefused`."""

    def refuse(why: str) -> NoReturn:
        raise ArchiveRefused(f"{what} {why}; the backup was altered")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            refuse("has a name twice in one object")
        return found

    # Each bracket becomes an object of Python in memory, many times as large as its text.
    if data.count(b"[") + data.count(b"{") > _JSON_BRACKETS or data.count(b",") > _JSON_COMMAS:
        refuse("has more elements than any configuration")
    # We write every character as itself; half a pair could not be shown, nor stored.
    if _SURROGATE.search(data):
        refuse("has an escaped surrogate")
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=unique,
            parse_constant=lambda word: refuse(f"holds {word}"),
        )
    except UnicodeDecodeError:
        refuse("is not UTF-8")
    except (ValueError, RecursionError):
        refuse("is not JSON")


def decode_identity(entry: Mapping[str, Any]) -> ObjectId:
    """Type and name of an object."""
    return ObjectId(entry["type"], entry["name"])


def encode_manifest(manifest: Manifest, members: Members) -> bytes:
    """The manifest as its member of the archive."""
    return canonical({
        "format": FORMAT,
        "product": PRODUCT,
        "version": manifest.version,
        "level": manifest.level,
        "time": manifest.time,
        "description": manifest.description,
        "traffic_manager": manifest.traffic_manager,
        "uuid": manifest.uuid,
        "traffic_managers": list(manifest.members),
        "secrets": manifest.secrets,
        "secret_fields": manifest.left_out,
        "objects": dict(manifest.counts),
        "scheduled": manifest.scheduled,
        "members": members,
    }, indent=1)  # fmt: skip


def decode_manifest(data: bytes) -> tuple[Manifest, Members]:
    """The manifest, and size and SHA-256 of each other member. Raises `ArchiveRefused`."""
    found = read_json(data, FIRST)
    match found:
        case {"product": "Pointsman", "format": int(form)}:
            if form != FORMAT:
                version = found.get("version")
                raise ArchiveRefused(
                    f"the backup has the format {form}, made by version {version}; version {__version__} reads the "
                    f"format {FORMAT}: use a newer version"
                )
        case _:
            raise ArchiveRefused("this is not a backup of this product; give one that it made")
    match found:
        case {
            "format": _, "product": _, "version": str(version), "level": int(level), "time": int(time),
            "description": str(description), "traffic_manager": str(made_by), "uuid": str(uuid),
            "traffic_managers": list(names), "secrets": "included" | "sealed" | "left out" as secrets,
            "secret_fields": int(left_out), "objects": dict(counts), "scheduled": bool(scheduled),
            "members": dict(members), **others,
        } if not others:  # fmt: skip
            pass
        case _:
            raise ArchiveRefused(f"{FIRST} lacks something or has something unknown; the backup was altered")
    numbers_fit = (
        level >= 1 and 0 <= time < _LATEST and all(type(n) is int and n >= 0 for n in counts.values())
    )
    texts = (version, description, made_by, uuid, *names)
    texts_fit = all(isinstance(text, str) and len(text) <= DESCRIPTION_LIMIT for text in texts)
    members_fit = all(
        isinstance(one, dict) and one.keys() == {"bytes", "sha256"} and type(one["bytes"]) is int
        for one in members.values()
    )
    if not (numbers_fit and texts_fit and members_fit) or isinstance(level, bool) or isinstance(time, bool):
        raise ArchiveRefused(f"{FIRST} has a value out of bounds; the backup was altered")
    manifest = Manifest(
        version=version,
        level=level,
        time=time,
        description=description,
        traffic_manager=made_by,
        uuid=uuid,
        members=tuple(names),
        secrets=secrets,
        left_out=left_out,
        counts=counts,
        scheduled=scheduled,
    )
    return manifest, members


def check_level(manifest: Manifest) -> None:
    """Refuses what a newer version made, naming both. Raises `ArchiveRefused`."""
    if manifest.level > LEVEL or _release(manifest.version) > _release(__version__):
        raise ArchiveRefused(
            f"the backup was made by version {manifest.version} (schema level {manifest.level}), newer than this "
            f"version {__version__} (schema level {LEVEL}); restore it on version {manifest.version} or later"
        )


def _release(version: str) -> tuple[int, ...]:
    """The first two numbers of a version; () for one that is not known, which is no ground for a refusal."""
    found = re.match(r"(\d{1,6})\.(\d{1,6})", version)
    return (int(found[1]), int(found[2])) if found else ()
