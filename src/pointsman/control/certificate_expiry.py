"""Certificates of the catalogue that run out, as remarks with their remedy.

Invariant: a certificate that a virtual server or pool uses is named from 30 days before its end until it is replaced;
each is parsed once, however often somebody asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pointsman.certificates.facts import WARNING_DAYS, CertificateFacts, chain_facts
from pointsman.control.configuration import Configuration
from pointsman.control.usage import Usage
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import ObjectId
from pointsman.schema.server_key import SERVER_KEY, ServerKey

_DAY = 86_400.0
_PATH = ("basic", "public")


@dataclass(frozen=True)
class _Term:
    """From when to when (Unix times) a certificate can be used; `which` part of its chain ends first."""

    name: str
    begin: float
    end: float
    which: str


class CertificateExpiry:
    """Derives the remarks from the configuration and the clock."""

    def __init__(
        self, configuration: Configuration, usage: Usage, clock: Callable[[], float] = time.time
    ) -> None:
        self._configuration = configuration
        self._usage = usage
        self._clock = clock
        self._terms: tuple[int, tuple[_Term, ...]] = (-1, ())

    def conditions(self) -> tuple[Condition, ...]:
        """The remarks of now."""
        snapshot = self._configuration.snapshot
        if self._terms[0] != snapshot.revision:
            users = self._usage.users()
            terms = [
                _term(name, facts)
                for name, key in snapshot.all(SERVER_KEY.path, ServerKey)
                if ObjectId(SERVER_KEY.path, name) in users and (facts := chain_facts(key.basic.public))
            ]
            self._terms = (snapshot.revision, tuple(terms))
        now = self._clock()
        return tuple(
            Condition(ObjectId(SERVER_KEY.path, term.name), Standing.WARNING, *found, _PATH)
            for term in self._terms[1]
            if (found := _remark(term, now)) is not None
        )


def _term(name: str, chain: tuple[CertificateFacts, ...]) -> _Term:
    first = min(range(len(chain)), key=lambda place: chain[place].not_after)
    return _Term(
        name,
        max(facts.not_before.timestamp() for facts in chain),
        chain[first].not_after.timestamp(),
        "the certificate" if first == 0 else f'certificate {first + 1} of its chain, "{chain[first].title}",',
    )


def _remark(term: _Term, now: float) -> tuple[str, str] | None:
    """Code and text of what is to be said."""
    date = time.strftime("%Y-%m-%d", time.gmtime(term.end))
    if term.end <= now:
        return (
            "certificate_expired",
            f"{term.which} expired on {date}, so clients refuse it; upload a renewed one in its place",
        )
    if term.end - now <= WARNING_DAYS * _DAY:
        days = int((term.end - now) / _DAY)
        left = "today" if days == 0 else f"in {days} day{'' if days == 1 else 's'}"
        return (
            "certificate_expiring",
            f"{term.which} expires on {date}, {left}; have it renewed, and upload the new one in its place",
        )
    if term.begin > now:
        begin = time.strftime("%Y-%m-%d %H:%M", time.gmtime(term.begin))
        return (
            "certificate_not_yet",
            f"it is valid only from {begin} UTC on, so clients refuse it until then; "
            "use another one until then, or correct the clock",
        )
    return None
