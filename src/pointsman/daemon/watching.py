"""Tells the other members what this one imports, and warns where two of them undo each other's imports.

Invariant: what is told are digests and the name under which transactions are written, never what is in the documents;
what two members do to each other is told once when it begins and once when it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from pointsman.cluster.cluster import Cluster
from pointsman.cluster.view import MemberView
from pointsman.control.import_contest import Contest, Contests, Watching
from pointsman.control.importer import Importer
from pointsman.schema.condition import Condition
from pointsman.schema.event import Event, Severity
from pointsman.store import Store

WATCHES = "watches"
"""Under which name a member tells it."""
_LOOK_SECONDS = 1.0
_DIGITS = 16
"""Of a digest that are told: enough to tell what nobody forges, and it is told each second."""


class Watchers:
    """The members that watch documents, as this one hears of them."""

    def __init__(
        self, cluster: Cluster, importer: Importer, store: Store, on_event: Callable[[Event], None]
    ) -> None:
        self._cluster = cluster
        self._importer = importer
        self._store = store
        self._on_event = on_event
        self._contests = Contests()
        self._told: dict[tuple[str, str], Contest] = {}
        store.subscribe(self._contests.on_transaction)

    def tell(self) -> Mapping[str, str] | None:
        """What this member tells the others each second; None where it watches nothing."""
        documents, base = self._importer.digests
        if self._importer.watched is None or not documents:
            return None
        return {"origin": self._store.origin, "documents": documents[:_DIGITS], "base": base[:_DIGITS]}

    async def run(self) -> None:
        """Looks what turned each second, until it is cancelled."""
        while True:
            self._look()
            await asyncio.sleep(_LOOK_SECONDS)

    def conditions(self) -> tuple[Condition, ...]:
        """What holds now."""
        return tuple(contest.condition for contest in self._told.values())

    def _look(self) -> None:
        members = self._cluster.view().members
        watching = [found for member in members if (found := _watching(member)) is not None]
        now = {(found.first.name, found.second.name): found for found in self._contests.between(watching)}
        for pair in now.keys() - self._told.keys():
            self._say(Severity.WARN, "importscontested", now[pair], now[pair].text)
        # Of a member that is not heard nothing is known: it may be as before.
        silent = {member.name for member in members if member.state == "unreachable"}
        kept = {pair: contest for pair, contest in self._told.items() if silent & {*pair}}
        for pair in self._told.keys() - now.keys() - kept.keys():
            text = f"{pair[0]} and {pair[1]} do not undo each other's imports any more"
            self._say(Severity.INFO, "importsagree", self._told[pair], text)
        self._told = {**kept, **now}

    def _say(self, severity: Severity, tag: str, contest: Contest, text: str) -> None:
        self._on_event(Event("general", tag, severity, contest.condition.subject, text))


def _watching(member: MemberView) -> Watching | None:
    match member.tells.get(WATCHES) if member.state != "unreachable" else None:
        case {"origin": str(origin), "documents": str(documents), "base": str(base)}:
            return Watching(member.name, origin, documents, base)
    return None
