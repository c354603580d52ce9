"""A backup as one archive: its manifest, the configuration as objects, secrets beside it. See docs/design/backup.md.

Pure. Invariant: what is read is whole (every member has the size and SHA-256 that the manifest says, and the manifest
its own), made for this level of the schema or a lower one, and bounded in size; anything else is `ArchiveRefused`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pointsman.backup.manifest import (
    FORMAT,
    Handling,
    Manifest,
    canonical,
    check_level,
    decode_identity,
    decode_manifest,
    encode_manifest,
    read_json,
)
from pointsman.backup.secret import (
    Objects,
    Path,
    TakenSecret,
    WrongPassphrase,
    put_back,
    seal,
    taken_out,
    unseal,
)
from pointsman.backup.shape import misshapen
from pointsman.backup.tar import FIRST, LAST, ArchiveRefused, check_sizes, pack, unpack
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Kind, ResourceType
from pointsman.schema.upgrade import upgrade, upgraded_path

CONFIGURATION = "configuration.json"
OPEN_SECRETS = "secrets.json"
SEALED_SECRETS = "secrets.sealed"
_FILES = "files/"

Keep = Literal["included", "left out"]


@dataclass(frozen=True)
class Content:
    """What an archive holds: sparse settings by identity and, of users, the hashes of their passwords.

    `missing` are the secrets that are not at hand (left out, or sealed and no passphrase was given), each with object
    and field.
    """

    objects: Objects
    users: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[tuple[ObjectId, Path], ...] = ()


@dataclass(frozen=True)
class Archive:
    """An archive that was read."""

    manifest: Manifest
    content: Content


def write(
    manifest: Manifest,
    content: Content,
    *,
    secrets: Keep = "included",
    passphrase: str = "",
    registry: Mapping[str, ResourceType] = BY_PATH,
) -> bytes:
    """The archive of `content`; a passphrase seals its secrets. Raises `ArchiveRefused` when it would be too large.

    Of `manifest` version, level, time, description, traffic manager, uuid and members are taken; the rest follows from
    the content. Objects of types that `registry` does not have are left out.
    """
    bare, taken = taken_out(content.objects, registry)
    files: dict[str, bytes] = {}
    listed: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for identity in sorted(bare):
        counts[identity.type] = counts.get(identity.type, 0) + 1
        entry: dict[str, Any] = {"type": identity.type, "name": identity.name}
        if registry[identity.type].kind is Kind.FILE:
            data: bytes = bare[identity]["content"]
            entry["file"] = digest = hashlib.sha256(data).hexdigest()
            files[_FILES + digest] = data
        else:
            entry["settings"] = bare[identity]
        listed.append(entry)
    gone = [(secret.identity, secret.path) for secret in taken] + list(content.missing)
    configuration = canonical({
        "objects": listed,
        "secrets": [[identity.type, identity.name, list(path)] for identity, path in sorted(set(gone))],
    })  # fmt: skip
    members = {CONFIGURATION: configuration}
    handling: Handling = "left out"
    if secrets == "included":
        hidden = canonical({
            "secrets": [[*s.identity, list(s.path), s.row, s.value] for s in taken],
            "users": dict(content.users),
        })  # fmt: skip
        handling = "sealed" if passphrase else "included"
        members |= (
            {SEALED_SECRETS: seal(hidden, passphrase, configuration)}
            if passphrase
            else {OPEN_SECRETS: hidden}
        )
    members |= dict(sorted(files.items()))
    return _assembled(replace(manifest, secrets=handling, counts=counts, left_out=len(set(gone))), members)


def _assembled(manifest: Manifest, members: Mapping[str, bytes]) -> bytes:
    described = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in members.items()
    }
    head = encode_manifest(manifest, described)
    whole = {FIRST: head, **members, LAST: f"{hashlib.sha256(head).hexdigest()}\n".encode()}
    check_sizes((name, len(data)) for name, data in whole.items())
    return pack(whole, manifest.time)


def with_description(data: bytes, description: str) -> bytes:
    """The same backup described otherwise; sealed secrets stay sealed. Raises `ArchiveRefused`."""
    manifest, members = _checked(data)
    return _assembled(replace(manifest, description=description), members)


def verify(data: bytes) -> Manifest:
    """The manifest of an archive whose every byte was checked, and whose content is understood; raises
    `ArchiveRefused`.
    """
    return read(data).manifest


def read(data: bytes, passphrase: str = "", *, registry: Mapping[str, ResourceType] = BY_PATH) -> Archive:
    """An archive, upgraded to this level of the schema. Raises `ArchiveRefused`, also for a wrong passphrase."""
    manifest, members = _checked(data)
    check_level(manifest)
    objects, expected = _objects(members, registry)
    users: dict[str, str] = {}
    missing = expected
    hidden = members.get(OPEN_SECRETS)
    if (sealed := members.get(SEALED_SECRETS)) is not None and passphrase:
        try:
            hidden = unseal(sealed, passphrase, members[CONFIGURATION])
        except WrongPassphrase:
            raise ArchiveRefused(
                "the passphrase is not the one this backup was sealed with; try another"
            ) from None
    if hidden is not None:
        secrets, users = _secrets(hidden)
        try:
            objects = put_back(objects, secrets)
        except (LookupError, TypeError, AttributeError):
            raise ArchiveRefused("its secrets do not belong to its configuration; it was altered") from None
        there = {(secret.identity, secret.path) for secret in secrets}
        missing = tuple(place for place in expected if place not in there)
    upgraded = upgrade(objects, manifest.level, registry)
    for identity, settings in upgraded.items():
        kind = registry[identity.type]
        if kind.kind is not Kind.FILE and (field_path := misshapen(kind, settings)):
            raise ArchiveRefused(
                f"{identity}: {field_path} has a value of another form; the backup was altered"
            )
    places = tuple(
        (identity, upgraded_path(registry.get(identity.type), path, manifest.level))
        for identity, path in missing
    )
    return Archive(manifest, Content(upgraded, users, places))


def _checked(data: bytes) -> tuple[Manifest, dict[str, bytes]]:
    members = unpack(data)
    head = members.pop(FIRST, None)
    if head is None:
        raise ArchiveRefused(f"the archive has no {FIRST}; give a backup of this product")
    stated = members.pop(LAST, b"").strip()
    if stated != hashlib.sha256(head).hexdigest().encode():
        raise ArchiveRefused(
            f"{FIRST} is not what it was (its SHA-256 differs); download or copy the backup again"
        )
    manifest, described = decode_manifest(head)
    if described.keys() != members.keys():
        odd = sorted(described.keys() ^ members.keys())[0]
        where = "missing" if odd in described else "not in the manifest"
        raise ArchiveRefused(f"the member {odd} is {where}; download or copy the backup again")
    for name, content in members.items():
        found = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        if described[name] != found:
            raise ArchiveRefused(f"the member {name} is not what it was; download or copy the backup again")
        if name.startswith(_FILES) and name != _FILES + found["sha256"]:  # type: ignore[operator] # a text
            raise ArchiveRefused(f"the member {name} has the wrong name; it was altered")
    if CONFIGURATION not in members:
        raise ArchiveRefused(f"the archive has no {CONFIGURATION}; it was altered")
    return manifest, members


def _objects(
    members: Mapping[str, bytes], registry: Mapping[str, ResourceType]
) -> tuple[Objects, tuple[tuple[ObjectId, Path], ...]]:
    objects: dict[ObjectId, Mapping[str, Any]] = {}
    used: set[str] = set()
    match read_json(members[CONFIGURATION], CONFIGURATION):
        case {"objects": list(listed), "secrets": list(hidden), **others} if not others:
            pass
        case _:
            raise ArchiveRefused(f"{CONFIGURATION} has another form than a backup's; it was altered")
    for entry in listed:
        identity, settings = _object(entry, members, used)
        kind = registry.get(identity.type)
        if kind is None:
            raise ArchiveRefused(f"{identity}: there is no such type of object; the backup was altered")
        if (kind.kind is Kind.FILE) != isinstance(settings.get("content"), bytes):
            raise ArchiveRefused(f"{identity}: is stored in the wrong form; the backup was altered")
        if (kind.kind is Kind.SINGLETON) != (not identity.name) or identity in objects:
            raise ArchiveRefused(f"{identity}: is named wrongly or twice; the backup was altered")
        objects[identity] = settings
    unused = {name for name in members if name.startswith(_FILES)} - used
    if unused:
        raise ArchiveRefused(f"the member {min(unused)} belongs to no object; the backup was altered")
    return objects, tuple(_places(hidden, objects))


def _object(entry: Any, members: Mapping[str, bytes], used: set[str]) -> tuple[ObjectId, Mapping[str, Any]]:
    match entry:
        case {"type": str(), "name": str(), "file": str(digest), **others} if not others:
            if _FILES + digest not in members:
                raise ArchiveRefused(
                    f"the file of {decode_identity(entry)} is missing; copy the backup again"
                )
            used.add(_FILES + digest)
            return decode_identity(entry), {"content": members[_FILES + digest]}
        case {"type": str(), "name": str(), "settings": dict(settings), **others} if not others and all(
            isinstance(keys, dict) for keys in settings.values()
        ):
            return decode_identity(entry), settings
    raise ArchiveRefused(f"{CONFIGURATION} has an object of another form; it was altered")


def _places(listed: Iterable[Any], objects: Objects) -> Iterable[tuple[ObjectId, Path]]:
    for entry in listed:
        match entry:
            case [str(kind), str(name), [*path]] if (
                ObjectId(kind, name) in objects
                and len(path) in (2, 4)
                and all(isinstance(part, str) for part in path)
            ):
                yield ObjectId(kind, name), tuple(path)
            case _:
                raise ArchiveRefused(f"{CONFIGURATION} names a secret of no object; it was altered")


def _secrets(hidden: bytes) -> tuple[tuple[TakenSecret, ...], dict[str, str]]:
    found: list[TakenSecret] = []
    match read_json(hidden, OPEN_SECRETS):
        case {"secrets": list(listed), "users": dict(users), **others} if not others:
            pass
        case _:
            raise ArchiveRefused(f"{OPEN_SECRETS} has another form than a backup's; it was altered")
    for entry in listed:
        match entry:
            case [str(kind), str(name), [*path], int(row), value] if all(
                isinstance(part, str) for part in path
            ) and len(path) == (2 if row < 0 else 4):
                found.append(TakenSecret(ObjectId(kind, name), tuple(path), row, value))
            case _:
                raise ArchiveRefused(f"{OPEN_SECRETS} has a secret of another form; it was altered")
    if not all(isinstance(text, str) for text in users.values()):
        raise ArchiveRefused(f"{OPEN_SECRETS} has a user of another form; it was altered")
    return tuple(found), users


__all__ = [
    "FORMAT",
    "Archive",
    "ArchiveRefused",
    "Content",
    "Manifest",
    "read",
    "verify",
    "with_description",
    "write",
]
