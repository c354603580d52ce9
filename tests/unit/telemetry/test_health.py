"""Node health from the engine's rows and our monitors, and what is said when it turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.schema.event import Event
from pointsman.schema.health import NodeState, Verdict
from pointsman.schema.problem import ObjectId
from pointsman.schema.sample import Proxy, Role, Sample
from pointsman.telemetry.database import Database
from pointsman.telemetry.health import down_by_traffic, observe, sentence
from pointsman.telemetry.tracker import HealthTracker

POOL = ObjectId("pools", "web")
PROXIES = {
    "p": Proxy(POOL, Role.POOL, True, {"n1": "a:80", "n2": "b:80"}),
    "p:once": Proxy(POOL, Role.POOL, False, {"n1": "a:80", "n2": "b:80"}),
}
REFUSED = {
    "status": "DOWN",
    "check_status": "L4CON",
    "check_desc": "Layer4 connection problem",
    "last_chk": "Connection refused",
}
UP = {"status": "UP", "check_status": "L7OK", "weight": "1"}


def row(server: str, figures: Mapping[str, str], *, proxy: str = "p", current: bool = True) -> Sample:
    return Sample("1", current, proxy, server, "server", figures)


def tags(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.tag, event.detail) for event in events]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (REFUSED, "connection refused"),
        ({"check_status": "* L4TOUT"}, "timed out connecting"),
        ({"check_status": "L6RSP", "last_chk": "SSL handshake failure"}, "TLS failed: SSL handshake failure"),
        (
            {"check_status": "L7STS", "check_code": "503", "last_chk": "No"},
            "status 503 is not what the monitor accepts",
        ),
        (
            {"check_status": "L7TOUT", "last_chk": " at step 2 of tcp-check (expect regex)"},
            "timed out waiting for the response (step 2 of the check: expect regex)",
        ),
        (
            {"check_status": "HANA", "last_chk": "Detected 3 consecutive errors"},
            "failed requests of clients: detected 3 consecutive errors",
        ),
        (
            {
                "check_status": "HANA",
                "last_chk": "Detected 3 consecutive errors, last one was: L4 unsuccessful connection",
            },
            "3 requests of clients failed in a row, the last: no connection",
        ),
        (
            {"check_status": "HANA", "last_chk": "Detected 2 consecutive errors, last one was: New words"},
            "2 requests of clients failed in a row, the last: New words",
        ),
        ({"check_status": "XYZ", "check_desc": "Something New"}, "something new"),
        ({}, "the engine holds it down"),
    ],
)
def test_the_engines_words_become_sentences(figures: Mapping[str, str], said: str) -> None:
    assert sentence(figures) == said


@pytest.mark.parametrize(
    ("figures", "state", "reason"),
    [
        (UP, NodeState.ALIVE, ""),
        (UP | {"status": "UP 1/3"}, NodeState.ALIVE, ""),
        ({"status": "no check", "weight": "1"}, NodeState.ALIVE, ""),
        ({"status": "no check", "weight": "0"}, NodeState.DRAINING, "draining"),
        (UP | {"status": "DRAIN"}, NodeState.DRAINING, "draining"),
        (REFUSED, NodeState.DEAD, "connection refused"),
        (REFUSED | {"status": "DOWN 1/2"}, NodeState.DEAD, "connection refused"),
        ({"status": "DOWN (agent)"}, NodeState.DEAD, "a monitor has found it down"),
        ({"status": "MAINT"}, NodeState.DISABLED, "disabled"),
        ({"status": "MAINT (via p/n1)"}, NodeState.DISABLED, "disabled"),
        ({}, NodeState.UNKNOWN, "the engine has not said anything about it yet"),
    ],
)
def test_status_words_become_states(figures: Mapping[str, str], state: NodeState, reason: str) -> None:
    seen = observe([row("n1", figures)], PROXIES, {})["web", "a:80"]
    assert (seen.state, seen.reason) == (state, reason)


def test_our_own_monitors_reason_is_preferred() -> None:
    combined = {("web", "a:80"): (False, "Full HTTP: status 500"), ("web", ""): (False, "Database: refused")}
    seen = observe([row("n1", REFUSED), row("n2", {"status": "DOWN (agent)"})], PROXIES, combined)
    assert seen["web", "a:80"].reason == "Full HTTP: status 500"
    assert seen["web", "b:80"].reason == "Database: refused"


def test_only_the_checked_variant_of_a_worker_that_takes_traffic_counts() -> None:
    rows = [
        row("n1", UP),
        row("n1", REFUSED, proxy="p:once"),
        row("n1", REFUSED, current=False),
        row("n1", REFUSED, proxy="gone"),
        row("n9", REFUSED),
    ]
    assert observe(rows, PROXIES, {}).keys() == {("web", "a:80")}
    assert observe(rows, PROXIES, {})["web", "a:80"].state is NodeState.ALIVE


def test_a_node_is_as_bad_as_the_worst_of_its_variants() -> None:
    proxies = {
        "p": Proxy(ObjectId("pools", "web"), Role.POOL, nodes={"n1": "a:80"}),
        "p:once": Proxy(ObjectId("pools", "web"), Role.POOL, nodes={"n1": "a:80"}),
    }
    starting = {"status": "UP", "check_status": "INI", "lastchg": "0", "weight": "1"}
    for rows in (
        [row("n1", UP), row("n1", REFUSED, proxy="p:once")],
        [row("n1", REFUSED), row("n1", UP, proxy="p:once")],
    ):
        assert observe(rows, proxies, {})["web", "a:80"].state is NodeState.DEAD
    for rows in (
        [row("n1", UP), row("n1", starting, proxy="p:once")],
        [row("n1", starting), row("n1", UP, proxy="p:once")],
    ):
        assert observe(rows, proxies, {})["web", "a:80"].settled


class Story:
    """A tracker that is told readings."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.tracker = HealthTracker(clock=lambda: self.now)

    def read(
        self, a: Mapping[str, str], b: Mapping[str, str] | None = None, **more: object
    ) -> list[tuple[str, str]]:
        self.now += 1
        rows = [row("n1", a), row("n2", b or UP)]
        return tags(self.tracker.observe(rows, PROXIES, {}, **more))  # type: ignore[arg-type]

    def state(self, node: str = "a:80") -> NodeState:
        return self.tracker.nodes["web", node].state


