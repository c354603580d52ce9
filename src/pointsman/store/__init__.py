"""The configuration store: registers, log, transactions, secrets, history. See docs/design/store.md."""

from pointsman.store.change import Author, Change, Delete, Put, Rename
from pointsman.store.conflict import Conflict, Superseded
from pointsman.store.error import (
    EditRefused,
    KeyRefused,
    NameTaken,
    NotStored,
    OriginForked,
    Outdated,
    ParcelRefused,
    RevisionTrimmed,
    StateRefused,
    StoreDamaged,
    StoreError,
    StoreInUse,
    StoreTooNew,
    UnknownField,
    UnknownObject,
    UnknownRevision,
)
from pointsman.store.history import ChangeRecord, Glance, Transaction, changes_between
from pointsman.store.parcel import Batch, Parcel, Received, pack_batch, unpack_batch
from pointsman.store.rows import ANY_TRANSACTION, Only
from pointsman.store.store import Store
from pointsman.store.view import Objects

__all__ = [
    "ANY_TRANSACTION",
    "Author",
    "Batch",
    "Change",
    "ChangeRecord",
    "Conflict",
    "Delete",
    "EditRefused",
    "Glance",
    "KeyRefused",
    "NameTaken",
    "NotStored",
    "Objects",
    "Only",
    "OriginForked",
    "Outdated",
    "Parcel",
    "ParcelRefused",
    "Put",
    "Received",
    "Rename",
    "RevisionTrimmed",
    "StateRefused",
    "Store",
    "StoreDamaged",
    "StoreError",
    "StoreInUse",
    "StoreTooNew",
    "Superseded",
    "Transaction",
    "UnknownField",
    "UnknownObject",
    "UnknownRevision",
    "changes_between",
    "pack_batch",
    "unpack_batch",
]
