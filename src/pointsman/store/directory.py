"""The store's directory: who may have it open, and how its files come into being.

    lock          held (flock) while the store is open; holds the process id
    key           the data key, 32 bytes
    store.db      the database, with store.db-wal and store.db-shm beside it while it is open

Invariant: all of it is readable by its owner only. The files are made once; a file that is missing later is
reported, never made again. `store.db.new` exists from before the key is made until the database is complete,
so a first start that was cut off can be told from a loss.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pointsman.private_file import sync
from pointsman.store.database import Database
from pointsman.store.error import StoreDamaged, StoreInUse
from pointsman.store.secret import KEY_BYTES, DataKey, read_key, write_key

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

    @property
    def key(self) -> Path:
        """The key file."""
        return self.path / "key"

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

    def open(self) -> tuple[Database, DataKey]:
        """The database and its key, made at the first start; raises `StoreDamaged` or `StoreTooNew`."""
        draft = self.database.with_name("store.db.new")
        if not self.database.exists():
            if self.key.exists() and not draft.exists():
                raise StoreDamaged(self.database, "the database is missing, but its key is there")
            self._make(draft)
        try:
            secret = read_key(self.key)
        except FileNotFoundError:
            raise StoreDamaged(self.key, "the key of the database is missing") from None
        if len(secret) != KEY_BYTES:
            raise StoreDamaged(self.key, f"the key has {len(secret)} bytes instead of {KEY_BYTES}")
        self.key.chmod(0o600)
        self.database.chmod(0o600)
        key = DataKey(secret)
        database = Database(self.database, writable=True)
        try:
            if database.facts()["key_check"] != key.check:
                raise StoreDamaged(self.key, "this is not the key that the database was made with")
            database.check()
        except BaseException:
            database.close()
            raise
        return database, key

    def _make(self, draft: Path) -> None:
        for leftover in (draft, *self.path.glob(f"{draft.name}-*")):
            leftover.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        sync(self.path)
        if not self.key.exists():
            write_key(self.key, DataKey.generate())
        key = DataKey(read_key(self.key))
        Database.create(draft, origin=secrets.token_hex(ORIGIN_DIGITS // 2), key_check=key.check)
        draft.rename(self.database)
        sync(self.path)
