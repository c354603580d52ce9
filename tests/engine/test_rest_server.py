"""The management server on real sockets: protocols on one port, broken clients, certificates, the local socket."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import stat
import tracemalloc
from asyncio import sslproto
from pathlib import Path
from typing import Any

import pytest
from tests.engine.listening import GET, answer, echo, serving
from tests.running import own_certificate

from pointsman.identity.certificate import InstanceCertificate, make_self_signed
from pointsman.web.answer import Receive, Scope, Send
from pointsman.web.connection import Limits
from pointsman.web.server import CannotListen, Server

pytestmark = pytest.mark.timeout(30)


async def test_tls_and_plain_http_share_a_port(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for tls, scheme in ((False, "http"), (True, "https")):
            status, _, body = await running.ask(GET, tls=tls)
            assert status == 200
            seen = json.loads(body)
            assert (seen["scheme"], seen["client"], seen["query"]) == (scheme, "127.0.0.1", "y=%2F")


async def test_only_modern_tls_is_spoken(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.minimum_version = context.maximum_version = version
            _, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=context)
            assert writer.get_extra_info("ssl_object").version() == version.name.replace("_", ".")
            writer.close()
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", running.port, ssl=context)


async def test_plain_http_is_refused_where_only_tls_is_spoken(tmp_path: Path) -> None:
    async with serving(tmp_path, plain=False) as running:
        status, headers, body = await running.ask(GET)
        assert status == 403
        assert headers["connection"] == "close"
        assert json.loads(body)["error_id"] == "http.tls_required"


def other_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(probe.getsockname()[0])


async def test_plain_http_from_elsewhere_is_refused_and_tls_served(tmp_path: Path) -> None:
    address = other_address()
    certificate = InstanceCertificate.open(tmp_path / "identity", "localhost", [address])
    server = Server(lambda: certificate.context)
    port = server.listen(echo, ["127.0.0.1", address], 0, plain_on_loopback=True)
    context = ssl.create_default_context(cadata=certificate.public.decode())
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run())
        for tls, expected in ((None, 403), (context, 200)):
            reader, writer = await asyncio.open_connection(address, port, ssl=tls)
            writer.write(GET)
            assert (await answer(reader))[0] == expected
            writer.close()
        await server.close(0.2)


async def test_every_address_is_served_by_one_listener(tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path)
    server = Server(lambda: certificate.context)
    port = server.listen(echo, [""], 0, plain_on_loopback=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run())
        for host in ("127.0.0.1", "::1") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(GET)
            assert json.loads((await answer(reader))[2])["client"] == host
            writer.close()
        await server.close(0.2)


async def test_requests_follow_each_other_on_a_connection(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        reader, writer = await running.open()
        for number in range(3):
            writer.write(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number)
            assert json.loads((await answer(reader))[2])["raw_path"] == f"/{number}"
        writer.write(b"".join(b"GET /p%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(20)))
        paths = [json.loads((await answer(reader))[2])["raw_path"] for _ in range(20)]
        assert paths == [f"/p{n}" for n in range(20)]
        writer.close()


async def test_bodies_arrive_by_length_in_chunks_and_after_100_continue(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        reader, writer = await running.open()
        writer.write(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
        assert json.loads((await answer(reader))[2])["size"] == 5
        writer.write(b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert json.loads((await answer(reader))[2])["size"] == 3
        writer.write(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await answer(reader))[0] == 100
        writer.write(b"ok")
        assert json.loads((await answer(reader))[2])["size"] == 2
        writer.close()


async def test_http_1_0_is_served(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        reader, writer = await running.open()
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (200, "close")
        assert await reader.read() == b""
        writer.close()


async def test_head_has_the_headers_of_get_and_no_body(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        reader, writer = await running.open()
        writer.write(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /after HTTP/1.1\r\nHost: h\r\n\r\n")
        _, headers, _ = await answer(reader, head=True)
        assert int(headers["content-length"]) > 0
        assert json.loads((await answer(reader))[2])["raw_path"] == "/after"
        writer.close()


async def test_a_proxys_request_line_is_understood(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for target, path in ((b"http://h:1/a%2Fb?c", "/a%2Fb"), (b"http://h", "/"), (b"/a://b", "/a://b")):
            _, _, body = await running.ask(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            assert json.loads(body)["raw_path"] == path


GARBAGE = [
    b"\r\n\r\n\r\nnonsense\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: h\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nBad Name: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET / HT",
    b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    os.urandom(200).replace(b"\x16", b"x") + b"\r\n\r\n",
]


@pytest.mark.parametrize("data", GARBAGE)
async def test_what_is_not_http_gets_our_json(tmp_path: Path, data: bytes) -> None:
    async with serving(tmp_path) as running:
        status, headers, body = await running.ask(data)
        assert status in (400, 501, 505)
        assert headers["content-type"] == "application/json"
        error = json.loads(body)
        assert error["error_id"] == "http.bad_request"
        assert error["error_text"]
        assert "bytearray" not in error["error_text"]
        assert headers["connection"] == "close", "what follows could be part of the body"
        assert (await running.ask(GET))[0] == 200


@pytest.mark.parametrize("data", [b"\x16\x03\x01garbage" * 20, b"\x16", b"\x00" * 50, b""])
async def test_broken_handshakes_disturb_nobody(tmp_path: Path, data: bytes) -> None:
    async with serving(
        tmp_path, limits=Limits(handshake_seconds=1.5, header_seconds=1.5, linger_seconds=0.2)
    ) as running:
        reader, writer = await running.open()
        writer.write(data)
        async with asyncio.timeout(5):
            await reader.read()
        writer.close()
        assert (await running.ask(GET, tls=True))[0] == 200


async def test_headers_that_grow_too_large_are_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=Limits(header_bytes=2000)) as running:
        status, _, body = await running.ask(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 100_000)
        assert status == 431
        assert json.loads(body)["error_text"]


async def test_handshakes_that_never_end_cost_little_memory(tmp_path: Path) -> None:
    """Many clients that begin TLS and go no further are one of the ways to use a machine's memory up."""
    many = 100
    async with serving(tmp_path) as running:
        tracemalloc.start()
        try:
            writers = []
            for _ in range(many):
                _, writer = await running.open()
                writer.write(b"\x16\x03\x01")
                writers.append(writer)
            async with asyncio.timeout(5):
                while _of_tls() < many * 32_768:
                    await asyncio.sleep(0.01)
            assert _of_tls() < many * 131_072
        finally:
            tracemalloc.stop()
        for writer in writers:
            writer.close()


