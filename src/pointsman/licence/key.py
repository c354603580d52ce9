"""The licence key: a signed statement of holder, time and limits that anybody can read and only an issuer can
make.

Invariant: `verify` returns a licence only when the signature was made by the given issuer over exactly its
content; whether it is valid *now* is asked of the licence, so that an expired one can still be shown.

A key is text: a line `pointsman-licence-1`, the content as base64 of JSON, the Ed25519 signature (RFC 8032)
of those decoded bytes as base64, each on one line.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from dataclasses import asdict, dataclass, fields
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

HEADER = "pointsman-licence-1"
SIZE_LIMIT = 16_384


class Refused(Exception):
    """Text that is no licence of this issuer; the message says why and what to do."""


@dataclass(frozen=True)
class Licence:
    """What a licence grants. Times are Unix seconds; `expires`, `bandwidth` and `cluster_size` 0 mean without
    limit.

    `bandwidth` is in bits of payload a second, `cluster_size` counts members; `features` are names, "all" for
    every one.
    """

    serial: str
    holder: str
    issued: int
    expires: int = 0
    bandwidth: int = 0
    cluster_size: int = 0
    features: tuple[str, ...] = ("all",)

    @property
    def unlimited(self) -> bool:
        """Whether nothing is limited."""
        return not (self.expires or self.bandwidth or self.cluster_size) and "all" in self.features

    def grants(self, feature: str) -> bool:
        """Whether the licence covers a feature."""
        return "all" in self.features or feature in self.features

    def valid_at(self, now: float) -> bool:
        """Whether it is past its issue and before its expiry; a day of clock error at the issue is
        forgiven.
        """
        return self.issued - 86_400 <= now and (self.expires == 0 or now < self.expires)


def new_serial() -> str:
    """A serial number that no other licence has."""
    return secrets.token_hex(8).upper()


def issue(licence: Licence, issuer: Ed25519PrivateKey) -> str:
    """The key text for a licence."""
    content = json.dumps(asdict(licence), separators=(",", ":"), sort_keys=True).encode()
    lines = (HEADER, base64.b64encode(content).decode(), base64.b64encode(issuer.sign(content)).decode())
    return "".join(f"{line}\n" for line in lines)


def verify(text: str, issuer: Ed25519PublicKey) -> Licence:
    """The licence in `text` if `issuer` signed it. Raises `Refused`."""
    if len(text) > SIZE_LIMIT:
        raise Refused(f"a licence key has at most {SIZE_LIMIT} characters; this is another file")
    lines = text.split()
    if not lines or lines[0] != HEADER:
        raise Refused(
            "this is not a Pointsman licence key; keys of other products do not work here, ask your issuer"
        )
    if len(lines) != 3:
        raise Refused("the licence key is incomplete; copy all three lines")
    try:
        content, signature = (base64.b64decode(line, validate=True) for line in lines[1:])
    except binascii.Error:
        raise Refused("the licence key is damaged; copy it again") from None
    try:
        issuer.verify(signature, content)
    except InvalidSignature:
        raise Refused(
            "the licence key was altered or comes from another issuer; ask the one this instance trusts"
        ) from None
    return _read(content)


def _read(content: bytes) -> Licence:
    known = {field.name for field in fields(Licence)}
    try:
        values: dict[str, Any] = json.loads(content)
        values = {name: value for name, value in values.items() if name in known}
        features = tuple(str(feature) for feature in values.pop("features", ("all",)))
        licence = Licence(**values, features=features)
    except (ValueError, TypeError, AttributeError):
        raise Refused("the licence key does not say what it should; ask its issuer for another") from None
    texts = (licence.serial, licence.holder)
    numbers = (licence.issued, licence.expires, licence.bandwidth, licence.cluster_size)
    if not all(type(value) is str for value in texts) or not all(type(n) is int and n >= 0 for n in numbers):
        raise Refused("the licence key holds values of the wrong kind; ask its issuer for another")
    return licence
