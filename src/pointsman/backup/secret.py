"""Secrets apart from the settings they belong to, and under a passphrase.

Pure. Invariant: settings that went through `taken_out` hold no secret; `put_back` of what was taken gives the same
settings again; what is sealed opens only with its passphrase and only beside the configuration it was sealed for.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pointsman.schema.problem import ObjectId
from pointsman.schema.resource import Key, Kind, ResourceType, ValueKind

SHORTEST_PASSPHRASE = 8
LONGEST_PASSPHRASE = 1024
_MARK = b"pointsman-sealed-1\n"
_SALT_BYTES, _NONCE_BYTES = 16, 12

Objects = Mapping[ObjectId, Mapping[str, Any]]
Path = tuple[str, ...]


class WrongPassphrase(Exception):
    """The passphrase is not the one, or the sealed bytes belong elsewhere."""


@dataclass(frozen=True)
class TakenSecret:
    """One secret: where it was, with the number of its row in a table (-1 elsewhere), and the field's `path` for
    people: section and key, and in a table the row's label and the column.
    """

    identity: ObjectId
    path: Path
    row: int
    value: Any


def taken_out(
    objects: Objects, registry: Mapping[str, ResourceType]
) -> tuple[Objects, tuple[TakenSecret, ...]]:
    """The objects without their secrets, and the secrets. Objects of unknown types are left out of both."""
    bare: dict[ObjectId, Mapping[str, Any]] = {}
    secrets: list[TakenSecret] = []
    for identity in sorted(objects):
        kind = registry.get(identity.type)
        if kind is None:
            continue
        settings = objects[identity]
        if kind.kind is Kind.FILE:
            bare[identity] = settings
            continue
        found = {section: dict(keys) for section, keys in settings.items()}
        for key in kind.keys:
            if key.name not in found.get(key.section, {}):
                continue
            if key.secret is not None:
                value = found[key.section].pop(key.name)
                secrets.append(TakenSecret(identity, (key.section, key.name), -1, value))
            elif key.kind is ValueKind.TABLE and (hidden := hidden_columns(key)):
                rows = [dict(row) for row in found[key.section][key.name]]
                for number, row in enumerate(rows):
                    label = row_label(key, number, row)
                    for column in sorted(hidden & row.keys()):
                        path = (key.section, key.name, label, column)
                        secrets.append(TakenSecret(identity, path, number, row.pop(column)))
                found[key.section][key.name] = rows
        bare[identity] = {section: keys for section, keys in found.items() if keys}
    return bare, tuple(secrets)


def hidden_columns(key: Key) -> frozenset[str]:
    """The secret columns of a table."""
    return frozenset(column.name for column in key.columns if column.secret is not None)


def row_label(key: Key, number: int, row: Mapping[str, Any]) -> str:
    """What a path names a row by: its key column, or its number where that is none or secret."""
    if not key.row_key or key.row_key in hidden_columns(key):
        return str(number)
    return str(row.get(key.row_key, number))


def put_back(objects: Objects, secrets: Iterable[TakenSecret]) -> Objects:
    """The objects with secrets where they were. Raises `LookupError` or `TypeError` for a place that is not there."""
    whole = dict(objects)
    copied: set[ObjectId] = set()
    for secret in secrets:
        if secret.identity not in copied:
            copied.add(secret.identity)
            whole[secret.identity] = {section: dict(keys) for section, keys in whole[secret.identity].items()}
        section, name, *rest = secret.path
        settings: Any = whole[secret.identity]
        if secret.row < 0:
            settings.setdefault(section, {})[name] = secret.value
            continue
        rows: Sequence[Mapping[str, Any]] = settings[section][name]
        settings[section][name] = [
            {**row, rest[1]: secret.value} if number == secret.row else row for number, row in enumerate(rows)
        ]
    return whole


def seal(content: bytes, passphrase: str, beside: bytes) -> bytes:
    """`content` under a passphrase, bound to the bytes `beside` it. Takes 0.2 s and 64 MiB."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    cipher = AESGCM(_stretched(passphrase, salt))
    return _MARK + salt + nonce + cipher.encrypt(nonce, content, _bound(beside))


def unseal(sealed: bytes, passphrase: str, beside: bytes) -> bytes:
    """What was sealed. Raises `WrongPassphrase`."""
    body = sealed.removeprefix(_MARK)
    if body == sealed or len(body) < _SALT_BYTES + _NONCE_BYTES:
        raise WrongPassphrase
    salt, nonce = body[:_SALT_BYTES], body[_SALT_BYTES : _SALT_BYTES + _NONCE_BYTES]
    try:
        cipher = AESGCM(_stretched(passphrase, salt))
        return cipher.decrypt(nonce, body[_SALT_BYTES + _NONCE_BYTES :], _bound(beside))
    except InvalidTag:
        raise WrongPassphrase from None


def _bound(beside: bytes) -> bytes:
    return hashlib.sha256(beside).digest()


def _stretched(passphrase: str, salt: bytes) -> bytes:
    secret = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=2**16, r=8, p=1, maxmem=2**27, dklen=32)


def fields(secrets: Iterable[TakenSecret]) -> Iterator[tuple[ObjectId, Path]]:
    """Where secrets belong, for people."""
    return ((secret.identity, secret.path) for secret in secrets)
