"""Wizards that somebody is in the middle of.

Invariant: a run lives in memory, belongs to the session that began it, and is bounded, as is how many of them there
are; the oldest give way.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from pointsman.web.ui.wizards.asking import Answers
from pointsman.web.ui.wizards.wizard import Outcome

MOST = 200
MOST_OF_ONE = 20
LARGEST = 512 * 1024
"""Characters of a run's answers: five thousand nodes fit."""


@dataclass
class Run:
    """One run of a wizard. `reached` is the last step whose page was answered well; `done` what came of it, which is
    found out under `finishing`.
    """

    owner: str
    wizard: str
    answers: Answers = field(default_factory=Answers)
    reached: int = 0
    done: Outcome | None = None
    finishing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Runs:
    """The runs of all sessions by a token that only their own pages know."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, Run] = OrderedDict()

    def begin(self, owner: str, wizard: str) -> str:
        """A new run; gives its token."""
        mine = [token for token, run in self._held.items() if run.owner == owner]
        for token in mine[: max(0, len(mine) - MOST_OF_ONE + 1)]:
            del self._held[token]
        while len(self._held) >= MOST:
            self._held.popitem(last=False)
        token = secrets.token_urlsafe(12)
        self._held[token] = Run(owner, wizard)
        return token

    def find(self, token: str, owner: str, wizard: str) -> Run | None:
        """The run of a token, where it is of the session and the wizard."""
        run = self._held.get(token)
        return run if run is not None and (run.owner, run.wizard) == (owner, wizard) else None

    def drop(self, token: str) -> None:
        """Forgets it."""
        self._held.pop(token, None)


def fits(answers: Answers) -> bool:
    """Whether answers are no more than a run may hold."""
    return sum(len(value) for values in answers.given.values() for value in values) <= LARGEST
