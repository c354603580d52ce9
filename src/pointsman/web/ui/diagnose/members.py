"""What the other members of the cluster say of themselves, asked when somebody looks.

Invariant: nobody waits longer than `SECONDS` for a page; a member that does not answer is told as such.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.cluster.link import Unanswered
from pointsman.cluster.view import MemberView
from pointsman.control.clustering import Clustering
from pointsman.store import Author
from pointsman.web.api.cluster import ABOUT, unpacked
from pointsman.web.ui.marks import Mark

SECONDS = 1.5
MOST_ERRORS = 20
MOST_MEMBERS = 32
_LONGEST = 500


@dataclass(frozen=True)
class MemberState:
    """How another member fares: `errors` are its own words, without the `same` that are true here as well; `more` of
    them are left out.
    """

    name: str
    mark: Mark
    word: str
    errors: tuple[str, ...]
    more: int
    same: int = 0


async def ask_members(
    clustering: Clustering | None, asker: Author, here: Collection[str]
) -> tuple[MemberState, ...]:
    """The state of every other member, by name; `here` is what this one would answer."""
    if clustering is None or not clustering.cluster.active:
        return ()
    others = [member for member in clustering.view().members if member.state != "here"][:MOST_MEMBERS]
    return tuple(await asyncio.gather(*(_ask(clustering, member, asker, here) for member in others)))


async def _ask(
    clustering: Clustering, member: MemberView, asker: Author, here: Collection[str]
) -> MemberState:
    if member.state == "unreachable":
        return MemberState(member.name, "error", "unreachable", (), 0)
    question = {
        "about": ABOUT,
        "path": ["state"],
        "query": {},
        "user": asker.name,
        "address": asker.address,
    }
    try:
        answer = await clustering.cluster.ask(member.name, question, SECONDS)
    except Unanswered as error:
        return MemberState(member.name, "warn", "no answer", (str(error),), 0)
    return read_state(member.name, unpacked(member.name, answer).body, here)


def read_state(name: str, body: bytes, here: Collection[str] = ()) -> MemberState:
    """A member's answer; what another version might answer is taken with care."""
    try:
        state: Mapping[str, Any] = json.loads(body)["state"]
        level, told = str(state["error_level"]), [str(text)[:_LONGEST] for text in state["errors"]]
    except (ValueError, KeyError, TypeError):
        return MemberState(name, "warn", "not understood", ("it answers in words of another version",), 0)
    mark: Mark = "ok" if level == "ok" else "warn" if level == "warn" else "error"
    word = {"ok": "well", "warn": "warning"}.get(mark, "error")
    other = [text for text in told if text not in here]
    more = max(0, len(other) - MOST_ERRORS)
    return MemberState(name, mark, word, tuple(other[:MOST_ERRORS]), more, same=len(told) - len(other))
