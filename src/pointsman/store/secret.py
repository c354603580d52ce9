"""The data keys, and the encryption of register values with them.

Invariant: a ciphertext opens only in the register, and under the stamp, that it was made for; so neither
another object's secret nor an older one can be put in its place without notice.

A ciphertext is "!", the generation of the key, ":" and base64 of nonce and AES-256-GCM output. JSON never
starts with "!", so a value says itself whether it is encrypted.

A store may have several keys, told apart by their generation: the greatest seals, all open. The members of a
cluster have the same keys.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pointsman.private_file import sync
from pointsman.store.json_text import canonical, parsed
from pointsman.store.register import Cell, Stamp

KEY_BYTES = 32
_NONCE_BYTES = 12
MARK = "!"
"""What the value of a register begins with that is encrypted."""


class Undecipherable(Exception):
    """A value was altered, moved, or encrypted with another key."""


class KeyMissing(Undecipherable):
    """A value is encrypted under a generation of the key that is not here (yet)."""


class DataKey:
    """One key. Its representation shows nothing of it."""

    def __init__(self, secret: bytes, generation: int = 1) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a data key has {KEY_BYTES} bytes")
        self._generation = str(generation)
        self._cipher = AESGCM(secret)
        self._fingerprints = _derived(secret, b"pointsman fingerprint")
        self.check = _derived(secret, b"pointsman key check").hex()[:16]

    def __repr__(self) -> str:
        return "DataKey(***)"

    @classmethod
    def generate(cls) -> bytes:
        """The bytes of a new key."""
        return AESGCM.generate_key(8 * KEY_BYTES)

    def seal(self, cell: Cell, stamp: Stamp, value: Any) -> str:
        """A JSON value as ciphertext."""
        nonce = os.urandom(_NONCE_BYTES)
        body = self._cipher.encrypt(nonce, canonical(value).encode(), _bound_to(cell, stamp))
        return f"{MARK}{self._generation}:{base64.b64encode(nonce + body).decode('ascii')}"

    def open(self, cell: Cell, stamp: Stamp, body: str) -> Any:
        """The JSON value in a ciphertext, given from its base64 on; raises `Undecipherable`."""
        try:
            sealed = base64.b64decode(body, validate=True)
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(cell, stamp))
            return json.loads(plain)
        except (InvalidTag, binascii.Error, ValueError):
            raise Undecipherable("the ciphertext does not belong to this place or key") from None

    def fingerprint(self, value: Any) -> str:
        """What history shows of a secret: "***" and 8 hex digits that tell whether it changed.

        They are of an HMAC-SHA256, not of a bare hash: a reader of the history must not be able to try
        passwords.
        """
        return f"***{hmac.digest(self._fingerprints, canonical(value).encode(), 'sha256').hex()[:8]}"


class Keyring:
    """The keys of a store by generation; never changed, and never empty."""

    def __init__(self, secrets: Mapping[int, bytes]) -> None:
        self._secrets = dict(sorted(secrets.items()))
        self._keys = {generation: DataKey(secret, generation) for generation, secret in self._secrets.items()}
        self._by_text = {str(generation): key for generation, key in self._keys.items()}

    def __repr__(self) -> str:
        return f"Keyring({sorted(self._secrets)})"

    @property
    def secrets(self) -> Mapping[int, bytes]:
        """The keys themselves."""
        return dict(self._secrets)

    @property
    def checks(self) -> Mapping[int, str]:
        """Values that tell whether a key is the right one, and nothing else of it."""
        return {generation: key.check for generation, key in self._keys.items()}

    @property
    def current(self) -> int:
        """The generation that seals: the greatest."""
        return max(self._keys)

    def with_key(self, generation: int, secret: bytes) -> Keyring:
        """These keys and another one."""
        return Keyring({**self._secrets, generation: secret})

    def seal(self, cell: Cell, stamp: Stamp, value: Any) -> str:
        """A JSON value as ciphertext under the current generation."""
        return self._keys[self.current].seal(cell, stamp, value)

    def open(self, cell: Cell, stamp: Stamp, text: str) -> Any:
        """The JSON value of a register, encrypted or not; raises `KeyMissing` or `Undecipherable`."""
        if not text.startswith(MARK):
            return parsed(text)
        generation, _, body = text[1:].partition(":")
        key = self._by_text.get(generation)
        if key is None:
            raise KeyMissing(f"it is encrypted with generation {generation} of the key")
        return key.open(cell, stamp, body)

    def fingerprint(self, value: Any) -> str:
        """What history shows of a secret, by the first key: it is the same on every member, and does not turn
        when the keys do.
        """
        return self._keys[min(self._keys)].fingerprint(value)


def _bound_to(cell: Cell, stamp: Stamp) -> bytes:
    return "\0".join((cell.object, cell.property, str(stamp.hlc), stamp.origin)).encode()


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), sha256().digest_size, salt=None, info=purpose).derive(secret)


def read_key(path: Path) -> bytes:
    """The bytes of a key file; raises `FileNotFoundError` when there is none."""
    return path.read_bytes()


def write_key(path: Path, secret: bytes) -> None:
    """Puts a key into a new file of mode 0600, whole or not at all; the file must not exist."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, secret)
        os.fsync(handle)
    finally:
        os.close(handle)
    # A link fails where the name is taken, a rename would overwrite: a key that is in use must never be
    # replaced.
    path.hardlink_to(draft)
    draft.unlink()
    sync(path.parent)
