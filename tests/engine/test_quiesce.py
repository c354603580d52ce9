"""New connections wait while an address is about to move; nothing is refused, and what is established goes on."""

from __future__ import annotations

import asyncio
import time

from tests.engine.rig import Rig, service
from tools.instance import free_port
from tools.traffic import Origin

from pointsman.engine.haproxy.account import RUN
from pointsman.launcher.quiesce import hold, release, take_listeners

Origins = tuple[Origin, Origin, Origin]
REQUEST = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(int(length))
    return head.split(b"\r\n", 1)[0]


async def test_new_connections_wait_and_old_ones_go_on(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    kept = await asyncio.open_connection("127.0.0.1", port)
    assert b" 200 " in await _ask(*kept)

    listeners = take_listeners(rig.home / RUN / "worker.sock", {"127.0.0.1"})
    assert {listener.getsockname()[1] for listener in listeners} >= {port}
    hold(listeners)
    begun = time.monotonic()
    waiting = asyncio.create_task(asyncio.open_connection("127.0.0.1", port))
    done, _ = await asyncio.wait((waiting,), timeout=0.5)
    assert not done
    assert b" 200 " in await _ask(*kept)
    release(listeners)

    late = await asyncio.wait_for(waiting, 10)
    assert time.monotonic() - begun > 0.5
    assert b" 200 " in await _ask(*late)
    late[1].close()
    kept[1].close()


async def test_only_the_addresses_that_are_asked_for_wait(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    assert take_listeners(rig.home / RUN / "worker.sock", {"192.0.2.77"}) == ()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert b" 200 " in await _ask(reader, writer)
    writer.close()
