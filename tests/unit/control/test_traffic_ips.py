"""When this machine may hold traffic IPs, and what is told of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pointsman.compiler.plan import Failover, Plan, TrafficIp
from pointsman.control import traffic_ips
from pointsman.control.traffic_ips import TrafficIps
from pointsman.monitors.front_end import FrontEnd
from pointsman.schema.event import Event
from pointsman.schema.health import NodeHealth, NodeState

IP = TrafficIp("192.0.2.101", "web", ("pm1", "pm2"), here=True, instance=1)
OTHER = TrafficIp("192.0.2.102", "web", ("pm2", "pm1"), here=True, instance=2)
PLAN = Plan((), failover=Failover("plain", (1, 2), (IP, OTHER), timeout=3.0, silence=3.0))


@dataclass
class Holder:
    """Holds what it is told to when it is served, like a keepalived that is alone."""

    running: bool = True
    well: bool | None = None
    applied: int = 0
    handed: list[tuple[int, ...]] = field(default_factory=list)
    would_hold: frozenset[str] = frozenset({IP.address})
    complaint: str = ""

    async def apply(self, failover: Failover) -> str:
        self.applied += 1
        return self.complaint

    async def hand_over(self, instances: Collection[int], addresses: Collection[str]) -> bool:
        self.handed.append(tuple(instances))
        self.would_hold -= frozenset(addresses)
        return True

    def serve(self, well: bool) -> None:
        self.well = well

    def held(self, wanted: Iterable[str]) -> frozenset[str]:
        return self.would_hold & frozenset(wanted) if self.well else frozenset()

    def tidy(self) -> None:
        """Nothing is left behind."""


@dataclass
class Engine:
    serving: bool = True
    answering: bool = True

    async def answers(self, seconds: float) -> bool:
        return self.answering


class Scene:
    """The traffic IPs of pm1 with everything around them."""

    def __init__(self) -> None:
        self.holder, self.engine = Holder(), Engine()
        self.front_end = FrontEnd(lambda: ())
        self.health: dict[tuple[str, str], NodeHealth] = {}
        self.events: list[Event] = []
        self.others: dict[str, Mapping[str, Any]] = {}
        self.held = TrafficIps(
            name="pm1",
            keepalived=self.holder,
            engine=self.engine,
            front_end=self.front_end,
            health=lambda: self.health,
            on_event=self.events.append,
        )
        self.held.others = lambda: self.others
        self.held.on_plan(PLAN)

    async def step(self) -> None:
        await self.held._step()

    def tags(self) -> list[str]:
        return [event.tag for event in self.events]

    def pass_time(self, seconds: float) -> None:
        """Makes everything so many seconds older."""
        self.held._served_at -= seconds
        self.held._answered_at -= seconds


async def test_nothing_is_served_before_a_plan_is_in_force() -> None:
    scene = Scene()
    scene.held._plan = None
    await scene.step()
    assert scene.holder.well is None
    scene.held.on_plan(PLAN)
    await scene.step()
    assert scene.holder.well is True
    assert scene.held.held == (IP.address,)
    assert scene.held.errors == ()


async def test_an_engine_that_stays_away_costs_the_addresses_and_a_short_absence_does_not() -> None:
    scene = Scene()
    await scene.step()
    scene.engine.serving = False
    await scene.step()
    assert scene.holder.well is True, "it is started again within a tenth of a second"
    scene.pass_time(traffic_ips.ENGINE_GRACE)
    await scene.step()
    assert scene.holder.well is False
    assert "dropipwarn" in scene.tags()
    assert "traffic engine does not run" in scene.held.errors[0]
    assert [condition.subject.name for condition in scene.held.conditions()] == ["web"]
    scene.engine.serving = True
    await scene.step()
    assert scene.tags()[-1] == "flipperraiselocalworking"


async def test_an_engine_that_is_mute_costs_the_addresses() -> None:
    scene = Scene()
    await scene.step()
    scene.pass_time(3.1)
    await scene.step()
    assert scene.holder.well is False


async def test_a_front_end_that_is_silent_costs_the_addresses() -> None:
    scene = Scene()
    await scene.step()
    scene.front_end.working, scene.front_end.silent = False, ("192.0.2.1",)
    await scene.step()
    assert scene.holder.well is False
    assert "pingfrontendfail" in scene.tags()
    scene.front_end.working = True
    await scene.step()
    assert scene.holder.well is True
    assert "flipperfrontendsworking" in scene.tags()


async def test_dead_nodes_cost_the_addresses_only_where_another_member_reaches_some() -> None:
    scene = Scene()
    scene.health = {("app", "n:80"): NodeHealth("app", "n:80", NodeState.DEAD, "", 0.0)}
    await scene.step()
    assert scene.holder.well is True
    assert scene.tags()[:1] == ["pingbackendfail"]
    scene.others = {"pm2": {"reaches_nodes": False}}
    await scene.step()
    assert scene.holder.well is True
    scene.others = {"pm2": {"reaches_nodes": True}}
    await scene.step()
    assert scene.holder.well is False
    scene.health = {("app", "n:80"): NodeHealth("app", "n:80", NodeState.ALIVE, "", 0.0)}
    await scene.step()
    assert scene.holder.well is True
    assert scene.held.told["reaches_nodes"] is True


async def test_who_holds_what_is_known_of_all_members() -> None:
    scene = Scene()
    scene.others = {"pm2": {"traffic_ips": [OTHER.address]}}
    await scene.step()
    assert {view.address: view.holder for view in scene.held.views} == {
        IP.address: "pm1",
        OTHER.address: "pm2",
    }
    scene.others = {}
    assert {view.address: view.holder for view in scene.held.views} == {IP.address: "pm1", OTHER.address: ""}
    assert scene.held.counters["number_raised_inet46"] == 1
    raised = scene.held.time_since(IP.address)
    assert raised is not None and raised[0] and 0 <= raised[1] < 5
    assert scene.held.time_since("192.0.2.9") is None


async def test_an_address_of_another_machine_is_raised_with_a_warning() -> None:
    scene = Scene()
    await scene.step()
    scene.holder.would_hold |= {OTHER.address}
    await scene.step()
    assert scene.tags()[-1] == "flipperraiseothersdead"
    scene.holder.would_hold -= {OTHER.address}
    await scene.step()
    assert scene.tags()[-1] == "dropipinfo"


def heard(age: float = 0.0, well_for: float = 60.0) -> dict[str, Mapping[str, Any]]:
    """The other machine as it was heard `age` seconds ago."""
    return {"pm2": {"heard": time.time() - age, "well_for": well_for}}


async def holding_what_is_not_its_own(seconds: float) -> Scene:
    """A machine that has had the address of the other one for a while."""
    scene = Scene()
    scene.holder.would_hold |= {OTHER.address}
    await scene.step()
    scene.held._held[OTHER.address] -= seconds
    return scene


async def test_an_address_is_handed_back_once_its_owner_has_been_well_for_long_enough() -> None:
    scene = await holding_what_is_not_its_own(20.0)
    silent: dict[str, Mapping[str, Any]] = {"pm2": {"heard": time.time()}}
    for others in ({}, heard(age=25.0), heard(age=5.0), heard(well_for=9.0), silent):
        scene.others = dict(others)
        assert scene.held._misplaced(10.0) == (), others
    scene.others = heard()
    assert scene.held._misplaced(10.0) == (OTHER,)
    task = asyncio.create_task(scene.held._hand_back())
    try:
        await until(lambda: scene.holder.handed == [(2,)])
        await scene.step()
        assert scene.held.held == (IP.address,)
    finally:
        task.cancel()


async def test_a_clock_that_was_set_back_keeps_no_address_from_going_home() -> None:
    scene = await holding_what_is_not_its_own(-3 * 3600.0)
    scene.others = heard()
    await scene.step()
    wait_from = scene.held._held[OTHER.address]
    assert wait_from <= time.time()
    assert scene.held.time_since(OTHER.address)[1] >= 0  # type: ignore[index] # it is held
    scene.held._held[OTHER.address] -= 20.0
    await scene.step()
    assert scene.held._misplaced(10.0) == (OTHER,)


async def test_an_owner_that_was_not_heard_since_the_address_was_taken_gets_nothing() -> None:
    scene = await holding_what_is_not_its_own(0.5)
    scene.others = heard()
    assert scene.held._misplaced(0.0) == ()


async def test_failing_back_asks_the_others_and_hands_over_at_once() -> None:
    scene = await holding_what_is_not_its_own(2.0)
    asked: list[str] = []
    scene.others = heard(well_for=2.0)

    async def elsewhere() -> None:
        asked.append("the others")

    scene.held.fail_back_elsewhere = elsewhere
    tasks = [asyncio.create_task(part) for part in (scene.held._hand_back(), scene.held._follow())]
    try:
        begun = time.monotonic()
        assert await scene.held.fail_back() == (IP.address,)
        assert time.monotonic() - begun < traffic_ips.RETURN_SECONDS
        assert asked == ["the others"]
        assert scene.holder.handed == [(2,)]
    finally:
        for task in tasks:
            task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Waits, 5 s at most."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_configuration_that_keepalived_refuses_is_told_and_tried_again() -> None:
    scene = Scene()
    scene.holder.complaint = "Unknown interface"
    await scene.step()
    await scene.step()
    assert scene.holder.applied == 2
    assert any("Unknown interface" in error for error in scene.held.errors)
    scene.holder.complaint = ""
    await scene.step()
    await scene.step()
    assert scene.holder.applied == 3
    assert scene.held.errors == ()


async def test_without_keepalived_nothing_happens() -> None:
    scene = Scene()
    scene.held._keepalived = None
    await scene.step()
    assert scene.held.held == ()
    assert scene.held.views[0].holder == ""
