"""When a service is started again, and how it is told to leave."""

from __future__ import annotations

import time

from pointsman.launcher.service import CONTROL_PACE, ENGINE_PACE, Service
from pointsman.launcher.status import STATUS_DO_NOT_RESTART, STATUS_HOPELESS


def waits(service: Service) -> float:
    return service.start_at - time.monotonic()


def test_one_that_fails_again_and_again_is_started_at_longer_and_longer_intervals() -> None:
    for service, (_, delays) in (
        (Service("control"), CONTROL_PACE),
        (Service("e", (), "", "s"), ENGINE_PACE),
    ):
        for delay in (*delays, delays[-1], delays[-1]):
            service.plan_start(lived=0.0)
            assert delay - 0.02 < waits(service) <= delay


def test_one_that_ran_for_long_starts_at_once_and_so_does_one_that_is_asked_for() -> None:
    service = Service("control")
    for _ in range(9):
        service.plan_start(lived=0.0)
    service.plan_start(lived=CONTROL_PACE[0])
    assert waits(service) <= 0
    service.plan_start(lived=0.0)
    service.start_at_once()
    assert waits(service) <= 0
    service.plan_start(lived=0.0)
    assert waits(service) <= 0, "former failures are forgotten"


def test_what_does_not_run_has_nothing_to_leave() -> None:
    service = Service("control")
    assert service.leave(8.0)
    assert service.leave_by is None


def test_a_wish_not_to_be_restarted_does_not_end_the_launcher() -> None:
    assert STATUS_DO_NOT_RESTART not in STATUS_HOPELESS
    assert {1, 2, 4, *range(10, 20)} == STATUS_HOPELESS
