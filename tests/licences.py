"""Licence keys for tests, and the issuer that signs them."""

from __future__ import annotations

import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pointsman.licence.issuer import fingerprint, raw_key
from pointsman.licence.key import Licence, issue

ISSUER = Ed25519PrivateKey.generate()
FINGERPRINT = fingerprint(raw_key(ISSUER.public_key()))
STRANGER = Ed25519PrivateKey.generate()
DAY = 86_400


def licence_key(
    serial: str = "A1",
    *,
    issuer: Ed25519PrivateKey = ISSUER,
    issued: float | None = None,
    expires: int = 0,
    bandwidth: int = 0,
    cluster_size: int = 0,
) -> bytes:
    """A key text; without limits unlimited, issued now."""
    at = int(time.time() if issued is None else issued)
    return issue(Licence(serial, "Example Ltd", at, expires, bandwidth, cluster_size), issuer).encode()
