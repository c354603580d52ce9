"""A management server with the REST API over a real store, an engine that carries nothing, and a bare HTTP client."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.running import own_certificate

from pointsman.compiler.facts import EngineFacts, Facts
from pointsman.control.apply import ApplyLoop
from pointsman.control.backups import Backups, Maker
from pointsman.control.configuration import Configuration
from pointsman.control.control import Control, Identity
from pointsman.control.importer import Importer
from pointsman.control.licensing import Edition, Licensing
from pointsman.control.live import Live
from pointsman.control.own_certificate import OwnCertificate
from pointsman.control.renaming import Renaming
from pointsman.engine.noop import NoopEngine
from pointsman.identity.user import Users
from pointsman.schema.event import Event
from pointsman.schema.registry import BY_PATH
from pointsman.schema.snapshot import Snapshot
from pointsman.store import Store, Transaction
from pointsman.telemetry.database import Database
from pointsman.telemetry.event_log import EventLog
from pointsman.telemetry.history import History
from pointsman.web.api.app import make_app
from pointsman.web.cluster import make_cluster_app
from pointsman.web.server import Server

PASSWORD = "correct horse battery"
CONFIG = "/api/tm/8.3/config/active"
STATUS = "/api/tm/8.3/status"


@dataclass(frozen=True)
class Reply:
    """One answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


async def read_reply(reader: asyncio.StreamReader, *, head: bool = False) -> Reply:
    """Reads one answer off a connection."""
    async with asyncio.timeout(15):
        top = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in top[1:] if line)
        }
        length = 0 if head else int(headers.get("content-length", "0"))
        return Reply(int(top[0].split()[1]), headers, await reader.readexactly(length))


class Instance:
    """A running management server. `events` are those that were recorded."""

    def __init__(self, control: Control, users: Users, database: Database, home: Path) -> None:
        self.control = control
        self.users = users
        self.home = home
        self.port = 0
        self.cluster_port = 0
        self.health = "ok"
        self.history = History(database)

    async def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        user: str | None = "admin",
        password: str = PASSWORD,
        unix: bool = False,
    ) -> Reply:
        """Sends one request on a connection of its own; a body that is not bytes is sent as JSON."""
        sent = {"host": f"localhost:{self.port}", "connection": "close"}
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if user is not None:
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            sent["authorization"] = f"Basic {token}"
        if body is not None:
            media = "application/octet-stream" if isinstance(body, bytes) else "application/json"
            sent |= {"content-type": media, "content-length": str(len(content))}
        sent |= headers or {}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
        if unix:
            reader, writer = await asyncio.open_unix_connection(self.home / "control.sock")
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + content)
        try:
            return await read_reply(reader, head=method == "HEAD")
        finally:
            writer.close()

    async def put(self, kind: str, name: str, settings: Any, query: str = "") -> Reply:
        """Puts an object's sections."""
        return await self.call("PUT", place(kind, name) + query, {"properties": settings})

    async def get(self, kind: str, name: str, query: str = "") -> Any:
        """An object's sections."""
        reply = await self.call("GET", place(kind, name) + query)
        assert reply.status == 200, reply
        return reply.json["properties"]


def place(kind: str, name: str) -> str:
    """The path of an object."""
    return f"{CONFIG}/{kind}/{quote(name, safe='')}"


@asynccontextmanager
async def managed(home: Path) -> AsyncIterator[Instance]:
    """A running instance in `home`, which exists."""
    async with AsyncExitStack() as stack:
        database = await Database.open(home / "telemetry.db")
        stack.push_async_callback(database.close)
        log = EventLog(database, home / "log" / "events.log")
        pending: asyncio.Queue[Event] = asyncio.Queue()
        users, _ = await Users.open(home, on_event=pending.put_nowait, given=PASSWORD)
        store = await Store.open(home / "store", BY_PATH)
        stack.push_async_callback(store.close)

        async def facts(snapshot: Snapshot) -> Facts:
            return Facts(engine=EngineFacts((2, 8, 25)), traffic_manager="tm1", engine_directory=str(home))

        def changed(reason: str, transaction: Transaction) -> None:
            licensing.on_transaction(transaction)
            loop.poke(reason)

        configuration = Configuration(store, changed)
        loop = ApplyLoop(
            NoopEngine(), lambda: configuration.snapshot, facts, lambda plan: None, pending.put_nowait
        )
        licensing = Licensing(home, configuration, Edition(community=True), pending.put_nowait, loop.poke)
        certificate = own_certificate(home)
        control = Control(
            identity=Identity("tm1", "0.2.0", "11111111-2222-3333-4444-555555555555", "test"),
            store=store,
            configuration=configuration,
            loop=loop,
            live=Live(),
            licensing=licensing,
            importer=Importer(home, store, configuration, loop, pending.put_nowait),
            certificate=OwnCertificate(home, "tm1", certificate, pending.put_nowait),
            backups=Backups(
                home,
                Maker("tm1", "11111111-2222-3333-4444-555555555555"),
                store=store,
                configuration=configuration,
                licensing=licensing,
                users=users,
                on_event=pending.put_nowait,
            ),
            renaming=Renaming(home, "tm1", store, pending.put_nowait),
            facts=lambda snapshot: Facts(EngineFacts((2, 8, 25)), "tm1", str(home)),
            on_event=pending.put_nowait,
        )
        instance = Instance(control, users, database, home)
        server = Server(lambda: certificate.context)
        app = make_app(
            control=control, users=users, events=log, history=instance.history, health=lambda: instance.health
        )
        instance.port = server.listen(app, ["127.0.0.1"], 0, plain_on_loopback=True)
        server.listen_unix(app, home / "control.sock")
        instance.cluster_port = server.listen(make_cluster_app(lambda: instance.health), ["127.0.0.1"], 0)

        async def record() -> None:
            while True:
                await log.append([await pending.get()])

        async with asyncio.TaskGroup() as group:
            group.create_task(server.run())
            endless = [group.create_task(loop.run()), group.create_task(record())]
            try:
                yield instance
            finally:
                await server.close(0.5)
                for task in endless:
                    task.cancel()
