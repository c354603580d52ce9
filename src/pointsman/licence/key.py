"""The licence key: a signed statement of holder, time and limits that anybody can read and only an issuer can make.

Invariant: `read_key` returns a licence only when the issuer that it names signed exactly its content. Whether that
issuer is trusted is asked of `licence.trust`, whether the licence is valid *now* of the licence itself, so that an
expired one can still be shown.

A key is text: a line `pointsman-licence-1`, the content as base64 of JSON, the Ed25519 signature (RFC 8032) of those
decoded bytes as base64, each on one line. The content names its issuer by its raw public key in base64.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from dataclasses import asdict, dataclass, fields
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pointsman.licence.issuer import fingerprint, raw_key

HEADER = "pointsman-licence-1"
SIZE_LIMIT = 16_384
"""Bytes of a key, line breaks and all."""
HOLDER_LIMIT = 200
LAST_MOMENT = 253_402_300_799
"""The end of the year 9999: what comes after is no date."""
_MOST_BANDWIDTH = 10**15
_MOST_MEMBERS = 10_000
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_OTHER_PRODUCTS = re.compile(
    r"\b(zeus|zxtm|riverbed|stingray|steelapp|brocade|pulse\s*secure|ivanti|virtual\s+traffic\s+manager|vtm)\b"
    r"|licen[cs]e\s+key\b.*\bserial\b|\bserial\b.*\blicen[cs]e\s+key\b",
    re.IGNORECASE | re.DOTALL,
)


class Refused(Exception):
    """Text that is no licence key that can be used; the message says why and what to do."""


@dataclass(frozen=True)
class Licence:
    """What a licence grants. Times are Unix seconds; `expires`, `bandwidth` and `cluster_size` 0 mean without limit.

    `bandwidth` is in bits of payload a second, `cluster_size` counts members; `features` are names, "all" for every
    one.
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

    def expired_at(self, now: float) -> bool:
        """Whether it is over; it is valid up to the second of its expiry, and not in it."""
        return self.expires != 0 and now >= self.expires

    def begun_at(self, now: float) -> bool:
        """Whether it is past its issue; a day of clock error is forgiven."""
        return self.issued - 86_400 <= now


@dataclass(frozen=True)
class Key:
    """A licence, and the raw public key of the issuer that signed it."""

    licence: Licence
    issuer: bytes

    @property
    def issuer_fingerprint(self) -> str:
        """The issuer's SHA-256 fingerprint."""
        return fingerprint(self.issuer)


def new_serial() -> str:
    """A serial number that no other licence has."""
    return secrets.token_hex(8).upper()


def issue(licence: Licence, issuer: Ed25519PrivateKey) -> str:
    """The key text for a licence. Raises `Refused` when it says what no key can say."""
    if fault := _fault(licence):
        raise Refused(fault)
    named = asdict(licence) | {"issuer": base64.b64encode(raw_key(issuer.public_key())).decode()}
    content = json.dumps(named, separators=(",", ":"), sort_keys=True).encode()
    lines = (HEADER, base64.b64encode(content).decode(), base64.b64encode(issuer.sign(content)).decode())
    return "".join(f"{line}\n" for line in lines)


def read_key(text: str | bytes) -> Key:
    """The licence that a key text holds, signed by the issuer that it names. Raises `Refused`."""
    if len(text) > SIZE_LIMIT:
        raise Refused(f"a licence key has at most {SIZE_LIMIT} bytes; this is another file")
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig", "replace")
    lines = text.split()
    if not lines or lines[0] != HEADER:
        raise Refused(_what_else(text))
    if len(lines) != 3:
        raise Refused("the licence key is incomplete or has too much; copy its three lines")
    try:
        content, signature = (base64.b64decode(line, validate=True) for line in lines[1:])
    except ValueError:
        raise Refused("the licence key is damaged; copy it again") from None
    values = _values(content)
    issuer = _issuer(values)
    try:
        Ed25519PublicKey.from_public_bytes(issuer).verify(signature, content)
    except (InvalidSignature, ValueError):
        raise Refused("the licence key was altered after it was signed; copy it again") from None
    return Key(_licence(values), issuer)


def _what_else(text: str) -> str:
    if _OTHER_PRODUCTS.search(text):
        return (
            "this looks like the licence key of another product, which does not work here: Pointsman has an open "
            "format of its own; ask whoever runs your Pointsman for a key, or issue one with `pointsman licence issue`"
        )
    return (
        f"this is not a Pointsman licence key (one begins with a line {HEADER}); check which file or text it is, "
        "or ask your issuer"
    )


def _values(content: bytes) -> dict[str, Any]:
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise Refused("the licence key does not say what it should; ask its issuer for another")
    return values


def _issuer(values: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(values["issuer"], validate=True)
    except (KeyError, ValueError, TypeError):
        raise Refused("the licence key does not name its issuer; ask for one that does") from None


def _licence(values: dict[str, Any]) -> Licence:
    known = {field.name for field in fields(Licence)}
    values = {name: value for name, value in values.items() if name in known}
    try:
        features = values.pop("features", ["all"])
        licence = Licence(**values, features=tuple(features))
    except TypeError:
        raise Refused("the licence key does not say what it should; ask its issuer for another") from None
    if fault := _fault(licence):
        raise Refused(f"{fault}; ask its issuer for another")
    return licence


def _fault(licence: Licence) -> str:
    """What is wrong with the values, which may be of any type; "" when nothing is."""
    numbers = (
        ("issued", licence.issued, LAST_MOMENT),
        ("expires", licence.expires, LAST_MOMENT),
        ("bandwidth", licence.bandwidth, _MOST_BANDWIDTH),
        ("cluster_size", licence.cluster_size, _MOST_MEMBERS),
    )
    for name, number, most in numbers:
        if type(number) is not int or not 0 <= number <= most:
            return f"the licence key's {name} is not a whole number from 0 to {most}"
    if type(licence.serial) is not str or not _WORD.fullmatch(licence.serial):
        return "the licence key's serial is not a word of letters, digits, dots, dashes and underscores"
    holder = licence.holder
    if type(holder) is not str or not 0 < len(holder) <= HOLDER_LIMIT or not holder.isprintable():
        return f"the licence key's holder is not a line of at most {HOLDER_LIMIT} printable characters"
    features = licence.features
    if len(features) > 100 or not all(type(one) is str and _WORD.fullmatch(one) for one in features):
        return "the licence key's features are not a list of words"
    return ""
