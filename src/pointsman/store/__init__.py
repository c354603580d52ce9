"""The configuration store: registers, log, transactions, secrets, history. See docs/design/store.md."""

from pointsman.store.change import Author, Change, Delete, Put, Rename
from pointsman.store.error import (
    EditRefused,
    NameTaken,
    NotStored,
    StoreDamaged,
    StoreError,
    StoreInUse,
    StoreTooNew,
    UnknownField,
    UnknownObject,
    UnknownRevision,
)
from pointsman.store.history import ChangeRecord, Transaction, changes_between
from pointsman.store.store import Store
from pointsman.store.view import Objects

__all__ = [
    "Author",
    "Change",
    "ChangeRecord",
    "Delete",
    "EditRefused",
    "NameTaken",
    "NotStored",
    "Objects",
    "Put",
    "Rename",
    "Store",
    "StoreDamaged",
    "StoreError",
    "StoreInUse",
    "StoreTooNew",
    "Transaction",
    "UnknownField",
    "UnknownObject",
    "UnknownRevision",
    "changes_between",
]
