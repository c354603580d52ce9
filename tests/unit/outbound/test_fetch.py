"""Fetching from servers that misbehave, for real, on loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.certificates import self_signed

from pointsman.outbound.fetch import FetchFailed, Try, fetch, shown
from pointsman.outbound.policy import LICENCE, Policy

ONCE = replace(LICENCE, starts=(), connect_seconds=1.0, read_seconds=0.4, try_seconds=0.8)
"""The licence's policy with one short try."""
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Place:
    """A listening server: its port and the heads of the requests that it got."""

    port: int
    heads: list[str] = field(default_factory=list)

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}/licence.key"


@contextlib.asynccontextmanager
async def serving(answer: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Place]:
    """A server that reads the head of a request and leaves the rest to `answer`."""
    place = Place(0)
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            handlers.add(task)
        try:
            place.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    place.port = server.sockets[0].getsockname()[1]
    try:
        yield place
    finally:
        server.close()
        # Those that were accepted and have not begun get their turn first.
        await asyncio.sleep(0.01)
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await asyncio.sleep(0.01)


def saying(*parts: bytes, pause: float = 0.0) -> Handler:
    """Sends the parts, with a pause after each."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


def endless(head: bytes, part: bytes, pause: float = 0.0) -> Handler:
    """Sends `part` again and again until the client has gone (10 s at most)."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


def ok(body: bytes, *headers: str) -> bytes:
    lines = ("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


async def refusal(url: str, policy: Policy = ONCE) -> str:
    """What `fetch` says when it fails, which it does within the policy's time."""
    begun = time.monotonic()
    with pytest.raises(FetchFailed) as caught:
        await fetch(url, policy)
    assert time.monotonic() - begun < policy.total_seconds + 2
    return str(caught.value)


async def test_a_licence_comes_by_plain_http() -> None:
    """R16: plain http is allowed."""
    async with serving(saying(ok(b"key"))) as place:
        assert await fetch(place.url(), LICENCE) == b"key"
    assert place.heads[0].startswith("GET /licence.key HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{place.port}\r\n" in place.heads[0].lower()
    assert "accept-encoding: identity" in place.heads[0].lower()


async def test_a_body_without_length_ends_with_the_connection() -> None:
    async with serving(saying(b"HTTP/1.0 200 OK\r\n\r\nkey")) as place:
        assert await fetch(place.url(), LICENCE) == b"key"


async def test_user_and_password_of_the_url_are_sent_and_never_shown() -> None:
    async with serving(saying(ok(b"key"))) as place:
        url = place.url().replace("//", "//us%40er:pa%3Ass@")
        assert await fetch(url, LICENCE) == b"key"
        word = base64.b64encode(b"us@er:pa:ss").decode()
        assert f"authorization: basic {word}" in place.heads[0].lower().replace(word.lower(), word)
    text = await refusal(url)
    assert "refused" in text
    assert "pa" not in text.replace("port", "")


async def test_five_tries_are_made_and_told_of() -> None:
    """R16: five tries with back-off, then it fails naming URL and cause."""
    told: list[Try] = []
    policy = replace(LICENCE, starts=tuple(start / 1000 for start in LICENCE.starts))
    async with serving(saying(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")) as place:
        with pytest.raises(FetchFailed) as caught:
            await fetch(place.url(), policy, told.append)
    assert len(place.heads) == 5
    assert [one.number for one in told] == [1, 2, 3, 4]
    assert str(told[0]) == "try 1 of 5: the server answered 503 Busy; the next in 0 s"
    assert str(caught.value) == f"{place.url()}: the server answered 503 Busy; gave up after 5 tries"


def test_a_licence_takes_a_minute_at_most() -> None:
    """R16: five tries over 60 s in all, 1 MiB at most."""
    assert (len(LICENCE.starts) + 1, LICENCE.total_seconds, LICENCE.size_limit) == (5, 60, 2**20)
    assert LICENCE.total_seconds - 10 <= LICENCE.starts[-1] <= LICENCE.total_seconds - LICENCE.try_seconds


async def test_a_server_that_comes_up_late_is_waited_for() -> None:
    answers = [b"HTTP/1.1 500 Oops\r\n\r\n", b"", ok(b"key")]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop(0))

    async with serving(answer) as place:
        assert await fetch(place.url(), replace(ONCE, starts=(0.01, 0.02, 0.03))) == b"key"


async def test_the_time_in_all_counts_whatever_the_tries_do() -> None:
    begun = time.monotonic()
    async with serving(endless(b"", b"")) as place:
        policy = replace(ONCE, starts=(0.1,) * 50, read_seconds=0.2, total_seconds=1.0)
        text = await refusal(place.url(), policy)
    assert "gave up after 1 s" in text
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (saying(b"", pause=3), "timed out"),
        (endless(ok(b"")[:-4] + b"\r\nX: ", b"y", pause=0.1), "timed out after 0.8 s"),
        (
            endless(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"y", pause=0.1),
            "timed out after 0.8 s",
        ),
        (endless(b"HTTP/1.1 200 OK\r\n\r\n", b"y" * 65_536), "larger than 1048576 bytes"),
        (
            endless(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"8000\r\n" + b"y" * 32768 + b"\r\n"
            ),
            "larger than 1048576 bytes",
        ),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\nx", pause=1), "larger than 1048576"),
        (
            saying(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nx"),
            "larger than|speak HTTP",
        ),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), "broke off"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nshort"), "does not speak HTTP"),
        (
            saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nshort"),
            "does not speak HTTP",
        ),
        (
            saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + b"X: " + b"y" * 300_000),
            "does not speak HTTP",
        ),
        (endless(b"HTTP/1.1 200 OK\r\n", b"X-Y: z\r\n" * 500), "does not speak HTTP"),
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.01), "timed out after 0.8 s"),
        (saying(ok(gzip.compress(b"0" * 50_000_000), "Content-Encoding: gzip")), "packed the answer"),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), "does not speak HTTP"),
        (saying(b""), "broke off"),
        (saying(b"HTTP/1.1 404 N\x07ot Found\r\nContent-Length: 0\r\n\r\n"), "the server answered 404"),
        (saying(b"HTTP/1.1 204 No Content\r\n\r\n"), "the server answered 204 No Content"),
    ],
    ids=range(18),
)
async def test_a_server_that_misbehaves_costs_little_and_is_named(answer: Handler, words: str) -> None:
    """R16: 1 MiB at most; failures name URL and cause."""
    async with serving(answer) as place:
        text = await refusal(place.url())
    assert text.startswith(f"{place.url()}: ")
    assert any(word in text for word in words.split("|")), text


