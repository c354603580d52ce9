"""Every kind of check against real servers on loopback, and the schedule that runs them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.certificates import self_signed

from pointsman.compiler.plan import Check
from pointsman.monitors.combine import combine
from pointsman.monitors.finding import Failed, Finding
from pointsman.monitors.pattern import Matcher
from pointsman.monitors.pattern_worker import SEARCH_SECONDS
from pointsman.monitors.ping import NOT_PERMITTED, icmp_socket
from pointsman.monitors.probe import Prober
from pointsman.monitors.runner import MonitorRunner
from pointsman.schema.health import Verdict

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CATASTROPHIC = "^(a+)+$"


@asynccontextmanager
async def node(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a free port of loopback; every connection is closed when the handler ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await handler(reader, writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def http(answer: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    return handle


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.fixture
async def prober() -> AsyncIterator[Prober]:
    made = Prober()
    yield made
    await made.close()


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    certificate, key = self_signed("web1")
    (tmp_path / "both.pem").write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


def check(kind: str, port: int, **changes: object) -> Check:
    base = Check("web", "web1:80", "watch", "connect", "127.0.0.1", port, delay=1, timeout=1, failures=2)
    return replace(base, kind=kind, **changes)  # type: ignore[arg-type]  # fields vary from test to test


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within the deadline"
        await asyncio.sleep(0.01)


# connect


async def test_connect(prober: Prober, tls: ssl.SSLContext) -> None:
    async with node(silence) as port, node(silence, tls) as secure:
        assert await prober.probe(check("connect", port)) == Finding(True, "connected")
        assert await prober.probe(check("connect", secure, use_ssl=True)) == Finding(
            True, "connected with TLS"
        )
        found = await prober.probe(check("connect", port, use_ssl=True))
        assert found == Finding(False, "timed out after 1 s in the TLS handshake")
    assert await prober.probe(check("connect", port)) == Finding(False, "connection refused")


async def test_connect_to_a_full_backlog_times_out(prober: Prober) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        found = await prober.probe(check("connect", port))
        for client in waiting:
            client.close()
    assert found == Finding(False, "timed out after 1 s connecting")


# http

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall good"


@pytest.mark.parametrize(
    ("answer", "changes", "finding"),
    [
        (OK, {}, Finding(True, "status 200")),
        (OK, {"status_regex": "^[234][0-9][0-9]$", "body_regex": "al+ good"}, Finding(True, "status 200")),
        (
            OK,
            {"body_regex": "al+ bad"},
            Finding(False, 'the body does not match al+ bad; it begins "all good"'),
        ),
        (
            b"HTTP/1.1 503 No\r\n\r\n",
            {"status_regex": "^[234][0-9][0-9]$"},
            Finding(False, "status 503 does not match ^[234][0-9][0-9]$"),
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n",
            {"status_regex": "^302$"},
            Finding(True, "status 302"),
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + OK,
            {},
            Finding(True, "status 200"),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nall \r\n4\r\ngood\r\n0\r\n\r\n",
            {"body_regex": "^al+ good$"},
            Finding(True, "status 200"),
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", {"body_regex": "the (end|fin)$"}, Finding(True, "status 200")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", {"body_regex": "^$"}, Finding(True, "status 204")),
        (b"SSH-2.0-x\r\n", {}, Finding(False, 'the answer is not HTTP: "SSH-2.0-x\\r\\n"')),
        (b"", {}, Finding(False, "the node closed the connection without an answer")),
        (
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
            {},
            Finding(False, "a line of the response is longer than 65536 bytes"),
        ),
        (
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
            {},
            Finding(False, "the response header is larger than 65536 bytes"),
        ),
        (
            OK,
            {"body_regex": "(all"},
            Finding(False, "the regular expression (all is not valid; correct the monitor"),
        ),
    ],
)
async def test_http(prober: Prober, answer: bytes, changes: dict[str, str], finding: Finding) -> None:
    async with node(http(answer)) as port:
        assert await prober.probe(check("http", port, **changes)) == finding


async def test_http_body_is_searched_up_to_64_kib(prober: Prober) -> None:
    body = b"x" * 65_530 + b"target" + b"y" * 100_000
    async with node(http(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))) as port:
        assert (await prober.probe(check("http", port, body_regex="targe+t"))).up
        assert (await prober.probe(check("http", port, body_regex="targe+ty"))).up is False


async def test_http_waits_no_longer_than_the_timeout(prober: Prober) -> None:
    async with node(silence) as port:
        found = await prober.probe(check("http", port))
    assert found == Finding(False, "timed out after 1 s waiting for the response")

    async def slow_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await http(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nall")(reader, writer)
        await reader.read()

    async with node(slow_body) as port:
        found = await prober.probe(check("http", port, body_regex="a+"))
        assert found == Finding(False, "timed out after 1 s reading the body")
        assert (await prober.probe(check("http", port))).up


async def test_http_sends_path_host_and_credentials_over_tls(prober: Prober, tls: ssl.SSLContext) -> None:
    seen: list[bytes] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    async with node(record, tls) as port:
        asked = check(
            "http", port, use_ssl=True, path="/healthy", host_header="shop", authentication="monitor:secret"
        )
        assert (await prober.probe(asked)).up
    assert seen[0].startswith(b"GET /healthy HTTP/1.1\r\nHost: shop\r\n")
    assert b"Authorization: Basic bW9uaXRvcjpzZWNyZXQ=\r\n" in seen[0]
    assert "secret" not in repr(asked)

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await reader.read()

    async with node(plain) as port:
        found = await prober.probe(check("http", port, use_ssl=True))
    assert found.up is False
    assert found.reason.startswith("TLS failed: ")


# tcp_transaction


async def test_transaction(prober: Prober) -> None:
    heard: list[bytes] = []

    async def mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready")
        await writer.drain()
        writer.write(b"\r\n")
        heard.append(await reader.read())

    async with node(mail) as port:
        smtp = check("tcp_transaction", port, response_regex="^220 [^\\n]+\\n", close_string="QUIT\\r\\n")
        assert (await prober.probe(smtp)).up
        await until(lambda: heard == [b"QUIT\r\n"])
        found = await prober.probe(replace(smtp, response_regex="^250 .+\\n"))
        assert found.up is False
        assert found.reason == (
            'timed out after 1 s waiting for a response that matches ^250 .+\\n; received "220 ready\\r\\n"'
        )
        short = await prober.probe(replace(smtp, max_response_len=5))
        assert short == Finding(False, 'the first 5 bytes do not match ^220 [^\\n]+\\n: "220 r"')


async def test_transaction_that_speaks_first(prober: Prober) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())

    async with node(echo) as port:
        ping = check("tcp_transaction", port, write_string="ping\\n", response_regex="^P[IO]NG\n")
        assert await prober.probe(ping) == Finding(True, 'answered "PING\\n"')
        found = await prober.probe(replace(ping, response_regex="^PONG+"))
        assert found == Finding(False, 'the node closed the connection; received "PING\\n"')
        assert await prober.probe(replace(ping, response_regex="")) == Finding(True, "connected")
        assert await prober.probe(replace(ping, response_regex=".+", max_response_len=0)) == Finding(
            True, 'answered "PING\\n"'
        )


async def test_transaction_with_a_node_that_says_nothing(prober: Prober) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pass

    async with node(hang_up) as port, node(silence) as mute:
        nothing = check("tcp_transaction", port, response_regex=".+")
        assert await prober.probe(nothing) == Finding(
            False, "the node closed the connection; received nothing"
        )
        assert (await prober.probe(replace(nothing, response_regex=""))).up
        assert (await prober.probe(replace(nothing, port=mute))).reason == (
            "timed out after 1 s waiting for a response that matches .+; received nothing"
        )
        assert (await prober.probe(replace(nothing, port=mute, response_regex=""))).up


async def test_transaction_over_tls(prober: Prober, tls: ssl.SSLContext) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK ready\r\n")
        await reader.read()

    async with node(greet, tls) as port:
        pop = check(
            "tcp_transaction", port, use_ssl=True, response_regex="^\\+OK ", close_string="QUIT\\r\\n"
        )
        assert (await prober.probe(pop)).up


# ping


async def test_ping(prober: Prober) -> None:
    if (permitted := icmp_socket(socket.AF_INET)) is None:
        assert await prober.probe(check("ping", 0)) == Finding(None, NOT_PERMITTED)
        pytest.skip(f"ping was only refused here: {NOT_PERMITTED}")
    permitted.close()
    found = await prober.probe(check("ping", 0))
    assert found.up and found.reason.startswith("echo after ")
    many = await asyncio.gather(
        *(prober.probe(check("ping", 0, address=f"127.0.0.{last}")) for last in range(1, 51))
    )
    assert all(finding.up for finding in many)
    assert prober.pings == (51, 51)


async def test_ping_ipv6(prober: Prober) -> None:
    try:
        permitted = icmp_socket(socket.AF_INET6)
    except Failed as failure:
        pytest.skip(f"no IPv6 here: {failure}")
    if permitted is None:
        pytest.skip(f"not permitted here: {NOT_PERMITTED}")
    permitted.close()
    assert (await prober.probe(check("ping", 0, address="::1"))).up


async def test_an_echo_that_this_machine_may_not_send_decides_nothing(prober: Prober) -> None:
    """Linux refuses echoes to a broadcast address (EACCES) from a socket that did not ask for broadcasts."""
    found = await prober.probe(check("ping", 0, address="127.255.255.255"))
    assert found.up is None


# regular expressions


async def test_a_catastrophic_expression_holds_up_neither_the_loop_nor_other_monitors(prober: Prober) -> None:
    evil = b"a" * 60 + b"b"
    matcher = Matcher()
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        ticker = group.create_task(tick())
        with pytest.raises(Failed, match=r"takes more than 0.5 s on the answer; simplify it"):
            await matcher.search(CATASTROPHIC, evil)
        ticker.cancel()
    assert max(b - a for a, b in pairwise(ticks)) < SEARCH_SECONDS
    begun = time.monotonic()
    with pytest.raises(Failed, match="simplify it"):
        await matcher.search(CATASTROPHIC, evil)
    assert time.monotonic() - begun < SEARCH_SECONDS, "refused without being tried again"
    assert await matcher.search("a+b$", evil)
    assert not await matcher.search("c+", evil)
    await matcher.close()


async def test_a_cancelled_search_leaves_no_answer_behind() -> None:
    matcher = Matcher()
    assert await matcher.search("b+", b"a" * 30 + b"b")
    async with asyncio.TaskGroup() as group:
        doomed = group.create_task(matcher.search(CATASTROPHIC, b"a" * 60 + b"b"))
        await asyncio.sleep(0.05)
        doomed.cancel()
    assert not await matcher.search("c+", b"a" * 30 + b"b")
    assert await matcher.search("b+", b"a" * 30 + b"b")
    await matcher.close()


# the schedule


@asynccontextmanager
async def running(runner: MonitorRunner) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(runner.run())
        yield
        task.cancel()


class Switchable:
    """A node that can be made to fail, and counts what it was asked."""

    def __init__(self) -> None:
        self.good = True
        self.asked: list[float] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked.append(time.monotonic())
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (200 if self.good else 503))


async def test_a_node_goes_down_after_its_failures_and_comes_back_at_once() -> None:
    changes: list[Verdict] = []
    runner = MonitorRunner(changes.append)
    switch = Switchable()
    async with node(switch) as port:
        watched = check("http", port, status_regex="^200$")
        key = ("web", "web1:80", "watch")
        runner.set_checks((watched,))
        assert combine(runner.verdicts, runner.checks) == {("web", "web1:80"): (True, "")}
        async with running(runner):
            await until(lambda: key in runner.verdicts)
            assert runner.verdicts[key].up and changes == []
            switch.good = False
            broken = time.monotonic()
            await until(lambda: len(changes) == 1)
            assert time.monotonic() - broken < 1 * 2 + 5, "delay x failures, and what a busy machine takes"
            assert not changes[0].up
            assert changes[0].reason == "status 503 does not match ^200$"
            switch.good = True
            await until(lambda: len(changes) == 2)
            assert changes[1].up
    gaps = [b - a for a, b in pairwise(switch.asked)]
    assert min(gaps) > 0.9, "never sooner than the delay"


async def test_other_checks_are_left_alone_when_checks_change() -> None:
    changes: list[Verdict] = []
    runner = MonitorRunner(changes.append)
    switch = Switchable()
    async with node(switch) as port:
        dead = check("connect", free_port(), node="dead:1", failures=1)
        alive = check("http", port)
        runner.set_checks((dead, alive))
        async with running(runner):
            await until(lambda: len(runner.verdicts) == 2)
            since = runner.verdicts["web", "dead:1", "watch"].since
            asked = len(switch.asked)
            for number in range(20):
                runner.set_checks((dead, alive, check("connect", port, node=f"other{number}:1")))
                await asyncio.sleep(0.01)
            assert len(switch.asked) <= asked + 1
            assert runner.verdicts["web", "dead:1", "watch"].since == since
            runner.set_checks((replace(dead, timeout=2),))
            assert not runner.verdicts["web", "dead:1", "watch"].up, "the same node by a changed check"
            assert runner.verdicts.keys() == {("web", "dead:1", "watch")}
            asked = len(switch.asked)
            runner.set_checks((replace(dead, port=port, node="dead:1"),))
            assert runner.verdicts == {}, "another address is another node"
            await until(lambda: len(runner.verdicts) == 1)
            assert len(switch.asked) == asked
    assert [verdict.node for verdict in changes] == ["dead:1"]


async def test_a_node_known_to_be_down_stays_down_over_a_restart() -> None:
    changes: list[Verdict] = []
    known = Verdict("web", "web1:80", "watch", False, "connection refused", 1000.0)
    runner = MonitorRunner(changes.append, remembered=[known])
    async with node(silence) as port:
        runner.set_checks((check("connect", port),))
        assert combine(runner.verdicts, runner.checks)["web", "web1:80"] == (
            False,
            "watch: connection refused",
        )
        async with running(runner):
            await until(lambda: len(changes) == 1)
    assert changes[0].up


async def test_a_listener_that_fails_stops_no_monitor() -> None:
    seen: list[Verdict] = []

    def listener(verdict: Verdict) -> None:
        seen.append(verdict)
        raise ValueError("the listener is broken")

    runner = MonitorRunner(listener, concurrency=1)
    refused = free_port()
    runner.set_checks(tuple(check("connect", refused, node=f"n{n}:1", failures=1) for n in range(5)))
    async with running(runner):
        await until(lambda: len(seen) == 5)
