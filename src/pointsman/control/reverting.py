"""What takes one transaction back, while everything that came after it stays.

Pure but for `prepare_undo`, which reads the log. Invariant: only what still is as the transaction left it goes back by
itself; what was changed since is named as a clash, and stays unless somebody chooses otherwise. Who belongs to the
cluster is not undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.control.control import Control
from pointsman.control.error import Forbidden, NoSuchRevision
from pointsman.control.three_way import Choice, Clash, merge_three
from pointsman.control.undo import changes_back, goes_back
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Kind
from pointsman.store import Change, Delete, Objects, Put, Rename, Transaction

Choices = Mapping[ObjectId, Mapping[str, Choice]]


@dataclass(frozen=True)
class Reverting:
    """The changes that take `transaction` back from the configuration of revision `base`, and what stands in the way.

    In a clash "mine" is what was before the transaction, "theirs" what is now.
    """

    transaction: Transaction
    base: int
    changes: tuple[Change, ...]
    clashes: Mapping[ObjectId, tuple[Clash, ...]]


async def prepare_undo(control: Control, revision: int, choices: Choices | None = None) -> Reverting:
    """What undoing the transaction of a revision would change. Raises `NoSuchRevision`, and `Forbidden` for one that
    cannot be undone by itself.
    """
    found = await control.transactions(limit=1, before=revision + 1)
    if not found or found[0].revision != revision:
        raise NoSuchRevision(f"there is no transaction {revision} in the log; open the history again")
    base, now = control.revision, control.stored
    before = await control.objects_at(revision - 1)
    # Reading an earlier configuration takes its time, and what is undone is most often the last change.
    after = now if revision == base else await control.objects_at(revision)
    changes, clashes = take_back(before, after, now, choices or {})
    return Reverting(found[0], base, changes, clashes)


def take_back(
    before: Objects, after: Objects, now: Objects, choices: Choices
) -> tuple[tuple[Change, ...], dict[ObjectId, tuple[Clash, ...]]]:
    """The changes to what is `now` that undo the way from `before` to `after`, and the clashes by object."""
    whole = changes_back(after, before)
    if any(isinstance(change, Rename) for change in whole):
        return _renamed_back(whole, after, now), {}
    changes: list[Change] = []
    clashes: dict[ObjectId, tuple[Clash, ...]] = {}
    for identity in sorted({change.identity for change in whole}):
        kind = BY_PATH[identity.type]
        empty: Mapping[str, Any] | None = {} if kind.kind is Kind.SINGLETON else None
        held = now.get(identity, empty)
        merged = merge_three(
            kind,
            after.get(identity, empty),
            held,
            before.get(identity, empty),
            choices.get(identity),
            otherwise="theirs",
        )
        if merged.clashes:
            clashes[identity] = merged.clashes
        if merged.settings != held:
            change = Delete(identity) if merged.settings is None else Put(identity, merged.settings)
            if goes_back(change, now):
                changes.append(change)
    return tuple(changes), clashes


def _renamed_back(whole: tuple[Change, ...], after: Objects, now: Objects) -> tuple[Change, ...]:
    touched = {change.identity for change in whole}
    if any(after.get(identity) != now.get(identity) for identity in touched):
        raise Forbidden(
            "this change gave an object another name, and what it touched was changed since; rename it back by hand, "
            "or restore the whole configuration"
        )
    return whole