async def test_a_compressed_answer_is_not_unpacked() -> None:
    """The refusal comes from the header: nothing of the bomb is held."""
    bomb = gzip.compress(b"0" * 10_000_000)
    async with serving(saying(ok(bomb, "Content-Encoding: gzip"))) as place:
        assert "packed" in await refusal(place.url())


async def test_nobody_there() -> None:
    async with serving(saying(b"")) as place:
        pass
    assert "refused: nothing listens at 127.0.0.1 port" in await refusal(place.url())
    assert "does not resolve" in await refusal("http://nowhere.invalid/x")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://192.0.2.1/x", "only http:// or https:// is fetched"),
        ("file:///etc/passwd", "only http:// or https:// is fetched"),
        ("/etc/passwd", "only http:// or https:// is fetched"),
        ("", "only http:// or https:// is fetched"),
        ("http:///x", "names no host"),
        ("http://h:99999/", "not a URL"),
        ("http://[::1", "not a URL"),
        ("http://[fe80::1%25lo]/", "not a URL"),
        ("http://a\nb/", "not a URL"),
    ],
)
async def test_what_is_no_url_is_not_tried(url: str, words: str) -> None:
    assert words in await refusal(url, LICENCE)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "2852039166",
        "0",
        "0.0.0.0",
        "[::]",
        "[fe80::1]",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
async def test_what_is_never_asked(host: str) -> None:
    begun = time.monotonic()
    assert "which is never asked" in await refusal(f"http://{host}/latest/meta-data", LICENCE)
    assert time.monotonic() - begun < 5, "it was looked for"


async def test_private_addresses_only_where_the_policy_says_so() -> None:
    strict = replace(ONCE, private=False)
    async with serving(saying(ok(b"key"))) as place:
        assert await fetch(place.url(), ONCE) == b"key"
        assert "is 127.0.0.1, which is never asked (private" in await refusal(place.url(), strict)
    for address in ("10.0.0.1", "192.168.1.1", "fd00::1", "::1"):
        assert (LICENCE.permits(address), strict.permits(address)) == (True, False)
    assert strict.permits("1.1.1.1")


