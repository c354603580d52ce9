"""The data key, and the encryption of register values with it.

Invariant: a ciphertext opens only in the register, and under the stamp, that it was made for; so neither
another object's secret nor an older one can be put in its place without notice.

A ciphertext is "!", the generation of the key, ":" and base64 of nonce and AES-256-GCM output. JSON never
starts with "!", so a value says itself whether it is encrypted.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pointsman.private_file import sync
from pointsman.store.register import Cell, Stamp
from pointsman.store.shape import canonical

KEY_BYTES = 32
_NONCE_BYTES = 12
_MARK = "!"


class Undecipherable(Exception):
    """A value was altered, moved, or encrypted with another key."""


class DataKey:
    """The key of this store. Its representation shows nothing of it."""

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
        return f"{_MARK}{self._generation}:{base64.b64encode(nonce + body).decode('ascii')}"

    def open(self, cell: Cell, stamp: Stamp, text: str) -> Any:
        """The JSON value of a register, encrypted or not; raises `Undecipherable`."""
        if not text.startswith(_MARK):
            return json.loads(text)
        generation, _, body = text[1:].partition(":")
        if generation != self._generation:
            raise Undecipherable(f"it is encrypted with generation {generation} of the key")
        sealed = base64.b64decode(body)
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(cell, stamp))
        except InvalidTag:
            raise Undecipherable("the ciphertext does not belong to this place or key") from None
        return json.loads(plain)

    def fingerprint(self, value: Any) -> str:
        """What history shows of a secret: "***" and 8 hex digits that tell whether it changed.

        They are of an HMAC-SHA256, not of a bare hash: a reader of the history must not be able to try
        passwords.
        """
        return f"***{hmac.digest(self._fingerprints, canonical(value).encode(), 'sha256').hex()[:8]}"


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
