"""A look at the status for pages: how bad it is, and the services with their rates, those in trouble first.

Pure. Invariant: no more services than a browser can carry; `status` has all of them, so a page can count the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pointsman.control.status import LateFigures, ServiceView, Status
from pointsman.control.troubles import Trouble, headline, worst
from pointsman.web.ui.marks import BAD, Mark
from pointsman.web.ui.service_state import ServiceState, service_states

SHOWN_SERVICES = 200
LONGEST_INTERVAL = 30.0
"""A rate over a longer time (nobody looked) would be called live and is not."""


@dataclass(frozen=True)
class ServiceRow:
    """A virtual server. `rate` is requests a second since the page last looked, None when that is not
    known.
    """

    service: ServiceView
    state: ServiceState
    rate: float | None


@dataclass(frozen=True)
class Overview:
    """What is seen at a look; `services` are those that may be shown at all. `now` is Unix time."""

    status: Status
    mark: Mark
    word: str
    services: tuple[ServiceRow, ...]
    now: float
    troubles: tuple[Trouble, ...] = ()
    headline: str = ""


def overview(
    status: Status,
    now: float,
    before: Status | None,
    elapsed: float,
    troubles: tuple[Trouble, ...] = (),
    busy: Mapping[str, float] = MappingProxyType({}),
) -> Overview:
    """The look at `status`; rates come from the status `elapsed` seconds `before`. `troubles` are all there are; of
    services in the same state the busiest come first, by what `busy` says of their names.
    """
    earlier = {service.name: service for service in before.services} if before else {}
    states = service_states(status)
    services = sorted(status.services, key=lambda one: (BAD[states[one.name].mark], -busy.get(one.name, 0.0)))
    told: Mark = {"ok": "ok", "warn": "warn"}.get(status.level, "error")  # type: ignore[assignment]  # of three words
    mark = min(told, worst(troubles), key=lambda one: BAD[one])
    return Overview(
        status=status,
        mark=mark,
        word={"ok": "All well", "warn": "Warning"}.get(mark, "Error"),
        services=tuple(
            _service(service, states[service.name], earlier.get(service.name), elapsed)
            for service in services[:SHOWN_SERVICES]
        ),
        now=now,
        troubles=troubles,
        headline=headline(status, troubles),
    )


def _service(
    service: ServiceView, state: ServiceState, before: ServiceView | None, elapsed: float
) -> ServiceRow:
    rate = None
    total = service.figures.get("total_requests")
    # What nobody looked at then was not counted then.
    known = before is not None and not (isinstance(before.figures, LateFigures) and not before.figures.read)
    earlier = before.figures.get("total_requests") if before is not None and known else None
    if (
        isinstance(total, int)
        and isinstance(earlier, int)
        and 0 < elapsed <= LONGEST_INTERVAL
        and total >= earlier
    ):
        rate = (total - earlier) / elapsed
    return ServiceRow(service, state, rate)