def certificate_of(tmp_path: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A server's context and its own certificate as an authority."""
    certificate, key = self_signed(name)
    both = tmp_path / "both.pem"
    both.write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    authority = tmp_path / "authority.pem"
    authority.write_text(certificate)
    return context, str(authority)


async def test_http_leads_to_https_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R16: redirects from http to https are followed."""
    context, authority = certificate_of(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    async with serving(saying(ok(b"key")), context) as secure:
        place = secure.url("https", "localhost")
        redirect = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\n\r\n".encode()
        async with serving(saying(redirect)) as plain:
            url = plain.url().replace("//", "//user:word@")
            assert await fetch(url, LICENCE) == b"key"
            assert "authorization" in plain.heads[0].lower()
            assert "authorization" not in secure.heads[0].lower(), "another host gets no password"
            url = plain.url(host="localhost").replace("//", "//user:word@")
            assert await fetch(url, LICENCE) == b"key"
            assert "authorization" in secure.heads[1].lower()


@pytest.mark.parametrize(
    "location",
    [
        "/again",
        "http://127.0.0.1:1/x",
        "ftp://h/x",
        "file:///etc/passwd",
        "https://",
        "http://[",
        "",
        "javascript:1",
    ],
)
async def test_other_redirects_are_refused(location: str) -> None:
    """R16: redirects from http to https only; so there is no loop."""
    redirect = f"HTTP/1.1 301 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    async with serving(saying(redirect)) as place:
        assert "redirects to" in await refusal(place.url(), replace(ONCE, starts=(0.01, 0.01)))
    assert len(place.heads) == 1, "a redirect stays refused"


async def test_https_leads_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R16: https never leads back to http, nor elsewhere."""
    context, authority = certificate_of(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    for target in ("http://127.0.0.1:1/x", "https://localhost:1/x"):
        redirect = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\n\r\n".encode()
        async with serving(saying(redirect), context) as place:
            assert "only one redirect from http to https" in await refusal(place.url("https", "localhost"))


async def test_a_redirect_to_a_forbidden_address_is_not_followed() -> None:
    place_of_clouds = "169.254.169.254"
    redirect = f"HTTP/1.1 302 Found\r\nLocation: https://{place_of_clouds}/\r\n\r\n".encode()
    async with serving(saying(redirect)) as place:
        assert "never asked" in await refusal(place.url())


async def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certificate_of(tmp_path, "localhost")
    async with serving(saying(ok(b"key")), context) as place:
        text = await refusal(place.url("https", "localhost"), replace(ONCE, starts=(5.0,)))
        assert "certificate is not trusted" in text
        monkeypatch.setenv("SSL_CERT_FILE", authority)
        assert await fetch(place.url("https", "localhost"), ONCE) == b"key"
        assert "certificate is not trusted" in await refusal(place.url("https")), "the name must match"

    def hurry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(b"key"))
        writer.close()

    hasty = await asyncio.start_server(hurry, "127.0.0.1", 0)
    port = hasty.sockets[0].getsockname()[1]
    assert "TLS failed" in await refusal(f"https://127.0.0.1:{port}/")
    hasty.close()


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(saying(ok(b"key"))) as place:
        assert await fetch(place.url(), ONCE) == b"key"


@given(st.text(max_size=60))
def test_what_is_shown_of_a_url_is_printable(text: str) -> None:
    assert shown(text).isprintable()


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("http://user:pass@h/x?token=secret#y", "http://***@h/x?***"),
        ("http://user:p@ss@h/x", "http://***@h/x"),
        ("user:pass@h/x", "***@h/x"),
        ("http://user:pa/ss@h/x", "http://***"),
        ("http://user:pa?ss@h/x", "http://***"),
        ("https://[::1]:443/x", "https://[::1]:443/x"),
        ("http://h/a@b", "http://h/a@b"),
        ("http://h/\n\x1b[2J", "http://h/__[2J"),
        ("http://h/" + "a" * 400, "http://h/" + "a" * 291 + "..."),
    ],
)
def test_credentials_of_a_url_are_hidden(url: str, safe: str) -> None:
    assert shown(url) == safe
