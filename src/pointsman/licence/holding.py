"""The choice among the keys that an instance has: which one is in use, and so which limits are in force.

Pure. Invariant: there is always an answer: without a valid key of a trusted issuer the limits are those of Community
Edition. The best valid key is in use, and equal keys always give the same choice.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pointsman.licence.key import Key, Licence, Refused, read_key

COMMUNITY_BANDWIDTH = 10_000_000
COMMUNITY_MEMBERS = 4
COMMUNITY = "community"
SELF = "self"
DAY = 86_400
WARNING_DAYS = (7, 15, 30, 60, 90)
"""How many days before its expiry a key begins to be warned of, each time more urgently."""


@dataclass(frozen=True)
class Limits:
    """What an instance may do; 0 means without limit.

    `bandwidth` is in bits of payload a second in each direction, `cluster_size` counts members. `source` is the serial
    of the key that grants it, "self" for the licence that an instance outside the container issued itself, "community"
    for Community Edition.
    """

    bandwidth: int
    cluster_size: int
    features: tuple[str, ...]
    source: str


COMMUNITY_LIMITS = Limits(COMMUNITY_BANDWIDTH, COMMUNITY_MEMBERS, ("all",), COMMUNITY)
"""Community Edition: full function, 10 Mb/s, clusters of four (R65, R66)."""


class State(enum.Enum):
    """How a key fares."""

    IN_USE = "in use"
    SPARE = "valid, another is in use"
    EXPIRED = "expired"
    EARLY = "not valid yet"
    FOREIGN = "other issuer"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Held:
    """A key that the instance has: the name it is stored under, what it says (None: damaged), how it fares, why."""

    name: str
    key: Key | None
    state: State
    why: str = ""


@dataclass(frozen=True)
class Holding:
    """What is in force. `in_use` is the key that grants it, None for the instance's own licence and for Community
    Edition; `licence` is None for Community Edition alone.

    `until` is the Unix time at which the choice has to be made again if nothing else changes (infinite: never).
    """

    limits: Limits
    licence: Licence | None
    in_use: Held | None
    keys: tuple[Held, ...]
    until: float

    @property
    def sentence(self) -> str:
        """For the log, the screen and REST."""
        if self.licence is None:
            return f"Community Edition: {limits_words(self.limits)}"
        if self.limits.source == SELF:
            return f"unlimited, issued by this instance to itself (serial {self.licence.serial})"
        until = f", until {day(self.licence.expires)}" if self.licence.expires else ""
        words = limits_words(self.limits)
        return f"licence {self.licence.serial}, {words}{until}, issued to {self.licence.holder}"


def choose(
    keys: Mapping[str, bytes], refusal: Callable[[Key], str], now: float, own: Licence | None = None
) -> Holding:
    """What is in force at `now` with these `keys` (by the name they are stored under).

    `refusal` says why a key's issuer is not trusted, "" when it is; `own` is a licence that the instance issued itself.
    """
    judged = [_judge(name, text, refusal, now) for name, text in sorted(keys.items())]
    valid = [held for held in judged if held.state is State.SPARE]
    best = max(valid, key=_worth, default=None)
    if best is not None and own is not None and _grants(own) >= _grants(_said(best)):
        best = None
    licence: Licence | None
    if best is not None:
        licence, limits = _said(best), _limits(_said(best), _said(best).serial)
        at = judged.index(best)
        judged[at] = best = Held(best.name, best.key, State.IN_USE)
    elif own is not None:
        licence, limits = own, _limits(own, SELF)
    else:
        licence, limits = None, COMMUNITY_LIMITS
    judged = [_explained(held, limits) for held in judged]
    return Holding(limits, licence, best, tuple(judged), _until(judged, now))


def days_left(licence: Licence, now: float) -> int:
    """Whole days that are begun until a licence expires; at least 1 while it is valid."""
    return math.ceil((licence.expires - now) / DAY)


def warning_stage(licence: Licence, now: float) -> int:
    """The smallest of `WARNING_DAYS` that covers what is left; 0 when there is no need to warn."""
    if not licence.expires:
        return 0
    left = days_left(licence, now)
    return next((days for days in WARNING_DAYS if 0 < left <= days), 0)


def out_of_time(licence: Licence, now: float) -> str:
    """Why a licence is not valid now, with the remedy; "" when it is."""
    if licence.expired_at(now):
        return f"it expired on {day(licence.expires)}; install a new key and remove this one"
    if not licence.begun_at(now):
        return f"it was issued on {day(licence.issued)}, which is not yet; set this machine's clock right"
    return ""


def limits_words(limits: Limits) -> str:
    """The limits as people say them."""
    bandwidth = f"{bit_rate(limits.bandwidth)} in each direction" if limits.bandwidth else "any bandwidth"
    members = f"clusters of {limits.cluster_size}" if limits.cluster_size else "clusters of any size"
    words = [bandwidth, members]
    if "all" not in limits.features:
        words.append("features " + (", ".join(limits.features) or "none"))
    if not limits.bandwidth and not limits.cluster_size and len(words) == 2:
        return "unlimited"
    return ", ".join(words)


def bit_rate(bits: int) -> str:
    """Bits a second in the largest unit that fits evenly."""
    for size, unit in ((10**9, "Gb/s"), (10**6, "Mb/s"), (10**3, "kb/s")):
        if bits >= size and bits % size == 0:
            return f"{bits // size} {unit}"
    return f"{bits} bit/s"


def day(moment: float) -> str:
    """The moment as a date, or with its time where that is not midnight (UTC)."""
    at = datetime.fromtimestamp(moment, UTC)
    return at.strftime("%Y-%m-%d" if moment % DAY == 0 else "%Y-%m-%dT%H:%M:%SZ")


def _judge(name: str, text: bytes, refusal: Callable[[Key], str], now: float) -> Held:
    try:
        key = read_key(text)
    except Refused as error:
        return Held(name, None, State.DAMAGED, str(error))
    if why := refusal(key):
        return Held(name, key, State.FOREIGN, why)
    if why := out_of_time(key.licence, now):
        return Held(name, key, State.EXPIRED if key.licence.expired_at(now) else State.EARLY, why)
    return Held(name, key, State.SPARE)


def _said(held: Held) -> Licence:
    assert held.key is not None, "a damaged key is never a spare one"
    return held.key.licence


def _grants(licence: Licence) -> tuple[float, float, float, float]:
    """How much a licence allows: bandwidth, members, features, time; more is better, in this order."""
    features = math.inf if "all" in licence.features else float(len(set(licence.features)))
    return (
        licence.bandwidth or math.inf,
        licence.cluster_size or math.inf,
        features,
        licence.expires or math.inf,
    )


def _worth(held: Held) -> tuple[object, ...]:
    licence = _said(held)
    # The rest only decides between equals, so that every start chooses alike.
    return (_grants(licence), licence.issued, licence.serial, held.name)


def _limits(licence: Licence, source: str) -> Limits:
    return Limits(licence.bandwidth, licence.cluster_size, licence.features, source)


def _explained(held: Held, limits: Limits) -> Held:
    if held.state is not State.SPARE:
        return held
    whose = "this instance's own licence" if limits.source == SELF else f"licence {limits.source}"
    return Held(held.name, held.key, State.SPARE, f"{whose} is in use, which grants as much or more")


def _until(judged: list[Held], now: float) -> float:
    """When the first of the keys changes its state, or is to be warned of more urgently."""
    moments: list[float] = []
    for held in judged:
        if held.key is None or held.state is State.FOREIGN:
            continue
        licence = held.key.licence
        moments.append(licence.issued - DAY)
        if licence.expires:
            moments.append(licence.expires)
            moments += [licence.expires - days * DAY for days in WARNING_DAYS]
            moments += [licence.expires - days * DAY for days in range(1, WARNING_DAYS[0])]
    return min((moment for moment in moments if moment > now), default=math.inf)