def test_what_the_engine_itself_holds_down_is_told_with_the_shortest_time() -> None:
    held = REFUSED | {"lastchg": "7"}
    rows = [
        row("n1", held),
        row("n2", {"status": "DOWN (agent)", "lastchg": "3"}),
        row("n1", held | {"lastchg": "4"}),
        row("n1", held | {"lastchg": "1"}, current=False),
    ]
    assert down_by_traffic(rows, PROXIES) == {("web", "a:80"): 4}
    assert down_by_traffic([row("n1", UP | {"lastchg": "9"})], PROXIES) == {}


def test_a_node_fails_once_and_works_again_once() -> None:
    story = Story()
    assert story.read(UP) == []
    events = story.tracker.observe([row("n1", REFUSED), row("n2", UP)], PROXIES, {})
    assert [(e.section, e.tag, e.severity.value, e.subject, e.detail, e.reason) for e in events] == [
        ("pools", "nodefail", "SERIOUS", POOL, "a:80", "Node a:80 has failed: connection refused")
    ]
    assert story.read(REFUSED) == []
    assert story.tracker.nodes["web", "a:80"].since == 1001.0
    assert story.tracker.failures("web", "a:80") == 1
    assert story.read(REFUSED | {"check_status": "L4TOUT", "last_chk": ""}) == []
    assert story.tracker.nodes["web", "a:80"].reason == "timed out connecting"
    assert story.read(UP) == [("nodeworking", "a:80")]
    assert story.read(UP) == []
    assert story.read(UP | {"status": "DRAIN"}) == []


def test_a_pool_dies_with_its_last_node_and_lives_with_its_first() -> None:
    story = Story()
    assert story.read(REFUSED, UP) == [("nodefail", "a:80")]
    assert story.read(REFUSED, {"status": "MAINT"}) == [("pooldied", "")], "a disabled node serves nobody"
    assert story.read(REFUSED, REFUSED) == [("nodefail", "b:80")]
    assert story.read(REFUSED, UP) == [("nodeworking", "b:80"), ("poolok", "")]
    assert story.read({"status": "MAINT"}, {"status": "MAINT"}) == []


def test_disabling_a_dead_node_is_no_recovery_and_removing_it_says_nothing() -> None:
    story = Story()
    story.read(REFUSED)
    assert story.read({"status": "MAINT"}) == []
    assert story.read(REFUSED) == []
    assert story.tracker.nodes["web", "a:80"].since == 1001.0
    story.read({"status": "MAINT"})
    assert story.read(UP) == [("nodeworking", "a:80")]
    story.read(REFUSED)
    alone = {"p": Proxy(POOL, Role.POOL, True, {"n2": "b:80"})}
    assert story.tracker.observe([row("n2", UP)], alone, {}) == ()
    assert story.tracker.nodes.keys() == {("web", "b:80")}


