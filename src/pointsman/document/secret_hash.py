"""Hashes that stand for secrets in an exported document: they say that a secret is unchanged without saying what it is.

Pure. Invariant: a hash is taken back only for the object and key that it was written for, and only where the secret
stored there is the one it was made of; it never becomes a value itself.

A hash is `scrypt-SALT-TAG`, or `sha256-SALT-TAG` for private keys, which nobody can guess. The salt is the instance's,
so that exports of one configuration are equal; the tag is an HMAC over object and key, so that equal secrets do not
show. A guess at a password costs one scrypt (2^13 blocks of 1 KiB, 20 ms), and so does each different password of an
export.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pointsman.document.difference import Objects
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.resource import FileResource, Key, Kind, Resource, ResourceType, ValueKind, keys_of
from pointsman.schema.validate import Invalid

HASHED = "secretHash"
"""The key of the mapping that stands for a secret."""
_FORM = re.compile(r"(scrypt|sha256)-([0-9a-f]{32})-([0-9a-f]{64})")
_PRIVATE_KEY = re.compile(r"\s*-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{100}")
_PLACEHOLDER = "hashed"

Path = tuple[str, ...]


class Hasher:
    """Hashes secrets; each different one is worked on once, so that a password used a thousand times costs one."""

    def __init__(self) -> None:
        self._stretched: dict[tuple[bytes, str], tuple[str, bytes]] = {}

    def hash(self, secret: str, salt: bytes, identity: ObjectId, path: Path) -> str:
        """What stands for the secret of this object and key; `salt` has 16 bytes."""
        algorithm, stretched = self._stretch(secret, salt)
        place = "\0".join((identity.type, identity.name, *path)).encode("utf-8", "surrogatepass")
        tag = hmac.digest(stretched, place, "sha256")
        return f"{algorithm}-{salt.hex()}-{tag.hex()}"

    def matches(self, written: str, secret: str, identity: ObjectId, path: Path) -> bool:
        """Whether `written` was made of this secret for this object and key."""
        form = _FORM.fullmatch(written)
        if form is None:
            return False
        return hmac.compare_digest(written, self.hash(secret, bytes.fromhex(form[2]), identity, path))

    def _stretch(self, secret: str, salt: bytes) -> tuple[str, bytes]:
        known = self._stretched.get((salt, secret))
        if known is None:
            data = secret.encode("utf-8", "surrogatepass")
            if _PRIVATE_KEY.match(secret):
                known = "sha256", hmac.digest(salt, data, "sha256")
            else:
                known = "scrypt", hashlib.scrypt(data, salt=salt, n=2**13, r=8, p=1, maxmem=2**25)
            self._stretched[salt, secret] = known
        return known


def salt_of(seed: str) -> bytes:
    """The salt of an instance; `seed` is what tells it from others, and need not be secret."""
    return hashlib.sha256(f"secrets of {seed}".encode()).digest()[:16]


def hash_in(value: Any) -> str | None:
    """The hash, where `value` is a mapping that stands for a secret."""
    match value:
        case {"secretHash": str(written)} if len(value) == 1:
            return written
    return None


def without_hashes(kind: ResourceType, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings with a word in the place of each hash, for validation of all the rest."""
    return _replaced(kind, settings, lambda path, written: _PLACEHOLDER)


def resolve_hashes(objects: Objects, stored: Objects, registry: Mapping[str, ResourceType]) -> Objects:
    """`objects` with the stored secret in the place of each hash that stands for it. May take 20 ms a password.

    Raises `Invalid`, naming object and key, where none is stored or the stored one is another.
    """
    hasher = Hasher()
    problems: list[Problem] = []
    found: dict[ObjectId, Mapping[str, Any]] = {}
    for identity, settings in objects.items():
        kind = registry.get(identity.type)
        if kind is None or kind.kind is Kind.FILE:
            found[identity] = settings
            continue
        held = dict(_secrets(kind, stored.get(identity, {})))

        def taken(
            path: Path, written: str, identity: ObjectId = identity, held: dict[Path, str] = held
        ) -> str:
            if path in held and hasher.matches(written, held[path], identity, path):
                return held[path]
            problems.append(Problem(identity, path, "secret.hash", _complaint(written, path in held)))
            return _PLACEHOLDER

        found[identity] = _replaced(kind, settings, taken)
    if problems:
        raise Invalid(tuple(problems))
    return found


def refuse_hashes(objects: Objects, registry: Mapping[str, ResourceType], message: str) -> None:
    """For where no secrets are stored. Raises `Invalid` with `message` for each hash."""
    try:
        resolve_hashes(objects, {}, registry)
    except Invalid as error:
        problems = (Problem(found.subject, found.path, found.code, message) for found in error.problems)
        raise Invalid(tuple(problems)) from None


def _complaint(written: str, stored: bool) -> str:
    if not _FORM.fullmatch(written):
        return "is not a hash that an export wrote; write the secret itself"
    if not stored:
        return "is a hash, and no secret is stored here that it could stand for; write the secret itself"
    return "is the hash of another secret than the stored one; write the secret, or remove the key to keep that one"


def _replaced(
    kind: ResourceType, settings: Mapping[str, Any], replace: Callable[[Path, str], str]
) -> Mapping[str, Any]:
    """The settings with `replace(path, hash)` in the place of each hash; the very same where there is none."""
    changed: dict[str, Any] = {}
    for key in _keys_with_secrets(kind):
        section = settings.get(key.section)
        if not isinstance(section, Mapping) or key.name not in section:
            continue
        path = (key.section, key.name)
        value = _value(key, path, section[key.name], replace)
        if value is not section[key.name]:
            changed.setdefault(key.section, dict(section))[key.name] = value
    return {**settings, **changed} if changed else settings


def _value(key: Key, path: Path, value: Any, replace: Callable[[Path, str], str]) -> Any:
    if key.kind is not ValueKind.TABLE:
        written = hash_in(value)
        return value if written is None else replace(path, written)
    if not isinstance(value, list):
        return value
    hidden = {column.name for column in key.columns if column.secret is not None}
    rows = [
        {
            name: replace((*path, label, name), written)
            if name in hidden and (written := hash_in(cell)) is not None
            else cell
            for name, cell in row.items()
        }
        if isinstance(row, Mapping)
        else row
        for label, row in labelled(key, value)
    ]
    return value if rows == value else rows


def labelled(key: Key, rows: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The rows of a table, each with what a path names it by: its key column, or its number."""
    for number, row in enumerate(rows):
        label = row.get(key.row_key) if key.row_key and isinstance(row, Mapping) else None
        yield str(number) if label is None else str(label), row


def _secrets(kind: ResourceType, settings: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for key in _keys_with_secrets(kind):
        value = settings.get(key.section, {}).get(key.name)
        if value is None:
            continue
        path = (key.section, key.name)
        if key.kind is not ValueKind.TABLE:
            yield path, str(value)
            continue
        for label, row in labelled(key, value):
            for column in key.columns:
                if column.secret is not None and column.name in row:
                    yield (*path, label, column.name), str(row[column.name])


def _keys_with_secrets(kind: ResourceType) -> tuple[Key, ...]:
    return _secret_keys(kind.model)


@cache
def _secret_keys(model: type[Resource] | type[FileResource]) -> tuple[Key, ...]:
    keys = () if issubclass(model, FileResource) else keys_of(model)
    return tuple(
        key for key in keys if key.secret is not None or any(c.secret is not None for c in key.columns)
    )
