"""The apply loop: changes gather, what cannot serve is left out and tried again, the last good one keeps running."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest

from pointsman.compiler.facts import EngineFacts, Facts
from pointsman.compiler.plan import Listener, Plan
from pointsman.control import apply as apply_module
from pointsman.control.apply import ApplyLoop
from pointsman.control.journal import left_out
from pointsman.engine.outcome import Outcome
from pointsman.schema.condition import Standing
from pointsman.schema.event import Event
from pointsman.schema.pool import POOL
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.snapshot import AnyResource, Snapshot
from pointsman.schema.validate import build
from pointsman.schema.virtual_server import VIRTUAL_SERVER
from pointsman.telemetry.event_log import LoggedEvent


@dataclass
class Rig:
    """An engine whose refusals a test decides, and the configuration it is given."""

    taken: set[int] = field(default_factory=set)
    refused: set[ObjectId] = field(default_factory=set)
    unexplained: bool = False
    plans: list[Plan] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    objects: dict[ObjectId, AnyResource] = field(default_factory=dict)
    revision: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def probe(self, listeners: Iterable[Listener]) -> Mapping[Listener, str]:
        """Ports in `taken` are in use."""
        return {
            listener: f"port {listener.port} is in use"
            for listener in listeners
            if listener.port in self.taken
        }

    async def apply(self, plan: Plan) -> Outcome:
        """Refuses plans in which an object of `refused` appears."""
        await self.gate.wait()
        present = {line.origin.subject for line in plan.lines() if line.origin is not None}
        if self.unexplained:
            return Outcome("refused", (), (Problem(None, (), "engine.refused", "out of luck"),), 0)
        if found := sorted(present & self.refused):
            return Outcome(
                "refused", (), tuple(Problem(f, (), "engine.refused", "bad line") for f in found), 0
            )
        self.plans.append(plan)
        return Outcome("reload", ("changed",), (), len(self.plans))

    def change(self, **services: int) -> None:
        """Virtual servers by name with their ports, all with pool app."""
        self.revision += 1
        self.objects = {
            ObjectId("pools", "app"): build(POOL, "app", {"basic": {"nodes_table": [{"node": "a:1"}]}})
        }
        for name, port in services.items():
            settings: dict[str, Any] = {"basic": {"enabled": True, "port": port, "pool": "app"}}
            self.objects[ObjectId("virtual_servers", name)] = build(VIRTUAL_SERVER, name, settings)

    def loop(self, left_out: Mapping[ObjectId, str] = MappingProxyType({})) -> ApplyLoop:
        """The loop over this engine."""
        self.gate.set()

        async def facts(snapshot: Snapshot) -> Facts:
            return Facts(EngineFacts((2, 8, 25)), "tm", "/run/x", {"a": ("192.0.2.1",)})

        return ApplyLoop(
            self,
            lambda: Snapshot(self.objects, self.revision),
            facts,
            lambda plan: None,
            self.events.append,
            left_out,
        )

    def ports(self) -> set[int]:
        """Ports of virtual servers in the plan in force."""
        return {listener.port for listener in self.plans[-1].listeners}


def rejected(loop: ApplyLoop) -> dict[str, str]:
    """Objects left out, with why."""
    return {c.subject.name: c.message for c in loop.conditions() if c.standing is Standing.REJECTED}


async def test_a_port_in_use_leaves_one_object_out_and_heals() -> None:
    rig = Rig(taken={81})
    loop = rig.loop()
    rig.change(good=80, bad=81)
    await loop.apply(("test",))
    assert rig.ports() == {80}
    assert "in use" in rejected(loop)["bad"]
    assert loop.in_force == 1
    assert [event.tag for event in rig.events if event.subject is not None] == ["confleftout"]
    rig.taken.clear()
    await loop.apply(("again",))
    assert rig.ports() == {80, 81}
    assert rejected(loop) == {}
    assert [event.tag for event in rig.events if event.subject is not None] == [
        "confleftout",
        "confrecovered",
    ]


async def test_what_the_engine_refuses_is_left_out() -> None:
    rig = Rig(refused={ObjectId("virtual_servers", "bad")})
    loop = rig.loop()
    rig.change(good=80, bad=81)
    await loop.apply(("test",))
    assert rig.ports() == {80}
    assert rejected(loop)["bad"] == "bad line"


async def test_a_refusal_without_an_object_keeps_the_last_good_one() -> None:
    rig = Rig()
    loop = rig.loop()
    rig.change(good=80)
    await loop.apply(("first",))
    rig.unexplained = True
    rig.change(good=82)
    await loop.apply(("second",))
    assert rig.ports() == {80}
    assert loop.in_force == 1
    assert loop.attempted == 2
    assert [problem.message for problem in loop.stuck] == ["out of luck"]
    assert rig.events[-1].tag == "confrefused"
    rig.unexplained = False
    await loop.apply(("third",))
    assert rig.ports() == {82}
    assert loop.stuck == ()


async def test_changes_gather_while_an_apply_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply_module, "RETRY_SECONDS", 60.0)
    rig = Rig()
    loop = rig.loop()
    rig.gate.clear()
    rig.change(one=80)
    loop.poke("one")
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        task = group.create_task(loop.run())
        await asyncio.sleep(0)
        for number in range(2, 30):
            rig.change(one=80, more=100 + number)
            loop.poke(f"change {number}")
        rig.gate.set()
        assert await loop.wait_for(rig.revision, 5)
        task.cancel()
    assert len(rig.plans) <= 2
    assert rig.ports() == {80, 129}
    assert loop.records[-1].reasons[-1] == "change 29"


async def test_waiting_for_a_revision_ends() -> None:
    rig = Rig()
    assert not await rig.loop().wait_for(7, 0.01)


async def test_a_fault_of_the_compiler_keeps_the_last_good_configuration() -> None:
    rig = Rig()
    loop = rig.loop()
    rig.change(web=80)
    await loop.apply(("first",))
    good = loop.plan
    rig.change(web=81)
    # No surface can store this; it stands for any fault of ours on what is stored.
    odd = build(VIRTUAL_SERVER, "odd", {"basic": {"port": 1, "pool": "app"}})
    rig.objects[ObjectId("pools", "odd")] = odd
    await loop.apply(("second",))
    assert loop.plan is good
    assert (loop.in_force, loop.attempted) == (1, 2)
    assert [problem.code for problem in loop.stuck] == ["compiler.failed"]
    assert rig.events[-1].tag == "confrefused"
    rig.change(web=82)
    await loop.apply(("third",))
    assert (loop.in_force, loop.stuck) == (3, ())


async def test_what_was_left_out_before_is_not_told_again() -> None:
    bad = ObjectId("virtual_servers", "bad")
    rig = Rig(taken={81})
    rig.change(good=80, bad=81)
    first = rig.loop()
    await first.apply(("start",))
    told = [
        LoggedEvent(number, 1.0, event)
        for number, event in enumerate(rig.events)
        if event.subject is not None
    ]
    assert left_out(told) == {bad: "port 81 is in use"}
    rig.events.clear()
    again = rig.loop(left_out(told))
    await again.apply(("start",))
    assert not [event for event in rig.events if event.subject is not None]
    rig.taken.clear()
    await again.apply(("retry",))
    recovered = [event for event in rig.events if event.subject == bad]
    assert [event.tag for event in recovered] == ["confrecovered"]
    assert left_out([*told, LoggedEvent(99, 2.0, recovered[0])]) == {}