def test_an_engine_that_starts_anew_makes_no_node_work() -> None:
    story = Story()
    story.read(REFUSED)
    fresh = UP | {"check_status": "INI", "lastchg": "2"}
    assert story.tracker.observe([], PROXIES, {}) == ()
    assert story.state() is NodeState.UNKNOWN
    assert story.read(fresh) == []
    assert story.read(REFUSED) == []
    assert story.read(fresh) == []
    assert story.read(fresh | {"lastchg": "31"}) == [("nodeworking", "a:80")]


def test_a_node_that_our_monitors_hold_down_does_not_work_because_the_engine_forgot() -> None:
    story = Story()
    against = {("web", "a:80"): (False, "Ping: timed out")}
    down, up = {"status": "DOWN (agent)"}, {"status": "UP", "weight": "1"}
    assert tags(story.tracker.observe([row("n1", down)], PROXIES, against)) == [("nodefail", "a:80")]
    assert story.tracker.observe([row("n1", up)], PROXIES, against) == ()
    assert tags(story.tracker.observe([row("n1", up)], PROXIES, {})) == [("nodeworking", "a:80")]


def test_a_partial_reading_leaves_other_nodes_alone() -> None:
    story = Story()
    story.read(UP, UP)
    assert story.tracker.observe([], PROXIES, {}, complete=False) == ()
    assert story.state() is NodeState.ALIVE


def test_the_monitor_that_the_engine_runs_is_reported_too() -> None:
    story = Story()
    native = {"web": "Full HTTP"}
    assert story.read(REFUSED, native=native) == [("monitorfail", "a:80"), ("nodefail", "a:80")]
    assert story.read(UP, native=native) == [("monitorok", "a:80"), ("nodeworking", "a:80")]
    by_traffic = {"status": "DOWN", "check_status": "HANA"}
    assert story.read(by_traffic, native=native) == [("nodefail", "a:80")]


def test_our_own_monitors_are_reported_once() -> None:
    tracker = HealthTracker()
    key, whole = ("web", "a:80", "Ping"), ("web", "", "Database")
    down = Verdict(*key, False, "timed out", 5.0)
    events = tracker.judge({key: down, whole: Verdict(*whole, False, "refused", 5.0)}, [key, whole])
    assert [(e.section, e.tag, e.subject, e.detail, e.reason) for e in events] == [
        (
            "monitors",
            "monitorfail",
            ObjectId("monitors", "Database"),
            "web",
            "Monitor Database fails for pool web: refused",
        ),
        (
            "monitors",
            "monitorfail",
            ObjectId("monitors", "Ping"),
            "a:80",
            "Monitor Ping fails for node a:80 of pool web: timed out",
        ),
    ]
    assert tracker.judge({key: down}, [key, whole]) == ()
    assert {verdict.monitor for verdict in tracker.remembered} == {"Ping", "Database"}
    assert tags(tracker.judge({key: Verdict(*key, True, "echo", 9.0)}, [key])) == [("monitorok", "a:80")]
    assert tracker.remembered == ()


async def test_a_restart_repeats_nothing(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "telemetry.db")
    story = Story()
    story.read(REFUSED, REFUSED)
    key = ("web", "a:80", "Ping")
    story.tracker.judge({key: Verdict(*key, False, "timed out", 5.0)}, [key])
    statements = story.tracker.pending()
    await database.run(lambda connection: [connection.execute(sql, values) for sql, values in statements])
    again = Story()
    await again.tracker.restore(database)
    assert again.tracker.nodes == story.tracker.nodes
    assert again.tracker.remembered == story.tracker.remembered
    assert again.read(REFUSED, REFUSED) == []
    assert again.tracker.judge({key: Verdict(*key, False, "timed out", 5.0)}, [key]) == ()
    assert again.read(UP, REFUSED) == [("nodeworking", "a:80"), ("poolok", "")]
    assert again.tracker.failures("web", "b:80") == 1
    await database.close()


READINGS = st.sampled_from(
    [UP, REFUSED, {"status": "MAINT"}, {"status": "DRAIN"}, {}, UP | {"check_status": "INI"}]
)


@given(st.lists(st.tuples(READINGS, READINGS)))
def test_failures_and_recoveries_alternate(
    readings: list[tuple[Mapping[str, str], Mapping[str, str]]],
) -> None:
    story = Story()
    said: dict[str, list[str]] = {"a:80": [], "b:80": [], "": []}
    for a, b in readings:
        for tag, detail in story.read(a, b or {"status": ""}):
            said[detail].append(tag)
    for node in ("a:80", "b:80"):
        assert said[node] == (["nodefail", "nodeworking"] * len(said[node]))[: len(said[node])]
    assert said[""] == (["pooldied", "poolok"] * len(said[""]))[: len(said[""])]
