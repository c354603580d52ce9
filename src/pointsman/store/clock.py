"""Hybrid logical clock: stamps that follow the wall clock and never go back.

Pure. Invariant: every stamp that a `Clock` gives is greater than every stamp it gave or received before,
whatever the wall clock does; so "the later edit wins" holds as far as any member can know what is later.

A stamp is one whole number below 2**63: milliseconds since 1970 in the upper 47 bits, a counter in the lower
16. When the counter is full it runs over into the milliseconds, which keeps the order.
"""

from __future__ import annotations

from dataclasses import dataclass

COUNTER_BITS = 16
_LAST_MILLISECOND = (
    1 << 46
) - 1  # the year 4199: a wall clock beyond it is broken, and stamps must stay below 2**63


@dataclass(frozen=True)
class Clock:
    """A clock whose last stamp is `last`; asking it for the next stamp gives the clock after that."""

    last: int = 0

    def tick(self, now: float) -> Clock:
        """The clock after an event of our own at wall-clock time `now` (Unix seconds)."""
        return Clock(max(self.last + 1, first_stamp_at(now)))

    def receive(self, remote: int, now: float) -> Clock:
        """The clock after hearing of the stamp `remote` at wall-clock time `now` (Unix seconds)."""
        return Clock(max(self.last + 1, remote + 1, first_stamp_at(now)))


def first_stamp_at(time: float) -> int:
    """The lowest stamp of the millisecond of a Unix time in seconds."""
    return min(max(int(time * 1000), 0), _LAST_MILLISECOND) << COUNTER_BITS


def time_of(stamp: int) -> float:
    """The Unix time in seconds, to the millisecond, that a stamp carries."""
    return (stamp >> COUNTER_BITS) / 1000
