"""What is to be said about licence keys: conditions on the objects, events, and the whole as one picture.

Pure. Invariant: whatever is true of the keys has one name (`Telling.fact`), so that each is told once and not at every
start; nothing that is said holds a key's text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pointsman.licence.holding import (
    COMMUNITY,
    SELF,
    WARNING_DAYS,
    Held,
    Holding,
    State,
    day,
    days_left,
    limits_words,
    warning_stage,
)
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.event import Event, Severity
from pointsman.schema.license_key import LICENSE_KEY
from pointsman.schema.problem import ObjectId

SECTION = "licensekeys"
_URGENT_DAYS = 30
"""From so many days before its expiry a key's condition is a warning."""
_SOON = {7: "expiresoon", 15: "expiresoon15", 30: "expiresoon30", 60: "expiresoon60", 90: "expiresoon90"}


@dataclass(frozen=True)
class Telling:
    """An event to tell while `fact` is true and was not told before."""

    fact: str
    event: Event


@dataclass(frozen=True)
class KeyView:
    """A key for people and programs. Times are Unix seconds; 0 means without limit, "" unknown (a damaged key)."""

    name: str
    serial: str
    holder: str
    issued: int
    expires: int
    bandwidth: int
    cluster_size: int
    features: tuple[str, ...]
    issuer: str
    state: str
    why: str


@dataclass(frozen=True)
class LicenceView:
    """The licence in force, and every key. `source` is a serial, "self" or "community".

    `community` says that Community Edition was chosen, `choice_open` that neither that nor a key was. `issuers` are the
    fingerprints of those whose keys are taken; with none, the issuer of the first key will be.
    """

    source: str
    sentence: str
    expires: int
    bandwidth: int
    cluster_size: int
    features: tuple[str, ...]
    community: bool
    choice_open: bool
    keys: tuple[KeyView, ...]
    issuers: tuple[str, ...]


def view(
    holding: Holding, sentence: str, issuers: Iterable[str], *, community: bool, choice_open: bool
) -> LicenceView:
    """The picture of a holding."""
    limits = holding.limits
    return LicenceView(
        source=limits.source,
        sentence=sentence,
        expires=holding.licence.expires if holding.licence else 0,
        bandwidth=limits.bandwidth,
        cluster_size=limits.cluster_size,
        features=limits.features,
        community=community,
        choice_open=choice_open,
        keys=tuple(_key_view(held) for held in holding.keys),
        issuers=tuple(sorted(issuers)),
    )


def conditions(holding: Holding, now: float) -> tuple[Condition, ...]:
    """What an administrator should know of each key."""
    return tuple(
        Condition(ObjectId(LICENSE_KEY.path, held.name), *found)
        for held in holding.keys
        if (found := _condition(held, holding, now)) is not None
    )


def tellings(holding: Holding, now: float) -> Iterator[Telling]:
    """Events for what is true now, the causes first."""
    for held in holding.keys:
        yield from _of_key(held, holding, now)
    source, subject = holding.limits.source, None
    if source == COMMUNITY:
        text = f"no valid licence key: this instance is {_community(holding)}"
        yield Telling("unlicensed", Event(SECTION, "unlicensed", Severity.WARN, None, text))
    elif source != SELF and holding.in_use is not None and holding.in_use.key is not None:
        subject = ObjectId(LICENSE_KEY.path, holding.in_use.name)
        text = f"{holding.sentence}; signed by {holding.in_use.key.issuer_fingerprint}"
        yield Telling(
            f"using {holding.sentence}", Event(SECTION, "usinglicense", Severity.INFO, subject, text)
        )


def _community(holding: Holding) -> str:
    return f"Community Edition ({limits_words(holding.limits)})"


def _of_key(held: Held, holding: Holding, now: float) -> Iterator[Telling]:
    subject = ObjectId(LICENSE_KEY.path, held.name)
    match held.state:
        case State.DAMAGED:
            said = hashlib.sha256(held.why.encode()).hexdigest()[:8]
            event = Event(SECTION, "licensecorrupt", Severity.SERIOUS, subject, held.why)
            yield Telling(f"corrupt {held.name} {said}", event)
        case State.FOREIGN:
            event = Event(SECTION, "license-unauthorized", Severity.SERIOUS, subject, held.why)
            yield Telling(f"foreign {held.name}", event)
        case State.EXPIRED:
            limited = holding.limits.source == COMMUNITY
            severity = Severity.SERIOUS if limited else Severity.WARN
            after = f" This instance is {_community(holding)} now." if limited else ""
            event = Event(SECTION, "expired", severity, subject, f"{held.why}.{after}")
            yield Telling(f"expired {held.name}", event)
        case State.IN_USE:
            yield from _of_the_key_in_use(held, subject, now)
        case _:
            return


def _of_the_key_in_use(held: Held, subject: ObjectId, now: float) -> Iterator[Telling]:
    assert held.key is not None, "a damaged key is never in use"
    licence = held.key.licence
    stage = warning_stage(licence, now)
    if not stage:
        return
    fact = f"soon {held.name} {stage}"
    if stage == WARNING_DAYS[0]:
        fact += f" {days_left(licence, now)}"  # in the last week, every day
    severity = Severity.WARN if stage <= _URGENT_DAYS else Severity.INFO
    yield Telling(fact, Event(SECTION, _SOON[stage], severity, subject, _soon(held, now)))


def _condition(held: Held, holding: Holding, now: float) -> tuple[Standing, str, str] | None:
    match held.state:
        case State.DAMAGED:
            return Standing.REJECTED, "licence_damaged", held.why
        case State.FOREIGN:
            return Standing.REJECTED, "licence_unauthorized", held.why
        case State.EXPIRED:
            standing = Standing.WARNING if holding.limits.source == COMMUNITY else Standing.NOTICE
            return standing, "licence_expired", held.why
        case State.EARLY:
            return Standing.WARNING, "licence_early", held.why
        case State.SPARE:
            return Standing.NOTICE, "licence_spare", held.why
        case State.IN_USE:
            stage = warning_stage(held.key.licence, now) if held.key else 0
            if not stage:
                return None
            standing = Standing.WARNING if stage <= _URGENT_DAYS else Standing.NOTICE
            return standing, "licence_expires_soon", _soon(held, now)


def _soon(held: Held, now: float) -> str:
    assert held.key is not None, "a damaged key is never in use"
    left = days_left(held.key.licence, now)
    days = "within a day" if left <= 1 else f"in {left} days"
    return f"it expires {days}, on {day(held.key.licence.expires)}; install a new key before that"


def _key_view(held: Held) -> KeyView:
    if held.key is None:
        return KeyView(held.name, "", "", 0, 0, 0, 0, (), "", held.state.value, held.why)
    licence = held.key.licence
    return KeyView(
        name=held.name,
        serial=licence.serial,
        holder=licence.holder,
        issued=licence.issued,
        expires=licence.expires,
        bandwidth=licence.bandwidth,
        cluster_size=licence.cluster_size,
        features=licence.features,
        issuer=held.key.issuer_fingerprint,
        state=held.state.value,
        why=held.why,
    )
