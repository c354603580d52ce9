"""One-time codes in a cluster: who is given one tells the other members before it counts.

Invariant: of the members that hear one another at most one takes a code, also where two are given it at the same
moment; nobody waits longer than `SECONDS` for a member that does not answer. Members that do not hear one another each
know only of their own until they meet again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.cluster.cluster import Cluster
from pointsman.identity.user import Users

CODE = "code"
"""What the question is about."""
SECONDS = 1.0


class Codes:
    """Asks the other members, and answers them."""

    def __init__(self, cluster: Cluster, users: Users) -> None:
        self._cluster = cluster
        self._users = users
        users.claim = self.claim

    async def claim(self, user: str, step: int) -> bool:
        """Tells the others that a user's code of a time step is used here; whether it was used at none of them."""
        answers = await self._cluster.consult({"about": CODE, "user": user, "step": step}, SECONDS)
        return all(answer.get("free") is not False for answer in answers)

    async def answer(self, asker: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a member's question."""
        user, step = question.get("user"), question.get("step")
        if not isinstance(user, str) or not isinstance(step, int) or user not in self._users.accounts:
            return {"error": "the question is not readable"}
        return {"free": self._users.note_step(user, step)}
