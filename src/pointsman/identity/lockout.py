"""Slows down guessing of passwords: waiting times per user and source, and per source over all users.

Invariant: failures from one source never delay another source, so nobody can lock `admin` out from elsewhere;
an attempt is counted before its password is checked, so attempts at the same moment cannot slip through;
memory is bounded whatever is tried.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_PER_USER = 5
"""Failures of one user from one source that cost nothing."""
FREE_PER_SOURCE = 30
"""Failures of any users from one source that cost nothing."""
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0
FORGET_SECONDS = 900.0
"""Failures are forgotten after this long without another."""
ENTRY_LIMIT = 20_000


@dataclass
class _Record:
    failures: int = 0
    running: int = 0
    until: float = 0.0
    last: float = 0.0
    failed: float = float("-inf")


class Lockout:
    """Counts failed logins; shared by every surface that takes a password."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, delay: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`delay` is how many seconds after a failure of a user from a source the next attempt is held back."""
        self._clock = clock
        self._delay = delay
        self._records: OrderedDict[tuple[str, bytes], _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def begin(self, user: str, source: str) -> float:
        """Asks to try a password: 0.0 when it may be checked (then call `end`), else the seconds to wait."""
        now = self._clock()
        mine, whole = _keys(user, source)
        # The source comes first: while it waits, the users it names leave no trace here.
        for key, free in ((whole, FREE_PER_SOURCE), (mine, FREE_PER_USER)):
            record = self._record(key, now)
            if record.until > now:
                return record.until - now
            # Beyond the free failures one attempt at a time may run; before, as many as failures are left.
            if record.running >= max(1, free - record.failures):
                return FIRST_WAIT_SECONDS
        for key in (whole, mine):
            record = self._record(key, now)
            record.running += 1
            record.last = now
        return 0.0

    def end(self, user: str, source: str, *, right: bool | None) -> None:
        """Reports how an attempt went that `begin` allowed; `right` is None when it was never decided."""
        now = self._clock()
        mine, whole = _keys(user, source)
        for key, free in ((mine, FREE_PER_USER), (whole, FREE_PER_SOURCE)):
            record = self._record(key, now)
            record.running = max(0, record.running - 1)
            if right is False:
                record.failures += 1
                record.last = record.failed = now
                if record.failures >= free:
                    wait = FIRST_WAIT_SECONDS * 2.0 ** min(record.failures - free, 30)
                    record.until = now + min(wait, LONGEST_WAIT_SECONDS)
        if right:
            # The source's own count stays: one right password must not pay for guesses at other users.
            self._records.pop(mine, None)

    def held(self, user: str, source: str) -> float:
        """For how many seconds an attempt that `begin` allowed is held back, since the last one failed just now."""
        now = self._clock()
        return max(0.0, self._record(_keys(user, source)[0], now).failed + self._delay() - now)

    def _record(self, key: tuple[str, bytes], now: float) -> _Record:
        record = self._records.get(key)
        if record is None or (not record.running and now - record.last > max(FORGET_SECONDS, self._delay())):
            record = self._records[key] = _Record(last=now)
        self._records.move_to_end(key)
        while len(self._records) > ENTRY_LIMIT:
            self._records.popitem(last=False)
        return record


def _keys(user: str, source: str) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    place = place_of(source)
    # A digest bounds what a long user name can occupy.
    name = hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return (place, name), (place, b"")


def place_of(source: str) -> str:
    """One client's address: IPv6 by /64, because a client owns at least that many."""
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return source[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)
