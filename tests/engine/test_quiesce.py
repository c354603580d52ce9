"""New connections wait while an address is about to move; nothing is refused, and what is established goes on."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from tests.engine.members import Cluster
from tests.engine.rig import Rig, service, until
from tests.engine.test_launcher import Slow
from tools.instance import free_port
from tools.traffic import Origin

from pointsman.engine.haproxy.account import RUN
from pointsman.launcher.engines import is_idle
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


async def test_what_is_in_work_counts_where_it_came_in(rig: Rig) -> None:
    """A request at another address of the machine does not hold up the one that moves."""
    origin = Slow()
    server = await asyncio.start_server(origin.handle, "127.0.0.1", 0)
    origin.node = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    port = free_port()
    everywhere = {"basic": {"listen_on_any": True}}
    await rig.apply(service(port, [origin], web=everywhere), "start")
    master = str(rig.home / RUN / "master.sock")
    await until("the engine answers", lambda: is_idle(master))
    reader, writer = await asyncio.open_connection("127.0.0.2", port)
    writer.write(REQUEST.replace(b"/", b"/slow", 1))
    await asyncio.wait_for(origin.asked.wait(), 5)
    assert not is_idle(master)
    assert not is_idle(master, {"127.0.0.2"})
    assert is_idle(master, {"127.0.0.1", "192.0.2.7"})
    origin.answer.set()
    assert b" 200 " in await reader.readline()
    await until("nothing is in work, though the connection is kept", lambda: is_idle(master, {"127.0.0.2"}))
    writer.close()
    server.close()
    await server.wait_closed()


async def test_engines_of_other_members_are_not_in_work(cluster: Cluster) -> None:
    await cluster.start()
    rigs = (cluster.a, cluster.b)
    for rig in rigs:
        master = str(rig.home / RUN / "master.sock")
        await until("the engine is idle", partial(is_idle, master))
    assert any([" fe=member-" in await rig.runtime("show sess") for rig in rigs]), "the link is a session"
