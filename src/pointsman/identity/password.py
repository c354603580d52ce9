"""Passwords: how they are generated, hashed and checked.

Invariant: a password is never stored, only its argon2id hash with a salt of its own; a hash from elsewhere is taken
only when checking it is not costly.
"""

from __future__ import annotations

import re
import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

GENERATED_LENGTH = 12
GENERATED_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789,.-_+"
STRONG_LENGTH = 20
STRONG_ALPHABET = GENERATED_ALPHABET + "!#$%&()*/:;<=>?@[]^{|}~"
"""Everything on a keyboard but quotation marks, backslash and space, which are easily lost on the way."""

PASSWORD_LIMIT = 1024
"""Longest password looked at, in characters: hashing is costly, so input is bounded before it."""

# OWASP's smallest recommendation for argon2id: 19 MiB, two passes, one lane; about 25 ms and little memory on
# a small machine that also moves traffic.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_HASH = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=[1-4]\$[A-Za-z0-9+/]{8,90}\$[A-Za-z0-9+/]{16,90}"
)
_MOST_MEMORY, _MOST_PASSES = 256 * 1024, 10
"""KiB and passes of a hash from elsewhere; more would let whoever made it slow every login down."""


def generate_password(length: int = GENERATED_LENGTH, alphabet: str = GENERATED_ALPHABET) -> str:
    """A random password, as a rule of letters, digits and `,.-_+`, each character equally likely."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def hash_of(password: str) -> str:
    """The hash of a password, with a salt of its own; takes some 25 ms of a processor."""
    return _HASHER.hash(_prepared(password))


def check(hashed: str, password: str) -> tuple[bool, bool]:
    """Whether the password is that of the hash, and whether the hash should be made anew; as costly as `hash_of`."""
    try:
        _HASHER.verify(hashed, _prepared(password))
    except (VerificationError, InvalidHashError):
        return False, False
    return len(password) <= PASSWORD_LIMIT, _HASHER.check_needs_rehash(hashed)


def is_hash(text: str) -> bool:
    """Whether that is a hash that is no more costly to check than what is made here."""
    found = _HASH.fullmatch(text)
    return found is not None and int(found[1]) <= _MOST_MEMORY and int(found[2]) <= _MOST_PASSES


def _prepared(password: str) -> bytes:
    # Keyboards differ in how they compose letters with accents; the form NFC makes them equal.
    return unicodedata.normalize("NFC", password[:PASSWORD_LIMIT]).encode("utf-8", "surrogatepass")
