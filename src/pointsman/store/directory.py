"""The store's directory: who may have it open, and how its files come into being.

    lock          held (flock) while the store is open; holds the process id
    key           the first data key, 32 bytes
    key-N-CHECK   those of further generations, and those that came from a cluster; the database names all
    store.db      the database, with store.db-wal and store.db-shm beside it while it is open

Invariant: all of it is readable by its owner only. The files are made once; a file that is missing later is
reported, never made again. `store.db.new` exists from before the key is made until the database is complete,
so a first start that was cut off can be told from a loss.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pointsman.private_file import sync
from pointsman.store import tables
from pointsman.store.database import Database
from pointsman.store.error import StoreDamaged, StoreInUse
from pointsman.store.secret import KEY_BYTES, DataKey, Keyring, read_key, write_key

ORIGIN_DIGITS = 16


@dataclass(frozen=True)
class Directory:
    """A store's directory, held by this process until `release`."""

    path: Path
    lock: int

    @property
    def database(self) -> Path:
        """The database file."""
        return self.path / "store.db"

    @classmethod
    def take(cls, path: Path) -> Directory:
        """Makes the directory if need be and takes hold of it; raises `StoreInUse`."""
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True)
            sync(path.parent)
        path.chmod(0o700)
        # Not inherited by programs that we start: the engines outlive this process and must not hold the
        # lock.
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode("ascii", "replace").strip()
            os.close(lock)
            raise StoreInUse(path, holder) from None
        with contextlib.suppress(OSError):  # on a full disk a refusal names no holder
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        return cls(path, lock)

    def release(self) -> None:
        """Lets another process have it."""
        os.close(self.lock)

    def open(self) -> tuple[Database, Keyring]:
        """The database and its keys, made at the first start; raises `StoreDamaged` or `StoreTooNew`."""
        draft = self.database.with_name("store.db.new")
        if not self.database.exists():
            if any(self._keys()) and not draft.exists():
                raise StoreDamaged(self.database, "the database is missing, but its key is there")
            self._make(draft)
        self.database.chmod(0o600)
        database = Database(self.database, writable=True)
        try:
            keys = self._keyring(database.facts())
            database.check()
        except BaseException:
            database.close()
            raise
        self.forget_others(keys)
        return database, keys

    def keep(self, keys: Keyring) -> str:
        """Puts keys into files of their own, where they are not yet; gives the fact that names all of them, which has
        to be written into the database.
        """
        listed = []
        for generation, check in keys.checks.items():
            name = self._name(generation, check)
            if not (self.path / name).exists():
                write_key(self.path / name, keys.secrets[generation])
            listed.append([generation, check, name])
        return json.dumps(listed)

    def forget_others(self, keys: Keyring) -> None:
        """Removes key files that the database does not name: of a step that was cut off, or of a configuration that was
        given up. A key that cannot be removed stays.
        """
        named = {self._name(generation, check) for generation, check in keys.checks.items()}
        for path in self._keys():
            if path.name not in named:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _keys(self) -> list[Path]:
        return [path for path in self.path.glob("key*") if path.name == tables.KEY_FILE or "-" in path.name]

    def _name(self, generation: int, check: str) -> str:
        first = self.path / tables.KEY_FILE
        if generation == 1 and first.exists() and _check_of(first) == check:
            return tables.KEY_FILE
        return f"{tables.KEY_FILE}-{generation}-{check}"

    def _keyring(self, facts: Mapping[str, str]) -> Keyring:
        try:
            listed = [
                (int(number), str(check), str(name)) for number, check, name in json.loads(facts["keys"])
            ]
        except (KeyError, TypeError, ValueError):
            raise StoreDamaged(self.database, "the facts of the installation are missing") from None
        found = {}
        for generation, check, name in listed:
            file = self.path / name
            try:
                secret = read_key(file)
            except FileNotFoundError:
                raise StoreDamaged(file, "the key of the database is missing") from None
            if len(secret) != KEY_BYTES:
                raise StoreDamaged(file, f"the key has {len(secret)} bytes instead of {KEY_BYTES}")
            if DataKey(secret).check != check:
                raise StoreDamaged(file, "this is not the key that the database was made with")
            file.chmod(0o600)
            found[generation] = secret
        return Keyring(found)

    def _make(self, draft: Path) -> None:
        for leftover in (draft, *self.path.glob(f"{draft.name}-*")):
            leftover.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        sync(self.path)
        key = self.path / tables.KEY_FILE
        if not key.exists():
            write_key(key, DataKey.generate())
        Database.create(draft, origin=new_origin(), key_check=DataKey(read_key(key)).check)
        draft.rename(self.database)
        sync(self.path)


def new_origin() -> str:
    """A name that no installation has had."""
    return secrets.token_hex(ORIGIN_DIGITS // 2)


def _check_of(file: Path) -> str:
    secret = read_key(file)
    return DataKey(secret).check if len(secret) == KEY_BYTES else ""
