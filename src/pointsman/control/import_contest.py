"""Members of a cluster whose imports of documents undo one another: who they are, and over which objects.

Pure over the transactions that it is shown. Invariant: two members are told of only while both watch documents and
would make different configurations of them, and only once one of them has undone what the other's import did; memory is
bounded whatever is imported.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pointsman.control.import_order import AUTHOR
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import ObjectId
from pointsman.store import Transaction

CODE = "documents.contested"
MOST_OBJECTS = 5_000
"""Objects of which the last import is remembered."""
_MOST_PAIRS = 100
_MOST_TOLD = 10
"""Objects that two members contest, of which the last is named."""

Fields = Mapping[tuple[str, ...], tuple[Any, Any]]
"""What an import did to an object: each field before and after."""


@dataclass(frozen=True)
class Watching:
    """What a member that watches documents says of itself: `origin` is its present name as an author of transactions,
    `documents` and `base` are digests of what it imports and of the base snapshot that this is laid over.
    """

    name: str
    origin: str
    documents: str
    base: str


@dataclass(frozen=True)
class Contest:
    """Two members, by name, and the objects over which they contend, the last one first."""

    first: Watching
    second: Watching
    objects: tuple[ObjectId, ...]

    @property
    def text(self) -> str:
        """What is wrong and what to do."""
        what = "different documents"
        remedy = "let one of them alone watch, or give both the same documents"
        if self.first.documents == self.second.documents:
            what = "the same documents over different base snapshots"
            remedy = "let one of them alone watch"
        return (
            f"{self.first.name} and {self.second.name} watch {what} and undo each other's imports, last of "
            f"{self.objects[0]}; {remedy}"
        )

    @property
    def condition(self) -> Condition:
        """The same as a remark on the first of the two."""
        subject = ObjectId("traffic_managers", self.first.name)
        return Condition(subject, Standing.WARNING, CODE, self.text)


class Contests:
    """What imports did to objects, as far as the next one might undo it."""

    def __init__(self) -> None:
        self._last: OrderedDict[ObjectId, tuple[str, Fields]] = OrderedDict()
        self._undone: OrderedDict[frozenset[str], OrderedDict[ObjectId, None]] = OrderedDict()

    def on_transaction(self, transaction: Transaction, remote: bool) -> None:
        """Takes note of a transaction, whose ever it is."""
        if transaction.author.surface != AUTHOR.surface:
            return
        fields: dict[ObjectId, dict[tuple[str, ...], tuple[Any, Any]]] = {}
        for change in transaction.changes:
            fields.setdefault(change.identity, {})[change.path] = (change.before, change.after)
        for identity, now in fields.items():
            origin, before = self._last.pop(identity, (transaction.origin, {}))
            if origin != transaction.origin and _undoes(now, before):
                self._note(frozenset({origin, transaction.origin}), identity)
            self._last[identity] = transaction.origin, now
        while len(self._last) > MOST_OBJECTS:
            self._last.popitem(last=False)

    def between(self, watching: Sequence[Watching]) -> Iterator[Contest]:
        """Those of members that watch now. What two did to each other is forgotten when they agree."""
        for pair in combinations(sorted(watching, key=lambda member: member.name), 2):
            first, second = pair
            origins = frozenset({first.origin, second.origin})
            if (first.documents, first.base) == (second.documents, second.base):
                self._undone.pop(origins, None)
            elif objects := self._undone.get(origins):
                yield Contest(first, second, tuple(reversed(objects)))

    def _note(self, origins: frozenset[str], identity: ObjectId) -> None:
        objects = self._undone.setdefault(origins, OrderedDict())
        objects[identity] = None
        objects.move_to_end(identity)
        while len(objects) > _MOST_TOLD:
            objects.popitem(last=False)
        self._undone.move_to_end(origins)
        while len(self._undone) > _MOST_PAIRS:
            self._undone.popitem(last=False)


def _undoes(now: Fields, before: Fields) -> bool:
    return any(
        path in before and before[path][0] == after and before[path][1] != after
        for path, (_, after) in now.items()
    )
