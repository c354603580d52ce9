"""Draining nodes are followed, and what was wished for them happens once, when nothing is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.control.configuration import Configuration
from pointsman.control.draining import Draining, Peers
from pointsman.control.error import ControlError
from pointsman.control.live import Live
from pointsman.control.node_wishes import NodeWishes
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import STORED
from pointsman.store import Author, Rename, Store, Transaction

ANN = Author("ann", "192.0.2.1", "ui")
BOB = Author("bob", "192.0.2.2", "rest")
APP = ObjectId("pools", "app")
PLACE = ("app", "a:1")
DRAINING = {"a:1": "draining", "b:1": "active"}


class Scene:
    """One pool whose node a:1 drains, in a store, with connections and a clock that a test sets."""

    def __init__(self, store: Store) -> None:
        self.now = 1000.0
        self.left = 0
        self.in_force = True
        self.peers = Peers()
        self.refusal = ""
        self.store = store
        self.configuration = Configuration(store, lambda reason, transaction: None)
        self.live = Live()
        self.live.figures = self  # type: ignore[assignment]  # only `get` is asked of it
        self.draining = self.fresh()

    def fresh(self) -> Draining:
        """A control plane that has just started with what is stored."""
        wishes = NodeWishes(self.store, lambda: self.configuration.snapshot.objects, clock=lambda: self.now)
        self.configuration.along = wishes.ended_by
        self.live.read_at = 0.0
        self.draining = Draining(
            self.live,
            lambda: self.configuration.snapshot,
            self.configuration.settings,
            self.edit,
            wishes,
            lambda pool: self.in_force,
            lambda: self.now,
        )
        self.draining.peers = lambda: self.peers
        return self.draining

    def get(self, key: object, default: object) -> dict[str, int]:
        """The figures of any node."""
        return {"current_conn": self.left, "idle_conns": 2}

    async def edit(self, author: Author, changes: tuple[Any, ...], reason: str) -> int:
        """What the control plane does, unless a test has it refuse."""
        if self.refusal:
            raise ControlError(self.refusal)
        return await self.configuration.edit(author, changes, reason)

    async def set_rows(self, rows: dict[str, str], author: Author = BOB) -> None:
        """Gives the pool these nodes with their states."""
        table = [{"node": node, "state": state} for node, state in rows.items()]
        await self.configuration.put(author, APP, {"basic": {"nodes_table": table}})

    @property
    def rows(self) -> dict[str, str]:
        """The pool's nodes with their states."""
        pool = self.configuration.snapshot.get("pools", "app", Pool)
        assert pool is not None
        return {row.node: row.state for row in pool.basic.nodes_table}

    async def wait(self, seconds: float, left: int | None = None) -> None:
        """Lets time pass, second by second, with a reading of the engine in each."""
        for second in range(int(seconds)):
            self.now += 1
            self.live.read_at = self.now
            if left is not None:
                self.left += round((left - self.left) / (seconds - second))
            self.draining.look()
            await self.draining.fulfil()

    async def told_of(self, node: str) -> list[Transaction]:
        """The transactions that set the state of a node, newest first, but for what the test itself did."""
        found = await self.store.transactions(limit=100, subject=APP)
        return [one for one in found if node in one.reason]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene whose node a:1 drains."""
    store = await Store.open(tmp_path / "store", STORED)
    scene = Scene(store)
    await scene.set_rows(DRAINING)
    yield scene
    await store.close()


async def test_how_fast_it_goes_and_when_it_will_be_empty(scene: Scene) -> None:
    scene.left = 120
    (first,) = scene.draining.nodes()
    assert (first.pool, first.node, first.connections, first.idle) == ("app", "a:1", 120, 2)
    assert first.per_minute is None and first.seconds_left is None
    await scene.wait(30, left=60)
    (node,) = scene.draining.nodes()
    assert node.per_minute == pytest.approx(120, rel=0.1)
    assert node.seconds_left == pytest.approx(30, rel=0.1)
    await scene.wait(90)
    (node,) = scene.draining.nodes()
    assert node.per_minute == 0 and node.seconds_left is None, "it does not get fewer"


async def test_a_wish_waits_until_nothing_is_left_and_is_done_once(scene: Scene) -> None:
    scene.left = 1
    await scene.draining.wish(PLACE, "disable", ANN)
    await scene.wait(30)
    (node,) = scene.draining.nodes()
    assert node.wish is not None and (node.done, node.wish.author) == ("disabled", ANN)
    scene.left = 0
    await scene.wait(1)
    scene.left = 1  # somebody came back
    await scene.wait(1)
    scene.left = 0
    await scene.wait(2)
    assert scene.rows == DRAINING
    await scene.wait(10)
    assert scene.rows == {"a:1": "disabled", "b:1": "active"}
    assert scene.draining.nodes() == ()
    (done,) = await scene.told_of("a:1 is empty")
    assert done.author == ANN and "was disabled, as ann asked on 1970-01-01 00:16 UTC" in done.reason
    await scene.set_rows(DRAINING)
    await scene.wait(10)
    assert scene.rows == DRAINING, "what was done once is not done again"


async def test_removal_when_it_is_empty(scene: Scene) -> None:
    await scene.draining.wish(PLACE, "remove", ANN)
    await scene.wait(10)
    assert scene.rows == {"b:1": "active"}


async def test_a_wish_outlives_the_control_plane(scene: Scene) -> None:
    """A new one believes nothing to be empty before its engine has said so twice."""
    scene.left = 1
    await scene.draining.wish(PLACE, "disable", ANN)
    await scene.wait(5)
    scene.fresh()
    scene.left = 0  # nothing is known yet
    for _ in range(10):
        scene.now += 1
        scene.draining.look()
        await scene.draining.fulfil()
    assert scene.rows == DRAINING
    (node,) = scene.draining.nodes()
    assert node.wish is not None and node.wish.author == ANN
    await scene.wait(5)
    assert scene.rows["a:1"] == "disabled"


async def test_an_engine_that_does_not_answer_or_does_not_drain_it_yet_proves_nothing(scene: Scene) -> None:
    scene.in_force = False
    await scene.draining.wish(PLACE, "disable", ANN)
    await scene.wait(10)
    assert scene.rows == DRAINING
    scene.in_force = True
    await scene.wait(1)
    for _ in range(60):  # no further reading
        scene.now += 1
        scene.draining.look()
        await scene.draining.fulfil()
    assert scene.rows == DRAINING


@pytest.mark.parametrize("rows", [{"a:1": "active", "b:1": "active"}, {"b:1": "active"}])
async def test_a_wish_ends_with_the_draining_and_does_not_come_back(
    scene: Scene, rows: dict[str, str]
) -> None:
    """Whoever activates or removes the node takes the wish away, in one transaction."""
    scene.left = 1
    await scene.draining.wish(PLACE, "disable", ANN)
    await scene.set_rows(rows)
    with pytest.raises(ControlError, match="does not drain"):
        await scene.draining.wish(PLACE, "disable", ANN)
    await scene.set_rows(DRAINING)
    scene.left = 0
    await scene.wait(10)
    assert scene.rows == DRAINING
    assert [node.wish for node in scene.draining.nodes()] == [None]


async def test_a_wish_can_be_taken_back(scene: Scene) -> None:
    scene.left = 1
    await scene.draining.wish(PLACE, "disable", ANN)
    await scene.draining.wish(PLACE, "", BOB)
    scene.left = 0
    await scene.wait(10)
    assert scene.rows == DRAINING
    with pytest.raises(ControlError, match="does not drain"):
        await scene.draining.wish(("app", "b:1"), "disable", ANN)
    with pytest.raises(ControlError, match="does not drain"):
        await scene.draining.wish(("gone", "a:1"), "disable", ANN)


async def test_a_wish_keeps_no_deleted_pool_and_follows_a_renamed_one(scene: Scene) -> None:
    scene.left = 1
    await scene.draining.wish(PLACE, "disable", ANN)
    await scene.configuration.edit(BOB, [Rename(APP, "shop")])
    (node,) = scene.draining.nodes()
    assert node.pool == "shop" and node.wish is not None
    await scene.configuration.delete(BOB, ObjectId("pools", "shop"))
    assert not [identity for identity in scene.store.objects if identity.type == "cluster/node_wishes"]


async def test_what_is_refused_is_shown_and_tried_again(scene: Scene) -> None:
    scene.refusal = "the members run different versions"
    await scene.draining.wish(PLACE, "disable", ANN)
    await scene.wait(10)
    (node,) = scene.draining.nodes()
    assert node.wish is not None and node.complaint == scene.refusal
    scene.refusal = ""
    await scene.wait(40)
    assert scene.rows["a:1"] == "disabled"


async def test_a_node_is_not_empty_before_every_member_says_so(scene: Scene) -> None:
    told: list[object] = [
        ["app", "a:1", 3],
        ["app", "b:1", 9],
        ["app", "a:1"],
        "nonsense",
        ["app", "a:1", "x"],
    ]
    scene.peers = Peers(True, {"pm2": {"draining": told}, "pm3": {"draining": 5, "drained": "x"}})
    await scene.draining.wish(PLACE, "disable", ANN)
    await scene.wait(10)
    (node,) = scene.draining.nodes()
    assert (node.connections, node.elsewhere) == (3, 3)
    assert node.wish is not None
    said = {"drained": [node.wish.id]}
    silent: list[dict[str, Any] | None] = [None, {}, {"draining": []}]
    for unready in silent:
        scene.peers = Peers(True, {"pm2": said, "pm3": unready})
        await scene.wait(10)
        assert scene.rows == DRAINING, unready
    assert Peers(True, {"pm2": said, "pm3": None}).unheard == ("pm3",)
    scene.peers = Peers(False, {"pm2": said, "pm3": said})
    await scene.wait(10)
    assert scene.rows == DRAINING, "another member acts"
    scene.peers = Peers(True, {"pm2": said, "pm3": said})
    await scene.wait(1)
    assert scene.rows["a:1"] == "disabled"
    (done,) = await scene.told_of("a:1 is empty")
    assert "empty on every member" in done.reason


async def test_members_are_told_of_what_is_in_use_and_of_what_is_empty_here(scene: Scene) -> None:
    tells = scene.draining.tells
    scene.peers = Peers(False)
    scene.left = 4
    await scene.draining.wish(PLACE, "disable", ANN)
    await scene.wait(5)
    assert tells["draining"]() == [("app", "a:1", 4)]
    assert tells["drained"]() == []
    scene.left = 0
    await scene.wait(5)
    assert tells["draining"]() == []
    (node,) = scene.draining.nodes()
    assert node.wish is not None and tells["drained"]() == [node.wish.id]
