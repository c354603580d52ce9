"""Places that are held for instances that were let in and have not shown themselves yet, here and at other members.

Invariant: of instances that ask members which reach one another at the same moment, no more are let in than have a
place, and no two of one name. Who holds a place says so to the others before it counts on it, and they answer with
theirs; of two that were held without knowledge of each other the one with the lower id stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pointsman.cluster.roster import Member

PLACE = "cluster.place"
"""What a question about places is `about`."""
PLACE_SECONDS = 120.0
"""How long a place is held for an instance that was let in and has not shown itself yet."""
JOINING_SECONDS = 30.0
"""How long another installation of the same name, from the same address, has to wait for the first one: that may have
been thrown away in the middle of its join, and made anew.
"""
CONSULT_SECONDS = 2.0
"""For the other members to say whom they let in; who does not answer is not waited for."""
_LONGEST = 255
_MOST_TOLD = 64
"""Places that one other member may hold, as far as this one takes note of them."""


@dataclass(frozen=True)
class Place:
    """What is held for the id of a member to be.

    `installation` tells one installation from another ("" where it did not say), `source` is where it asked from,
    `since` and `until` are of the clock. `holder` is the id of the member that holds it, "" for this one; `sure` that
    it was let in, and not only asks.
    """

    id: str
    name: str
    installation: str = ""
    source: str = ""
    public_key: str = ""
    since: float = 0.0
    until: float = 0.0
    holder: str = ""
    sure: bool = False


@dataclass(frozen=True)
class Others:
    """What other members answered: names of members by id, and places by id."""

    members: Mapping[str, str]
    places: Mapping[str, Place]


class Places:
    """All places that this member knows of."""

    def __init__(
        self, known: Callable[[], Collection[str]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`known` gives the ids of all who are or were members: they need no place."""
        self._known = known
        self._clock = clock
        self._held: dict[str, Place] = {}

    def all(self) -> dict[str, Place]:
        """Those that count now, by id."""
        now, known = self._clock(), self._known()
        self._held = {
            member: place for member, place in self._held.items() if place.until > now and member not in known
        }
        return dict(self._held)

    def before(self, wanted: Place) -> dict[str, Place]:
        """Those that count beside `wanted`: without those for the same instance, which got nowhere the first time."""
        return {member: held for member, held in self.all().items() if not self._gives_way(held, wanted)}

    def awaited(self, member: str) -> str:
        """The public key of an instance that was let in here and is not in the list of members yet, else ""."""
        found = self.all().get(member)
        return found.public_key if found is not None else ""

    def hold(self, place: Place) -> None:
        """Holds a place from now on, in the stead of those that give way to it."""
        now = self._clock()
        self._held = {**self.before(place), place.id: replace(place, since=now, until=now + PLACE_SECONDS)}

    def ahead(
        self, place: Place, before: Collection[str], others: Others
    ) -> tuple[dict[str, Place], dict[str, str]]:
        """The places that come before one that is held and not sure yet, once the others answered, and the names of
        members, by id, that are known to others only. `before` are the ids that were held when it was asked for.
        """
        known = self._known()
        found = {**others.places, **self.before(place)}
        held = {
            member: other
            for member, other in found.items()
            if member not in known
            and member != place.id
            and (
                member in before
                or member < place.id
                or other.sure
                or (member in others.places and others.places[member].sure)
            )
        }
        return held, {member: name for member, name in others.members.items() if member not in known}

    def confirm(self, member: str) -> None:
        """Takes note that the instance was let in."""
        if member in self._held:
            self._held[member] = replace(self._held[member], sure=True)

    def drop(self, member: str) -> None:
        """Holds a place no more."""
        self._held.pop(member, None)

    def _gives_way(self, held: Place, wanted: Place) -> bool:
        if held.name != wanted.name or held.id == wanted.id:
            return False
        if held.installation and wanted.installation and held.installation == wanted.installation:
            return True
        if not held.source or held.source != wanted.source:
            return False
        told = bool(held.installation and wanted.installation)
        return not told or self._clock() - held.since > JOINING_SECONDS

    # What members tell one another

    def question(self) -> dict[str, Any]:
        """What is held here, for the others."""
        own = [place for place in self.all().values() if not place.holder]
        return {"about": PLACE, "places": [[place.id, place.name, place.installation] for place in own]}

    def answer(self, asker: str, question: Mapping[str, Any], members: Iterable[Member]) -> dict[str, Any]:
        """Takes note of what the member of an id holds, and tells it the members and what is held by others."""
        rows = question.get("places")
        told = {place.id: place for place in map(_read, rows if isinstance(rows, list) else ()) if place}
        for member, place in self.all().items():
            if place.holder == asker and member not in told:
                self.drop(member)
        for place in tuple(told.values())[:_MOST_TOLD]:
            if place.id not in self.all() and place.id not in self._known():
                self.hold(replace(place, holder=asker, sure=False))
        now = self._clock()
        held = [place for place in self.all().values() if place.holder != asker]
        return {
            "members": {member.id: member.name for member in members},
            "places": [
                # Who holds it has heard of all others by then.
                [p.id, p.name, p.installation, p.sure or (bool(p.holder) and now - p.since > CONSULT_SECONDS)]
                for p in held
            ],
        }


def read_answers(answers: Iterable[Mapping[str, Any]]) -> Others:
    """What other members answered; an older version answers nothing of it."""
    members: dict[str, str] = {}
    places: dict[str, Place] = {}
    for answer in answers:
        told, rows = answer.get("members"), answer.get("places")
        if isinstance(told, dict):
            members |= {str(member): str(name) for member, name in told.items()}
        for place in map(_read, rows if isinstance(rows, list) else ()):
            if place is not None:
                sure = place.sure or (place.id in places and places[place.id].sure)
                places[place.id] = replace(place, sure=sure)
    return Others(members, places)


def _read(row: Any) -> Place | None:
    match row:
        case [str(member), str(name), str(installation), *more] if (
            max(map(len, (member, name, installation))) <= _LONGEST
        ):
            return Place(member, name, installation, sure=more == [True])
    return None
