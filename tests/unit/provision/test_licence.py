"""The licence key's way from its address to the instance, with a server of HTTP on loopback."""

from __future__ import annotations

import http.server
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pointsman.licence.key import Licence, issue, read_key
from pointsman.licence.trust import Trust
from pointsman.outbound.policy import LICENCE
from pointsman.provision.licence import install_licence
from pointsman.provision.log import ProvisionLog
from pointsman.provision.outcome import CannotProvision, Exit

AT_ONCE = replace(LICENCE, starts=(0.0,) * len(LICENCE.starts))
ISSUER = Ed25519PrivateKey.generate()
KEY = issue(Licence("A1B2", "Example Ltd", 1_700_000_000), ISSUER)


class _Server(http.server.HTTPServer):
    answers: list[tuple[int, bytes]]
    asked: int = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked += 1
        status, body = self.server.answers.pop(0) if self.server.answers else (200, KEY.encode())
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    made = _Server(("127.0.0.1", 0), _Handler)
    made.answers = []
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def url_of(server: _Server) -> str:
    return f"http://user:hush@127.0.0.1:{server.server_port}/key?token=hush"


def install(tmp_path: Path, url: str, fingerprint: str = "") -> str:
    """Installs into `tmp_path`; the log."""
    log = ProvisionLog(tmp_path / "log", screen=io.StringIO())
    try:
        install_licence(tmp_path, url, fingerprint, log, AT_ONCE)
    finally:
        text = (tmp_path / "log").read_text()
        assert "hush" not in text
    return text


def test_a_key_is_handed_over_and_its_issuer_trusted(tmp_path: Path, server: _Server) -> None:
    """R16: the key is downloaded by plain HTTP, verified and left to the instance; the next start may do it again."""
    server.answers = [(500, b""), (404, b"")]
    text = install(tmp_path, url_of(server))
    kept = tmp_path / "licence" / "incoming" / "A1B2.key"
    assert kept.read_text() == KEY
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "WARN: the licence key did not come: try 1 of 5: " in text
    assert "is trusted from now on" in text
    assert "licence A1B2, issued to Example Ltd, is taken" in text
    assert "trusted from now on" not in install(tmp_path, url_of(server)).splitlines()[-2]


def test_five_tries_and_then_the_cause(tmp_path: Path, server: _Server) -> None:
    """R16: after five tries the start fails, naming URL (without credentials) and cause."""
    server.answers = [(503, b"")] * 9
    with pytest.raises(
        CannotProvision, match=r"ZEUS_LIC: http://\*\*\*@127\.0\.0\.1:\d+/key.* 503 "
    ) as failure:
        install(tmp_path, url_of(server))
    assert failure.value.status is Exit.LICENCE
    assert "hush" not in str(failure.value)
    assert server.asked == 5


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff" * 100, KEY.replace("A", "B").encode()])
def test_what_is_no_key_of_ours_fails_at_once(tmp_path: Path, server: _Server, body: bytes) -> None:
    """R16: a key that is not ours fails the start without a further try."""
    server.answers = [(200, body)]
    with pytest.raises(CannotProvision, match="ZEUS_LIC: http://") as failure:
        install(tmp_path, url_of(server))
    assert failure.value.status is Exit.LICENCE
    assert server.asked == 1
    assert not (tmp_path / "licence" / "incoming").exists()
    assert Trust(tmp_path).open


def test_more_than_a_key_is_not_read(tmp_path: Path, server: _Server) -> None:
    """R16: one MiB at most."""
    server.answers = [(200, b"x" * (1 << 20) + b"x")]
    with pytest.raises(CannotProvision, match="larger than 1048576 bytes"):
        install(tmp_path, url_of(server))


def test_the_issuer_can_be_pinned(tmp_path: Path, server: _Server) -> None:
    with pytest.raises(CannotProvision, match="comes from the issuer"):
        install(tmp_path, url_of(server), "AB" * 32)
    install(tmp_path, url_of(server), read_key(KEY).issuer_fingerprint)
    assert (tmp_path / "licence" / "incoming" / "A1B2.key").exists()


def test_a_key_out_of_time_is_taken_and_warned_of(tmp_path: Path, server: _Server) -> None:
    """R16, R64: an expired key does not stop the start; the log says that it is not valid, and since when."""
    server.answers = [
        (200, issue(Licence("OLD", "Example Ltd", 1_600_000_000, 1_700_000_000), ISSUER).encode())
    ]
    text = install(tmp_path, url_of(server))
    assert "WARN: licence OLD is not valid: it expired on 2023-11-14T22:13:20Z; install a new key" in text
    assert "licence OLD, issued to Example Ltd, is taken" in text