def _of_tls() -> int:
    """Bytes that asyncio's TLS holds."""
    only = tracemalloc.Filter(True, sslproto.__file__)
    found = tracemalloc.take_snapshot().filter_traces([only]).statistics("filename")
    return sum(one.size for one in found)


async def test_an_application_learns_that_its_client_left_and_finishes(tmp_path: Path) -> None:
    finished = asyncio.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        finished.set()

    async with serving(tmp_path, waiting) as running:
        _, writer = await running.open()
        writer.write(GET)
        await writer.drain()
        writer.close()
        async with asyncio.timeout(5):
            await finished.wait()


async def test_a_new_certificate_serves_the_next_connection_and_leaves_the_others(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        reader, writer = await running.open(tls=True)
        running.certificate.replace(*make_self_signed("localhost"))
        writer.write(GET)
        assert (await answer(reader))[0] == 200
        assert (await running.ask(GET, tls=True))[0] == 200
        writer.write(GET)
        assert (await answer(reader))[0] == 200
        writer.close()


async def test_the_unix_socket_knows_its_user_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    certificate = own_certificate(tmp_path)
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["extensions"]["pointsman.peer"])
        await echo(scope, receive, send)

    server = Server(lambda: certificate.context)
    server.listen_unix(app, path)
    with pytest.raises(CannotListen, match="in use by another instance"):
        Server(lambda: certificate.context).listen_unix(app, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with asyncio.TaskGroup() as group:
        group.create_task(server.run())
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(GET)
        assert json.loads((await answer(reader))[2])["client"].startswith("local:")
        assert seen[0].unix_user
        writer.close()
        await server.close(0.2)
    # What a killed instance left behind is taken over.
    again = Server(lambda: certificate.context)
    again.listen_unix(app, path)
    await again.close()


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        certificate = own_certificate(tmp_path)
        server = Server(lambda: certificate.context)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(CannotListen, match=f"127.0.0.1, port {port}: Address already in use"):
                server.listen(echo, ["127.0.0.1"], port)

    asyncio.run(main())
