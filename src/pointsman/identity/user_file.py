"""The users in one file of mode 0600, and how a password is checked against them.

Invariant: checking takes the same work whether the user exists or not, and does not block the event loop; second
factors are in the file only encrypted, with a key that lies beside it in a file of its own.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pointsman.identity.account import Account, read_account
from pointsman.identity.password import check, hash_of, is_hash
from pointsman.private_file import write_private

KEY_FILE = "users.key"
_AT_ONCE = 2
_KEY_BYTES = 32
_NONCE_BYTES = 12


class UsersFileError(Exception):
    """The users file cannot be used; the text names it and the remedy."""


@functools.cache
def _of_nobody() -> str:
    """The hash that unknown users are checked against; nobody has this password."""
    return hash_of(secrets.token_hex(32))


class UserFile:
    """Accounts by user name, in memory and in a file `{"users": {name: {"password": hash, ...}}}`."""

    def __init__(self, path: Path, accounts: Mapping[str, Account]) -> None:
        self._path = path
        self._accounts: Mapping[str, Account] = MappingProxyType(dict(accounts))
        # Made now: the first unknown user must not cost more than the next.
        self._nobody = _of_nobody()
        self._running = asyncio.Semaphore(_AT_ONCE)
        self._writing = asyncio.Lock()

    @classmethod
    def read(cls, path: Path) -> UserFile | None:
        """The file at `path`, or None when there is none; `UsersFileError` when it is not understood."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            users = json.loads(content)["users"]
            accounts = {str(name): read_account(_opened(path, name, user)) for name, user in users.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsersFileError(
                f"{path} is damaged ({type(error).__name__}); restore it from a backup, or delete it to "
                "start with a new password for admin"
            ) from error
        return cls(path, accounts)

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Every user."""
        return self._accounts

    async def replace(self, accounts: Mapping[str, Account]) -> None:
        """Puts accounts that were read here or elsewhere in the place of those of the same users; others stay.

        Raises `ValueError` for a hash that would be costly to check or is none, `OSError`.
        """
        for user, account in accounts.items():
            if not all(map(is_hash, (account.password, *account.former))):
                raise ValueError(f'the password of "{user}" is not stored in a form that is taken here')
        async with self._writing:
            await self._store({**self._accounts, **accounts})

    async def remove(self, user: str) -> None:
        """Takes a user out, if there is one. Raises `OSError`."""
        async with self._writing:
            await self._store({name: account for name, account in self._accounts.items() if name != user})

    async def verify(self, user: str, password: str) -> bool:
        """Whether that is the user's password. Runs in a thread, at most two at once."""
        known = self._accounts.get(user)
        async with self._running:
            hashed = known.password if known is not None else self._nobody
            right, outdated = await asyncio.to_thread(check, hashed, password)
        if known is None or not right:
            return False
        if outdated:
            await self.set(user, password, instead_of=known.password)
        return True

    async def was_used(self, user: str, password: str, count: int) -> bool:
        """Whether that is one of the `count` last passwords of a user, the present one among them; some 25 ms each."""
        known = self._accounts.get(user)
        for hashed in (known.password, *known.former)[:count] if known is not None else ():
            async with self._running:
                if (await asyncio.to_thread(check, hashed, password))[0]:
                    return True
        return False

    async def set(self, user: str, password: str, *, instead_of: str | None = None) -> None:
        """Stores a password, making the user when needed; with `instead_of` only if that hash is stored.

        Raises `OSError` when the file cannot be written.
        """
        hashed = await self.hash(password)
        async with self._writing:
            known = self._accounts.get(user, Account(""))
            if instead_of is not None and known.password != instead_of:
                return
            changed = int(time.time()) if instead_of is None else known.changed
            await self._store({**self._accounts, user: replace(known, password=hashed, changed=changed)})

    async def hash(self, password: str) -> str:
        """The hash of a password, with a salt of its own."""
        return await asyncio.to_thread(hash_of, password)

    async def adopt(self, accounts: Mapping[str, Account]) -> Mapping[str, Account | None]:
        """Makes the users exactly these; what those were who are another now, None for new ones. Raises `OSError`."""
        async with self._writing:
            before = self._accounts
            differing = {
                name: before.get(name)
                for name in {*before, *accounts}
                if before.get(name) != accounts.get(name)
            }
            if differing:
                await self._store(accounts)
            return differing

    async def _store(self, accounts: Mapping[str, Account]) -> None:
        await asyncio.to_thread(self._write, accounts)
        self._accounts = MappingProxyType(dict(accounts))

    def _write(self, accounts: Mapping[str, Account]) -> None:
        users: dict[str, Any] = {}
        for name, account in sorted(accounts.items()):
            users[name] = encoded = account.encoded()
            if "factor" in encoded:
                encoded["factor"] = self._sealed(name, encoded["factor"])
        write_private(self._path, (json.dumps({"users": users}, indent=1) + "\n").encode())

    def _sealed(self, name: str, factor: Any) -> str:
        path = self._path.with_name(KEY_FILE)
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = secrets.token_bytes(_KEY_BYTES)
            write_private(path, key)
        nonce = os.urandom(_NONCE_BYTES)
        body = AESGCM(key).encrypt(nonce, json.dumps(factor).encode(), _bound(name))
        return base64.b64encode(nonce + body).decode("ascii")


def _opened(path: Path, name: str, user: dict[str, Any]) -> dict[str, Any]:
    sealed = user.get("factor")
    if sealed is None:
        return user
    key = path.with_name(KEY_FILE)
    try:
        text = base64.b64decode(sealed, validate=True)
        plain = AESGCM(key.read_bytes()).decrypt(text[:_NONCE_BYTES], text[_NONCE_BYTES:], _bound(name))
    except (OSError, InvalidTag, binascii.Error, ValueError, TypeError):
        # Not as if there were none: a second factor must not vanish with its key.
        raise UsersFileError(
            f"the second factor of {name!r} in {path} cannot be read with {key}; restore both files together, or take "
            'the entry "factor" of that user out'
        ) from None
    return {**user, "factor": json.loads(plain)}


def _bound(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
