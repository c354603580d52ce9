"""The engine's own answer to balancers that ask whether this traffic manager serves.

Invariant: it needs nothing but the engine, so it stays true while the control plane is dead. It says 200 only while a
virtual server listens; an engine that stops or is held refuses the connection. It tells nothing else, and what it
holds for those who ask is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.compiler.facts import Facts
from pointsman.compiler.haproxy.listen import ANY_IPV4, ANY_IPV6, bind_words
from pointsman.compiler.plan import ConfigSection, Line, Listener, Origin
from pointsman.compiler.remark import Remarks
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.traffic_manager import TrafficManager

_NAME = "engine-health"
_PATH = ("engine_health", "port")
_MOST_CONNECTIONS = 1000


def listeners(snapshot: Snapshot, facts: Facts, remarks: Remarks) -> tuple[Listener, ...]:
    """Where this traffic manager wants to be asked; none where it is switched off or (with a condition) cannot be."""
    subject = ObjectId("traffic_managers", facts.traffic_manager)
    own = snapshot.get(subject.type, subject.name, TrafficManager)
    port = own.engine_health.port if own is not None else 0
    if not port:
        return ()
    if subject in facts.refused:
        without(subject, f"{facts.refused[subject]}; free it or choose another port", remarks)
        return ()
    addresses = (ANY_IPV4, ANY_IPV6) if facts.ipv6 else (ANY_IPV4,)
    return tuple(Listener(address, port, subject) for address in addresses)


def without(subject: ObjectId, why: str, remarks: Remarks) -> None:
    """Says that nobody answers there; `why` holds what to do about it."""
    remarks.warn(subject, "engine_health_off", f"the engine does not answer /healthz: {why}", *_PATH)


def proxies(places: tuple[Listener, ...]) -> Mapping[str, Proxy]:
    """What the engine's names stand for: nothing of the administrator's."""
    return {_NAME: Proxy(None, Role.INTERNAL)} if places else {}


def sections(places: tuple[Listener, ...], *, serves: bool) -> tuple[ConfigSection, ...]:
    """The frontend that answers on `places`; `serves` says whether any virtual server listens."""
    if not places or places[0].subject is None:
        return ()
    origin = Origin(places[0].subject, _PATH)
    status, word = (200, "ok") if serves else (503, "idle")
    texts = [
        *(" ".join(("bind", *bind_words(place))) for place in places),
        f"maxconn {_MOST_CONNECTIONS}",
        "timeout client 2s",
        "timeout http-request 2s",
        # The next question then finds the engine that serves at that time, or none.
        "option httpclose",
        f"http-request return status {status} content-type text/plain string {word} hdr Cache-Control no-store "
        "if { path /healthz } { method GET HEAD }",
        "http-request return status 404",
    ]
    header = Line(f"frontend {_NAME} from http", origin)
    return (ConfigSection(header, tuple(Line(text, origin) for text in texts)),)
