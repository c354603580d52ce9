"""Changes that somebody prepared and has not applied yet.

Invariant: what is pending lives in memory, belongs to the session that prepared it, and ends with it; nothing of it is
in force before it is applied.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from pointsman.schema.problem import ObjectId
from pointsman.store import Change

MOST = 500
"""Of all sessions together; the oldest give way."""


@dataclass(frozen=True)
class Pending:
    """Prepared changes.

    `permission` is what preparing them took in full, and applying them takes again; "" for that of each object's type.
    `base` is the revision that they were made from; None where it does not matter. `title` says what they do, `done` is
    said once they are in force; `back` leads to the page that they come from, `onward` to the one after they were
    applied. `formerly` says what objects were called at `base` that somebody renamed since.
    """

    owner: str
    changes: tuple[Change, ...]
    base: int | None
    title: str
    done: str
    back: str
    onward: str
    reason: str = ""
    permission: str = ""
    formerly: Mapping[ObjectId, ObjectId] = field(default_factory=dict)


class Pendings:
    """The pending changes of all sessions by a token that only their own pages know."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Pending] = OrderedDict()

    def keep(self, pending: Pending) -> str:
        """Takes changes and gives their token."""
        while len(self._held) >= MOST:
            self._held.popitem(last=False)
        token = secrets.token_urlsafe(12)
        self._held[token] = pending
        return token

    def find(self, token: str, owner: str) -> Pending | None:
        """Those of a token, where they belong to the session."""
        found = self._held.get(token)
        return found if found is not None and found.owner == owner else None

    def renew(self, token: str, pending: Pending) -> None:
        """Puts changes in the place of those of a token, where it is still known."""
        if token in self._held:
            self._held[token] = pending

    def drop(self, token: str) -> None:
        """Forgets them."""
        self._held.pop(token, None)
