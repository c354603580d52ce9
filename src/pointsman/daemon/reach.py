"""How far a change has reached: whether the other members have in force what is stored here.

Invariant: only members that are connected are waited for, none longer than asked; what a member says of itself is
looked at when its engine has dealt with the change, not when the change arrived.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from pointsman.cluster.cluster import Cluster
from pointsman.cluster.link import Unanswered
from pointsman.control.apply import ApplyLoop
from pointsman.store import Store

IN_FORCE = "in force"
"""What the question is about."""
LONGEST_SECONDS = 300.0
"""How long one question is let wait; a longer wait asks again."""
_POLL_SECONDS = 0.02
_GRACE_SECONDS = 2.0


class Reach:
    """Asks the other members, and answers them."""

    def __init__(self, cluster: Cluster, store: Store, loop: ApplyLoop) -> None:
        self._cluster = cluster
        self._store = store
        self._loop = loop

    async def behind(self, seconds: float) -> tuple[str, ...]:
        """Waits so long until every connected member has in force what is stored here now; a sentence for each that has
        not.
        """
        seen = dict(self._store.vector)
        names = [member.name for member in self._cluster.view().members if member.state == "alive"]
        told = await asyncio.gather(*(self._behind(name, seen, seconds) for name in names))
        return tuple(filter(None, told))

    async def _behind(self, name: str, seen: Mapping[str, int], seconds: float) -> str:
        deadline = time.monotonic() + seconds
        answer: Mapping[str, Any] = {}
        while not answer.get("arrived") and (left := deadline - time.monotonic()) > 0:
            wait = min(left, LONGEST_SECONDS)
            question = {"about": IN_FORCE, "vector": seen, "seconds": wait}
            try:
                answer = await self._cluster.ask(name, question, wait + _GRACE_SECONDS)
            except Unanswered as error:
                return f"traffic manager {name} does not say whether it has the change in force ({error})"
            if "error" in answer:
                return f"traffic manager {name} cannot say whether it has the change in force"
        if answer.get("in_force"):
            return ""
        what = "has not brought the change into force" if answer.get("arrived") else "has not got the change"
        return f"traffic manager {name} {what} within {seconds:g} s"

    async def answer(self, asker: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a member's question."""
        try:
            wanted = {str(origin): int(sequence) for origin, sequence in question["vector"].items()}
            seconds = min(max(0.0, float(question["seconds"])), LONGEST_SECONDS)
        except (KeyError, TypeError, ValueError, AttributeError):
            return {"error": "the question is not readable"}
        deadline = time.monotonic() + seconds
        while not self._has(wanted):
            if time.monotonic() > deadline:
                return {"arrived": False, "in_force": False}
            await asyncio.sleep(_POLL_SECONDS)
        revision = self._store.revision
        dealt_with = await self._loop.wait_for(revision, max(0.0, deadline - time.monotonic()))
        return {"arrived": True, "in_force": dealt_with and self._loop.in_force >= revision}

    def _has(self, wanted: Mapping[str, int]) -> bool:
        vector = self._store.vector
        return all(vector.get(origin, 0) >= sequence for origin, sequence in wanted.items())
