"""The management server on real sockets: slow clients, large bodies, limits of connections, the end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import warnings
from pathlib import Path

import pytest
from tests.engine.listening import GET, Running, answer, echo, serving
from tests.running import own_certificate

from pointsman.web.answer import Receive, Scope, Send
from pointsman.web.connection import Limits
from pointsman.web.server import Server

pytestmark = pytest.mark.timeout(30)


async def test_slow_clients_are_cut_at_each_step(tmp_path: Path) -> None:
    limits = Limits(
        handshake_seconds=0.5, header_seconds=0.5, idle_seconds=0.5, body_wait_seconds=0.5, linger_seconds=0.2
    )
    async with serving(tmp_path, limits=limits) as running:
        beginnings = {
            b"": None,
            b"GET / HT": 408,
            b"GET / HTTP/1.1\r\nHost: h\r\nX: ": 408,
            b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc": 408,
            b"\x16\x03\x01": None,
            GET: 200,
        }
        for data, expected in beginnings.items():
            reader, writer = await running.open()
            writer.write(data)
            if expected is not None:
                assert (await answer(reader))[0] == expected, data
            async with asyncio.timeout(5):
                await reader.read()
            writer.close()


async def test_the_end_of_a_refusal_is_seen_before_the_client_closes(tmp_path: Path) -> None:
    """Whoever reads to the end has all of the answer at once, however long the server would wait for more."""
    async with serving(tmp_path, limits=Limits(linger_seconds=60)) as running:
        reader, writer = await running.open()
        writer.write(b"GET /two words HTTP/1.1\r\nHost: h\r\n\r\n")
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()


async def test_a_body_dripping_in_ends_at_the_whole_bodys_deadline(tmp_path: Path) -> None:
    limits = Limits(body_seconds=1.0, body_wait_seconds=0.7, linger_seconds=0.1)
    async with serving(tmp_path, limits=limits) as running:
        reader, writer = await running.open()
        writer.write(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")

        async def drip() -> None:
            while not reader.at_eof():
                writer.write(b"x")
                await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as group:
            dripping = group.create_task(drip())
            assert (await answer(reader))[0] == 408
            dripping.cancel()
        writer.close()


async def test_bodies_beyond_the_limit_get_413_while_they_are_still_sent(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for head in (b"Content-Length: 5000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
            reader, writer = await running.open()
            writer.write(b"PUT / HTTP/1.1\r\nHost: h\r\n" + head)
            chunked = b"chunked" in head
            for _ in range(50):
                writer.write(
                    (b"186a0\r\n" if chunked else b"") + b"x" * 100_000 + (b"\r\n" if chunked else b"")
                )
                await writer.drain()
            status, headers, body = await answer(reader)
            assert (status, headers["connection"]) == (413, "close")
            assert json.loads(body)["error_id"] == "http.body_too_large"
            writer.close()
        assert (await running.ask(GET))[0] == 200


async def test_a_body_nobody_reads_does_not_harm_the_next_request(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        reader, writer = await running.open()
        writer.write(b"PUT /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000 + GET)
        assert json.loads((await answer(reader))[2])["raw_path"] == "/unread"
        assert json.loads((await answer(reader))[2])["raw_path"] == "/x"
        writer.close()
        status, headers, _ = await running.ask(
            b"PUT /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000
        )
        assert (status, headers["connection"]) == (200, "close")


async def test_an_application_that_fails_gives_500_without_details(tmp_path: Path) -> None:
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/split":
            bad = [(b"x-name", b"a\r\nset-cookie: evil")]
            await send({"type": "http.response.start", "status": 200, "headers": bad})
            await send({"type": "http.response.body", "body": b""})
        raise RuntimeError("the secret of the house")

    async with serving(tmp_path, failing) as running:
        for path in (b"/", b"/split"):
            status, headers, body = await running.ask(b"GET " + path + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            assert status == 500
            assert "set-cookie" not in headers
            assert b"secret" not in body and b"Traceback" not in body


@pytest.mark.parametrize("limits", [Limits(connections_per_source=5), Limits(connections=5)])
@pytest.mark.parametrize("tls", [False, True])
async def test_connections_nobody_closes_give_way_to_new_ones(
    tmp_path: Path, limits: Limits, tls: bool
) -> None:
    async with serving(tmp_path, limits=limits) as running:
        held = []
        for _ in range(30):
            reader, writer = await running.open(tls=tls)
            writer.write(GET)
            assert (await answer(reader))[0] == 200
            held.append((reader, writer))
        reader, writer = held[-1]
        writer.write(GET)
        assert (await answer(reader))[0] == 200
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize("limits", [Limits(connections_per_source=5), Limits(connections=5)])
@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01"])
async def test_handshakes_nobody_ends_give_way_to_new_ones(
    tmp_path: Path, limits: Limits, begun: bytes
) -> None:
    """Whoever fills the port with them keeps nobody out, long before a deadline ends them; who is in stays in."""
    async with serving(tmp_path, limits=limits) as running:
        reader, writer = await running.open(tls=True)
        flood = []
        for _ in range(20):
            one, other = await running.open()
            other.write(begun)
            flood.append((one, other))
        assert (await running.ask(GET, tls=True))[0] == 200
        writer.write(GET)
        assert (await answer(reader))[0] == 200
        async with asyncio.timeout(10):
            assert await flood[0][0].read() == b"", "the oldest is ended"
        for _, other in (*flood, (reader, writer)):
            other.close()


async def test_connections_are_capped_altogether_and_come_free_again(tmp_path: Path) -> None:
    limits = Limits(connections_per_source=5)
    async with serving(tmp_path, limits=limits) as running:
        held = [await running.open() for _ in range(5)]
        for _, writer in held:
            writer.write(GET[:5])
            await writer.drain()
        async with asyncio.timeout(10):
            while running.server._beginning or len(running.server._serving) < 5:
                await asyncio.sleep(0.01)
        reader, writer = await running.open()
        writer.write(GET)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await answer(reader)
        writer.close()
        held[0][1].close()
        async with asyncio.timeout(5):
            while True:
                try:
                    assert (await running.ask(GET))[0] == 200
                    break
                except (asyncio.IncompleteReadError, ConnectionError):
                    await asyncio.sleep(0.02)
        for _, writer in held:
            writer.close()


async def test_closing_finishes_requests_ends_idle_connections_and_refuses_new_ones(tmp_path: Path) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            began.set()
            await go_on.wait()
        await echo(scope, receive, send)

    certificate = own_certificate(tmp_path)
    server = Server(lambda: certificate.context)
    port = server.listen(slow, ["127.0.0.1"], 0, plain_on_loopback=True)
    running = Running(server, certificate, port)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run())
        idle_reader, idle_writer = await running.open()
        idle_writer.write(GET)
        await answer(idle_reader)
        silent_reader, silent_writer = await running.open()
        reader, writer = await running.open(tls=True)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        await began.wait()
        closing = group.create_task(server.close(10))
        async with asyncio.timeout(5):
            assert await idle_reader.read() == b""
            assert await silent_reader.read() == b""
        with pytest.raises(ConnectionError):
            await running.open()
        go_on.set()
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (200, "close")
        async with asyncio.timeout(5):
            await closing
        for each in (idle_writer, silent_writer, writer):
            each.close()


async def test_closing_cuts_what_does_not_end_in_time(tmp_path: Path) -> None:
    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async with serving(tmp_path, endless) as running:
        reader, writer = await running.open()
        writer.write(GET)
        await writer.drain()
        await running.server.close(0.1)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_no_connection_is_left_behind_that_came_as_the_server_ended(tmp_path: Path) -> None:
    """At whichever turn of the loop the end meets somebody who connects, the socket is closed by somebody."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for turns in range(6):
            async with serving(tmp_path) as running:
                assert await running.ask(GET)  # so it listens
                with socket.create_connection(("127.0.0.1", running.port)):
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    await running.server.close(0)
        gc.collect()
    assert [str(one.message) for one in told] == []
