"""A traffic manager in this process: real store, configuration, apply loop and control over the engine that
carries nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.certificate import quick_pair

from pointsman.compiler.facts import EngineFacts, Facts
from pointsman.control.apply import ApplyLoop
from pointsman.control.backups import Answers, Backups, Maker
from pointsman.control.configuration import Configuration
from pointsman.control.control import Control, Identity
from pointsman.control.first_start import furnish
from pointsman.control.importer import Importer
from pointsman.control.licensing import Edition, Licensing
from pointsman.control.live import Live
from pointsman.control.own_certificate import OwnCertificate
from pointsman.control.renaming import Renaming
from pointsman.engine.noop import NoopEngine
from pointsman.identity.certificate import InstanceCertificate
from pointsman.identity.user import Users
from pointsman.identity.user_file import UserFile
from pointsman.private_file import write_private
from pointsman.schema.event import Event
from pointsman.schema.registry import BY_PATH
from pointsman.schema.snapshot import Snapshot
from pointsman.store import Author, Store, Transaction

IDENTITY = Identity("pm1", "1.2.3", "12345678-9abc-def0-1234-56789abcdef0", "test")
AUTHOR = Author("admin", "192.0.2.7", "rest")


@functools.cache
def _pair() -> tuple[bytes, bytes]:
    return quick_pair(IDENTITY.name)


def own_certificate(home: Path) -> InstanceCertificate:
    """The certificate of an instance in `home`; all tests of a run share its key."""
    for name, text in zip(("admin.public", "admin.private"), _pair(), strict=True):
        write_private(home / "identity" / name, text)
    return InstanceCertificate.open(home / "identity", IDENTITY.name)


@dataclass
class Running:
    """What a test can look at."""

    control: Control
    engine: NoopEngine
    live: Live
    licensing: Licensing
    configuration: Configuration
    events: list[Event] = field(default_factory=list)


@contextlib.asynccontextmanager
async def running(
    home: Path,
    edition: Edition | None = None,
    clock: Callable[[], float] = time.time,
    engine: NoopEngine | None = None,
    users: Users | None = None,
    answers: Answers | None = None,
) -> AsyncIterator[Running]:
    """A traffic manager in `home` with the objects that every instance has; it is there when the engine has dealt
    with them.
    """
    events: list[Event] = []
    engine = engine or NoopEngine()
    live = Live()
    store = await Store.open(home / "store", BY_PATH)
    await furnish(store, IDENTITY.name, ())

    def facts(snapshot: Snapshot) -> Facts:
        bandwidth = licensing.holding.limits.bandwidth
        return Facts(EngineFacts((2, 8, 25)), IDENTITY.name, str(home / "engine"), bandwidth=bandwidth)

    async def gather(snapshot: Snapshot) -> Facts:
        return facts(snapshot)

    def changed(reason: str, transaction: Transaction) -> None:
        licensing.on_transaction(transaction)
        loop.poke(reason)

    configuration = Configuration(store, changed)
    licensing = Licensing(
        home,
        configuration,
        edition or Edition(community=True),
        events.append,
        # The loop is made below.
        lambda reason: loop.poke(reason),  # noqa: PLW0108
        clock=clock,
    )
    loop = ApplyLoop(engine, lambda: configuration.snapshot, gather, lambda plan: None, events.append)
    control = Control(
        identity=IDENTITY,
        store=store,
        configuration=configuration,
        loop=loop,
        live=live,
        licensing=licensing,
        importer=Importer(home, store, configuration, loop, events.append),
        certificate=OwnCertificate(home, IDENTITY.name, own_certificate(home), events.append, clock),
        backups=Backups(
            home,
            Maker(IDENTITY.name, IDENTITY.uuid),
            store=store,
            configuration=configuration,
            licensing=licensing,
            users=users
            or Users(home, UserFile(home / "identity" / "users.json", {}), on_event=events.append),
            on_event=events.append,
            answers=answers,
            clock=clock,
        ),
        renaming=Renaming(home, IDENTITY.name, store, events.append, lambda: ("10.0.0.1", "10.0.0.2")),
        facts=facts,
        on_event=events.append,
    )
    try:
        await licensing.begin()
        loop.poke("start")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(loop.run())
            try:
                assert await loop.wait_for(control.revision, 10)
                yield Running(control, engine, live, licensing, configuration, events)
            finally:
                task.cancel()
    finally:
        await store.close()
