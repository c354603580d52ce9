"""Issuers: who signs licence keys, with a private key that stays with them and a public one that instances know.

Invariant: a private key is written with mode 0600, never over another file, and appears in no message. An issuer is
named by the SHA-256 fingerprint of its raw public key (32 bytes), written like that of a certificate.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pointsman.private_file import write_private

PRIVATE = "issuer.pem"
PUBLIC = "issuer.pub"
_FILE_LIMIT = 16_384


class IssuerRefused(Exception):
    """A file that holds no issuer's key; the message names it and the remedy."""


@dataclass(frozen=True)
class IssuerFiles:
    """Where a new issuer's keys are."""

    private: Path
    public: Path
    fingerprint: str


def make_issuer(directory: Path) -> IssuerFiles:
    """Makes an issuer in `directory` (made when missing): the private key, and the public one to hand out.

    Raises `IssuerRefused` when one is there already, `OSError`.
    """
    files = directory / PRIVATE, directory / PUBLIC
    for path in files:
        if path.exists():
            raise IssuerRefused(f"{path} exists already; keep it, or name another directory")
    key = Ed25519PrivateKey.generate()
    write_private(files[0], encoded(key))
    write_private(files[1], public_text(raw_key(key.public_key())))
    return IssuerFiles(*files, fingerprint(raw_key(key.public_key())))


def encoded(key: Ed25519PrivateKey) -> bytes:
    """A private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_issuer(path: Path) -> Ed25519PrivateKey:
    """The private key in a file. Raises `IssuerRefused`, `OSError`."""
    content = _read(path)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise IssuerRefused(
            f"{path} is not an issuer's private key; name the {PRIVATE} that `pointsman licence issuer new` made"
        )
    return key


def load_public(path: Path) -> bytes:
    """The raw public key in an issuer's public file. Raises `IssuerRefused`, `OSError`."""
    content = _read(path)
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise IssuerRefused(f"{path} is not an issuer's public key; ask the issuer for its {PUBLIC}")
    return raw_key(key)


def public_text(raw: bytes) -> bytes:
    """An issuer's public key as PEM. Raises `ValueError` when `raw` is none."""
    key = Ed25519PublicKey.from_public_bytes(raw)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def raw_key(key: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def fingerprint(raw: bytes) -> str:
    """The SHA-256 fingerprint of a raw public key: 32 bytes in upper-case hex with colons."""
    return hashlib.sha256(raw).digest().hex(":").upper()


def read_fingerprint(text: str) -> str:
    """A fingerprint that somebody wrote, colons and case ignored, in our form. Raises `IssuerRefused`."""
    digits = re.sub(r"[:\s]", "", text).upper()
    if not re.fullmatch(r"[0-9A-F]{64}", digits):
        raise IssuerRefused("this is not an issuer's SHA-256 fingerprint; give its 32 bytes in hex")
    return bytes.fromhex(digits).hex(":").upper()


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_FILE_LIMIT)
