"""A member of a cluster without an engine: real store, users, connections and joins, many of them in one process.

Invariant: nothing is simulated between the members; what they send goes over TLS on loopback.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pointsman.cluster.cluster import Cluster
from pointsman.cluster.joining import JoinWish
from pointsman.cluster.membership import Own
from pointsman.identity.certificate import InstanceCertificate
from pointsman.identity.credential import ALPN
from pointsman.identity.user import Users
from pointsman.private_file import write_private
from pointsman.schema.event import Event
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import STORED
from pointsman.store import Author, Put, Store
from pointsman.web.cluster import make_cluster_app
from pointsman.web.join import with_joins
from pointsman.web.server import Handover, Server
from tools.certificate import quick_pair

PASSWORD = "secret-for-tests"  # of instances that live for one run
AUTHOR = Author("admin", "127.0.0.1", "rest")


@functools.cache
def _pair() -> tuple[bytes, bytes]:
    return quick_pair("localhost")


class Machine:
    """One member. `version`, `level`, `limit` and `licence` may be set before or while it runs.

    `answers` has who answers what other members ask, by the question's `about`.
    `pair` may be set before: certificate and key of its admin server, which all of one process share otherwise.
    """

    def __init__(self, home: Path, name: str, address: str = "127.0.0.1") -> None:
        self.home = home
        self.name = name
        self.address = address
        self.version = "1.0.0"
        self.level = 1
        self.limit = 0
        self.licence = "equal"
        self.pair = _pair()
        self.clock: Callable[[], float] | None = None
        self.answers: dict[str, Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]] = {}
        self.events: list[Event] = []
        self.changes: list[str] = []
        self.control_port = 0
        self.ui_port = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> Machine:
        """Opens the store and listens."""
        self.store = await Store.open(self.home / "store", STORED, clock=self.clock or time.time)
        self.users, _ = await Users.open(self.home, on_event=self.events.append, given=PASSWORD)
        if self.store.revision == 0:
            await self.store.commit([Put(ObjectId("traffic_managers", self.name), {})], AUTHOR, "new")
        for file, text in zip(("admin.public", "admin.private"), self.pair, strict=True):
            write_private(self.home / "identity" / file, text)
        self.certificate = InstanceCertificate.open(self.home / "identity", self.name)
        self.cluster = Cluster(
            self.home,
            self.store,
            self.users,
            describe=self._describe,
            limit=lambda: self.limit,
            state=lambda: {"version": self.version, "level": self.level},
            answer=self._answer,
            on_event=self.events.append,
            on_change=self.changes.append,
        )
        self.server = Server(lambda: self.certificate.context)
        handover = Handover(ALPN, self.cluster.server_context, self.cluster.accept, self.cluster.refused)
        app = make_cluster_app(lambda: "ok")
        self.control_port = self.server.listen(app, [self.address], self.control_port, handover=handover)
        self.ui_port = self.server.listen(with_joins(app, self.cluster), [self.address], self.ui_port)
        await self.cluster.begin()
        self._tasks = [
            asyncio.create_task(self.server.run()),
            asyncio.create_task(self.cluster.run()),
        ]
        return self

    async def stop(self) -> None:
        """Ends it in order."""
        await self.server.close(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self.store.close()

    async def join(self, peer: Machine, **more: object) -> None:
        """Joins the cluster of another one. Raises `JoinRefused`."""
        wish = {
            "host": peer.address,
            "port": peer.ui_port,
            "fingerprint": peer.certificate.sha256,
            "user": "admin",
            "password": PASSWORD,
        }
        await self.cluster.join(JoinWish(**(wish | more)))  # type: ignore[arg-type] # names are checked there

    async def put(self, name: str, note: str = "") -> None:
        """Makes or changes a pool."""
        await self.store.commit([Put(ObjectId("pools", name), {"basic": {"note": note}})], AUTHOR)

    def has(self, name: str) -> bool:
        """Whether there is a pool of that name here."""
        return ObjectId("pools", name) in self.store.objects

    def tags(self) -> list[str]:
        """The tags of the events so far."""
        return [event.tag for event in self.events]

    async def _answer(self, asker: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
        if (answer := self.answers.get(str(question.get("about", "")))) is not None:
            return await answer(asker, question)
        return {"asker": asker, "question": question, "by": self.name}

    def _describe(self) -> Own:
        return Own(
            self.name,
            self.version,
            self.level,
            self.address,
            self.control_port,
            9070,
            self.ui_port,
            self.certificate.sha1,
            self.certificate.sha256,
            self.licence,
        )


async def until(what: str, fact: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits for a fact; fails naming `what` at the deadline."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not fact():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        await asyncio.sleep(0.005)
