"""Codes that change every thirty seconds (RFC 6238), and the recovery codes for who lost the device that makes them.

Pure but for randomness. Invariant: a code is good for one time step before and after its own, for clocks that differ;
the secret has 160 random bits; a recovery code is stored as a digest alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterable
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
TOLERATED_STEPS = 1
SECRET_BYTES = 20
RECOVERY_CODES = 10
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Of recovery codes: none that is easily taken for another."""
_RECOVERY_LENGTH = 12


def new_secret() -> str:
    """A secret in base32, as apps take it."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def code_at(secret: str, step: int) -> str:
    """The code of a time step (Unix time over `STEP_SECONDS`)."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(secret: str, code: str, now: float) -> int | None:
    """The time step that a code belongs to, near to the Unix time `now`; None for a wrong one."""
    typed = "".join(code.split())
    if not (typed.isascii() and typed.isdigit() and len(typed) == DIGITS):
        return None
    present = int(now) // STEP_SECONDS
    found = None
    for step in range(max(0, present - TOLERATED_STEPS), present + TOLERATED_STEPS + 1):
        # No early end: the time that it takes says nothing of the code.
        if hmac.compare_digest(code_at(secret, step), typed):
            found = step
    return found


def is_secret(text: str) -> bool:
    """Whether that is a secret as `new_secret` makes it."""
    try:
        return len(base64.b32decode(text)) == SECRET_BYTES
    except (binascii.Error, ValueError):
        return False


def address_of(secret: str, user: str, issuer: str) -> str:
    """The otpauth address that an app reads from a picture."""
    label = f"{quote(issuer, safe='')}:{quote(user, safe='')}"
    arguments = {"secret": secret, "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS}
    return f"otpauth://totp/{label}?{urlencode(arguments, quote_via=quote)}"


def new_recovery_codes() -> tuple[str, ...]:
    """Codes for people, each good once: twelve letters and digits, about 59 random bits."""
    return tuple(
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(_RECOVERY_LENGTH // 3)) for _ in range(3))
        for _ in range(RECOVERY_CODES)
    )


def digest_of(code: str) -> str:
    """What is stored of a recovery code."""
    typed = "".join(c for c in code.casefold() if c.isalnum())
    return hashlib.sha256(typed.encode("utf-8", "replace")).hexdigest()


def without(recovery: Iterable[str], code: str) -> tuple[str, ...] | None:
    """The digests that are left when a recovery code is used; None where it is none of them."""
    used = digest_of(code)
    held = tuple(recovery)
    left = tuple(one for one in held if not hmac.compare_digest(one, used))
    return left if len(left) < len(held) else None
