"""Password hashes of the users, in one file, and how a password is checked against them.

Invariant: checking takes the same work whether the user exists or not; a password is never stored, only its
argon2id hash with a salt of its own; a verification does not block the event loop.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pointsman.private_file import write_private

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
_AT_ONCE = 2
_HASH = re.compile(
    r"\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=[1-4]\$[A-Za-z0-9+/]{8,90}\$[A-Za-z0-9+/]{16,90}"
)
_MOST_MEMORY, _MOST_PASSES = 256 * 1024, 10
"""KiB and passes of a hash from elsewhere; more would let whoever made it slow every login down."""


class UsersFileError(Exception):
    """The users file cannot be used; the text names it and the remedy."""


def generate_password(length: int = GENERATED_LENGTH, alphabet: str = GENERATED_ALPHABET) -> str:
    """A random password, as a rule of letters, digits and `,.-_+`, each character equally likely."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


class PasswordFile:
    """Users and their hashes, in memory and in a 0600 file `{"users": {name: {"password": hash}}}`."""

    def __init__(self, path: Path, hashes: Mapping[str, str]) -> None:
        self._path = path
        self._hashes: Mapping[str, str] = MappingProxyType(dict(hashes))
        # The hash that unknown users are checked against; nobody has this password.
        self._nobody = _HASHER.hash(secrets.token_hex(32))
        self._running = asyncio.Semaphore(_AT_ONCE)
        self._writing = asyncio.Lock()

    @classmethod
    def read(cls, path: Path) -> PasswordFile | None:
        """The file at `path`, or None when there is none; `UsersFileError` when it is not understood."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            users = json.loads(content)["users"]
            return cls(path, {str(name): str(user["password"]) for name, user in users.items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsersFileError(
                f"{path} is damaged ({type(error).__name__}); restore it from a backup, or delete it to "
                "start with a new password for admin"
            ) from error

    @property
    def users(self) -> frozenset[str]:
        """Names of the users that have a password."""
        return frozenset(self._hashes)

    @property
    def hashes(self) -> Mapping[str, str]:
        """The hash of each user's password."""
        return self._hashes

    async def replace(self, hashes: Mapping[str, str]) -> None:
        """Puts hashes that were read here or elsewhere in the place of those of the same users; others stay.

        Raises `ValueError` for a hash that would be costly to check or is none, `OSError`.
        """
        for user, hashed in hashes.items():
            found = _HASH.fullmatch(hashed)
            if found is None or int(found[1]) > _MOST_MEMORY or int(found[2]) > _MOST_PASSES:
                raise ValueError(f'the password of "{user}" is not stored in a form that is taken here')
        async with self._writing:
            await self._store({**self._hashes, **hashes})

    async def verify(self, user: str, password: str) -> bool:
        """Whether that is the user's password. Runs in a thread, at most two at once."""
        known = self._hashes.get(user)
        async with self._running:
            right, outdated = await asyncio.to_thread(_check, known or self._nobody, password)
        if known is None or not right:
            return False
        if outdated:
            await self.set(user, password, instead_of=known)
        return True

    async def set(self, user: str, password: str, *, instead_of: str | None = None) -> None:
        """Stores a password, making the user when needed; with `instead_of` only if that hash is stored.

        Raises `OSError` when the file cannot be written.
        """
        hashed = await self.hash(password)
        async with self._writing:
            if instead_of is not None and self._hashes.get(user) != instead_of:
                return
            await self._store({**self._hashes, user: hashed})

    async def hash(self, password: str) -> str:
        """The hash of a password, with a salt of its own."""
        return await asyncio.to_thread(_HASHER.hash, _prepared(password))

    async def adopt(self, hashes: Mapping[str, str]) -> frozenset[str]:
        """Makes the users exactly these; the names of those whose password is another now. Raises `OSError`."""
        async with self._writing:
            changed = {name for name, hashed in hashes.items() if self._hashes.get(name) != hashed}
            gone = set(self._hashes) - set(hashes)
            if changed or gone:
                await self._store(dict(hashes))
            return frozenset(changed | gone)

    async def _store(self, hashes: Mapping[str, str]) -> None:
        content = {"users": {name: {"password": value} for name, value in sorted(hashes.items())}}
        await asyncio.to_thread(write_private, self._path, (json.dumps(content, indent=1) + "\n").encode())
        self._hashes = MappingProxyType(dict(hashes))


def _check(hashed: str, password: str) -> tuple[bool, bool]:
    try:
        _HASHER.verify(hashed, _prepared(password))
    except (VerificationError, InvalidHashError):
        return False, False
    return len(password) <= PASSWORD_LIMIT, _HASHER.check_needs_rehash(hashed)


def _prepared(password: str) -> bytes:
    # Keyboards differ in how they compose letters with accents; the form NFC makes them equal.
    return unicodedata.normalize("NFC", password[:PASSWORD_LIMIT]).encode("utf-8", "surrogatepass")
