"""Everything that is wrong is told once, with since when and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.control.test_status import WEB, pool, service, status

from pointsman.cluster.view import ClusterView, MemberView
from pointsman.control.disk_space import Disk, disk_conditions
from pointsman.control.status import Documents, Status, TrafficIpView
from pointsman.control.troubles import (
    DAY,
    GROUPS,
    Around,
    Ending,
    Trouble,
    find_troubles,
    headline,
    sentence_of,
    worst,
)
from pointsman.schema.condition import Condition, Standing
from pointsman.schema.problem import ObjectId, Problem

NOW = 1_800_000_000.0
APP = ObjectId("pools", "app")
OTHER = ObjectId("traffic_managers", "b")
GROUP = ObjectId("traffic_ip_groups", "g")


def troubles(seen: Status, **around: Any) -> tuple[Trouble, ...]:
    """What is wrong in these surroundings."""
    return find_troubles(seen, Around(now=NOW, **around))


def test_nothing_is_wrong_where_nothing_is() -> None:
    seen = status({WEB: service(), APP: pool("a:1")})
    assert troubles(seen) == ()
    assert headline(seen, ()) == "The service serves."
    assert worst(()) == "ok"


def test_a_service_without_a_node_is_told_with_its_nodes() -> None:
    seen = status({WEB: service(), APP: pool("a:1", "b:1")}, {("app", "a:1"): "refused", ("app", "b:1"): ""})
    down, first, second = troubles(seen)
    assert (down.grade, down.group, down.subject, down.cause, down.since) == (
        "error",
        "services",
        WEB,
        APP,
        5.0,
    )
    assert [one.what for one in (first, second)] == ["node a:1 is down: refused", "node b:1 is down"]
    assert first.path == ("basic", "nodes_table", "a:1")
    assert {first.grade, second.grade} == {"warn"}
    assert headline(seen, (down, first, second)) == "1 service does not serve and 2 nodes are down."
    assert worst((first, down)) == "error"


def test_one_trouble_is_its_own_headline() -> None:
    seen = status({WEB: service(), APP: pool("a:1", "b:1")}, {("app", "b:1"): "no answer in 3 s"})
    assert headline(seen, troubles(seen)) == 'Pool "app": node b:1 is down: no answer in 3 s.'


def test_what_keeps_a_service_out_is_told_once() -> None:
    left_out = Condition(WEB, Standing.REJECTED, "no_address", "there is no address", ("basic", "port"))
    seen = status({WEB: service(), APP: pool("a:1")}, conditions=(left_out,))
    (only,) = troubles(seen)
    assert (only.group, only.what) == ("services", "does not serve: there is no address")


@pytest.mark.parametrize(
    ("condition", "grade", "group"),
    [
        (Condition(APP, Standing.NOTICE, "x", "m"), "note", "configuration"),
        (Condition(APP, Standing.WARNING, "x", "m"), "warn", "configuration"),
        (Condition(APP, Standing.REJECTED, "x", "m"), "error", "configuration"),
        (Condition(OTHER, Standing.WARNING, "cluster.clock", "m"), "warn", "clock"),
        (Condition(OTHER, Standing.WARNING, "cluster.unreachable", "m"), "warn", "cluster"),
        (Condition(ObjectId("license_keys", "k"), Standing.WARNING, "expiring", "m"), "warn", "licence"),
        (Condition(OTHER, Standing.WARNING, "certificate_expiring", "m"), "warn", "certificates"),
        (Condition(GROUP, Standing.WARNING, "not_raised", "m"), "warn", "traffic_ips"),
    ],
)  # fmt: skip
def test_remarks_stand_where_one_looks_for_them(condition: Condition, grade: str, group: str) -> None:
    (only,) = troubles(status({}, conditions=(condition,)))
    assert (only.grade, only.group, only.subject) == (grade, group, condition.subject)


def test_traffic_ips_that_are_not_where_they_belong() -> None:
    held = (
        TrafficIpView("10.0.0.1", "g", "tm", 1.0, ("tm", "b")),
        TrafficIpView("10.0.0.2", "g", "b", 2.0, ("tm", "b")),
        TrafficIpView("10.0.0.3", "g", "", 3.0, ("tm",)),
    )
    seen = replace(status({}), traffic_ips=held, traffic_ip_errors=("keepalived does not run",))
    found = troubles(seen)
    assert [(one.grade, one.since) for one in found] == [("error", 0.0), ("error", 3.0), ("warn", 2.0)]
    assert found[2].what == "10.0.0.2 is at b, and belongs to tm"


@pytest.mark.parametrize(
    ("days", "used", "grade"),
    [(29, True, "warn"), (29, False, "note"), (-1, True, "error"), (-1, False, "warn"), (31, True, None)],
)
def test_certificates_are_told_of_before_they_end(days: float, used: bool, grade: str | None) -> None:
    found = troubles(status({}), certificates=(Ending("c", NOW + days * DAY + 1, used),))
    assert [one.grade for one in found] == ([grade] if grade else [])


@pytest.mark.parametrize(
    ("days", "code", "grade"), [(9, "certificate_expiring", "warn"), (-1, "certificate_expired", "error")]
)
def test_a_certificate_that_a_remark_is_about_is_told_once(days: float, code: str, grade: str) -> None:
    subject = ObjectId("ssl/server_keys", "c")
    remark = Condition(subject, Standing.WARNING, code, "have it renewed", ("basic", "public"))
    endings = (Ending("c", NOW + days * DAY, used=True), Ending("d", NOW + 0.5 * DAY, used=True))
    seen = status({}, conditions=(remark,))
    found = {one.subject.name: one for one in troubles(seen, certificates=endings) if one.subject}
    assert (found["c"].grade, found["c"].what) == (grade, "have it renewed")
    assert found["d"].what.endswith(", today")
    assert headline(seen, list(found.values())) == "2 certificates need renewal."


@pytest.mark.parametrize(("free", "grade"), [(10**9, None), (400 * 10**6, "warn"), (10**6, "error")])
def test_a_full_disk(free: int, grade: str | None) -> None:
    seen = status({}, conditions=disk_conditions(Disk("/home", free, 10**12), "tm"))
    found = troubles(seen)
    assert [(one.grade, one.group, one.member) for one in found] == ([(grade, "disk", "tm")] if grade else [])
    assert seen.level == (grade or "ok")


def test_lost_events_and_a_licence_that_nobody_chose() -> None:
    found = troubles(status({}), lost_events=3, choice_open=True)
    assert [one.group for one in found] == ["licence", "disk"]


def test_a_failed_import_and_a_setting_that_waits() -> None:
    documents = Documents("/docs", "failed", "s", "a:1: broken", 9.0, 0, ("tm: rest_api.port waits",))
    failed, waits = troubles(replace(status({}), documents=documents))
    assert (failed.grade, failed.since, "a:1: broken" in failed.what) == ("error", 9.0, True)
    assert (waits.grade, waits.group) == ("note", "import")


def test_another_member_whose_engine_is_down() -> None:
    other = MemberView(
        "1", "b", "alive", "10.0.0.2", 1, 2, 3, "1", 1, "", "", "", 0, 0.0, 0.0, 0.0, tells={"serving": False}
    )
    cluster = ClusterView("c", (other,), "", False, False, "", 0)
    (only,) = troubles(status({}), cluster=cluster)
    assert (only.group, only.member) == ("cluster", "b")


def test_a_member_that_is_away_comes_before_single_nodes() -> None:
    away = Condition(OTHER, Standing.WARNING, "cluster.unreachable", "it cannot be reached from here")
    seen = status({WEB: service(), APP: pool("a:1", "b:1")}, {("app", "b:1"): "x"}, conditions=(away,))
    found = troubles(seen)
    assert [one.group for one in found] == ["cluster", "nodes"]
    assert headline(seen, found) == "1 cluster member needs attention and 1 node is down."


def test_a_refused_configuration_comes_before_warnings() -> None:
    warned = Condition(APP, Standing.WARNING, "x", "m")
    problem = Problem(APP, ("basic",), "refused", "the engine refuses it")
    first, second = troubles(status({}, conditions=(warned,)), stuck=(problem,))
    assert (first.grade, second.grade) == ("error", "warn")
    assert sentence_of(first).startswith('Pool "app": the newest configuration is refused')


def test_every_group_has_a_name() -> None:
    assert all(GROUPS.values())
