"""Who is alive, as far as this member hears, what the others say of themselves, and whose clock is wrong.

Invariant: nothing here is stored or replicated, and nothing that is compiled follows from it; it is for people, for
statistics and for alarms.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

SKEW_ALARM = 2.0
"""Seconds that a clock may be off the median of all members' before it is told."""
_SKEW_CALM = 1.5
_SAMPLES = 5
_MOST_BEAT = 1 << 53
"""Milliseconds; no clock says more."""
_TWICE_SECONDS = 30.0
"""How long it is told that two machines run as one member after both were heard in turn."""
FORGOTTEN = 4.0
"""Seconds after which a member of which nothing was heard counts as dead."""
FORGOTTEN_AFAR = 20.0
"""The same for one that there is no connection to, of which others tell each few seconds, from one to the next."""


@dataclass(frozen=True)
class Presence:
    """A member as it was last heard.

    `heard` is Unix time, 0 for never; `since` is since when it is as it is. `skew` is how many seconds its clock is
    ahead of this member's, None when that is not known. `state` is what it says of itself.
    """

    alive: bool
    heard: float
    since: float
    skew: float | None
    state: Mapping[str, Any]


NEVER = Presence(False, 0.0, 0.0, None, MappingProxyType({}))


@dataclass
class _Heard:
    beat: int = 0
    heard: float = 0.0
    heard_steadily: float = 0.0
    since: float = 0.0
    alive: bool = False
    near: bool = False
    state: Mapping[str, Any] = field(default_factory=dict)
    clocks: deque[float] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    run: str = ""
    earlier: deque[str] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    twice: float = -math.inf

    @property
    def clock(self) -> float | None:
        """What its clock says at 0 of our steady clock, which no jump of our own clock moves."""
        return statistics.median_low(self.clocks) if self.clocks else None


class PresenceBoard:
    """What was heard of every member; times are those of `clock` (Unix seconds), their distances those of `steady`."""

    def __init__(
        self, clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._steady = steady
        self._theirs: float | None = None
        self._heard: dict[str, _Heard] = {}
        self._alarmed: set[str] = set()

    def of(self, member: str) -> Presence:
        """What is known of a member."""
        found = self._heard.get(member)
        if found is None:
            return NEVER
        return Presence(found.alive, found.heard, found.since, self._skew(found), found.state)

    def hear(self, member: str, body: Mapping[str, Any]) -> None:
        """Takes in what a member said of itself: `beat` (milliseconds of its clock), `state`, `run`: which start of it
        this is.
        """
        self._note(member, body)
        found = self._heard.get(member)
        if found is not None:
            found.near = True
        beat = body.get("beat")
        if found is not None and isinstance(beat, int) and abs(beat) < _MOST_BEAT:
            found.clocks.append(beat / 1000 - self._steady())
        run = body.get("run")
        if found is not None and isinstance(run, str) and run != found.run:
            # Who was started again is heard under the new run alone.
            if run in found.earlier:
                found.twice = self._clock()
            else:
                found.earlier.append(found.run)
            found.run = run

    def overhear(self, others: Mapping[str, Any]) -> tuple[str, ...]:
        """Takes in what one member passes on of others; those that are alive by it and were not before."""
        came = []
        for member, body in others.items():
            known = self._heard.get(member)
            alive, last = (known.alive, known.beat) if known is not None else (False, 0)
            beat = body.get("beat") if isinstance(body, dict) else None
            # What is under way of one that died is told for a while yet.
            if isinstance(beat, int) and beat > last + (0 if alive else 1000 * FORGOTTEN):
                self._note(member, body)
                if not alive and self.of(member).alive:
                    came.append(member)
        return tuple(came)

    def part(self, member: str) -> None:
        """Takes note that the connection to a member was ended on purpose: others tell of it from now on."""
        if member in self._heard:
            self._heard[member].near = False

    def lose(self, member: str) -> bool:
        """Takes note that a member cannot be heard any more; whether that is new."""
        found = self._heard.get(member)
        if found is None or not found.alive:
            return False
        found.alive, found.near, found.since = False, False, self._clock()
        # The steady clock stands still while a machine sleeps, so what was measured before may not hold any more.
        found.clocks.clear()
        return True

    def twice(self, member: str) -> bool:
        """Whether two machines run as this member: a copy of its disk was started."""
        found = self._heard.get(member)
        return found is not None and abs(self._clock() - found.twice) < _TWICE_SECONDS

    def silent(self) -> tuple[str, ...]:
        """Members that count as alive and were not heard of for too long."""
        now = self._steady()  # a clock that is put right says nothing of others
        return tuple(
            member
            for member, found in self._heard.items()
            if found.alive and now - found.heard_steadily >= (FORGOTTEN if found.near else FORGOTTEN_AFAR)
        )

    def forget(self, known: Iterable[str]) -> None:
        """Drops who is no member any more."""
        keep = set(known)
        self._heard = {member: found for member, found in self._heard.items() if member in keep}
        self._alarmed &= keep

    def newer_than(self, sent: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        """What there is to pass on to a member that was told of beats up to `sent`."""
        return {
            member: {"beat": found.beat, "state": dict(found.state)}
            for member, found in self._heard.items()
            if found.alive and found.beat > sent.get(member, 0)
        }

    def ahead(self) -> float | None:
        """How many seconds this member's clock is ahead of the median of all clocks, or of the other one of two; None
        when none was ever heard.

        While none is heard their time goes on by the steady clock: a wrong clock is wrong in a partition as well, and
        may be set right in it.
        """
        clocks = [found.clock for found in self._heard.values() if found.alive and found.clock is not None]
        if len(clocks) > 1:
            # Ours counts as well: that one of the others is far behind is no reason to follow it.
            clocks.append(self._clock() - self._steady())
        if clocks:
            self._theirs = statistics.median_low(clocks)
        return None if self._theirs is None else self._clock() - (self._theirs + self._steady())

    def skewed(self, own: str) -> Mapping[str, float]:
        """Members whose clock is wrong, with how many seconds it is ahead of the median of all of them."""
        found = {m: self._skew(f) for m, f in self._heard.items() if f.alive}
        skews = {member: skew for member, skew in found.items() if skew is not None}
        if not skews:
            self._alarmed.clear()
            return {}
        skews[own] = 0.0
        median = statistics.median_low(skews.values()) if len(skews) > 2 else 0.0
        wrong = {
            member: skew - median
            for member, skew in skews.items()
            if abs(skew - median) > (_SKEW_CALM if member in self._alarmed else SKEW_ALARM)
        }
        self._alarmed = set(wrong)
        return wrong

    def _skew(self, found: _Heard) -> float | None:
        return None if found.clock is None else found.clock + self._steady() - self._clock()

    def _note(self, member: str, body: Mapping[str, Any]) -> None:
        beat, state = body.get("beat"), body.get("state")
        if not isinstance(beat, int) or not abs(beat) < _MOST_BEAT or not isinstance(state, dict):
            return
        found = self._heard.setdefault(member, _Heard())
        if beat == found.beat:
            return
        now = self._clock()
        if not found.alive:
            found.alive, found.since = True, now
        found.beat, found.heard, found.state = beat, now, state
        found.heard_steadily = self._steady()
