"""Origins for tests: one says hello to every GET, one takes as long as the path says.

Invariant: they end with the block that they serve in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def hello() -> Iterator[int]:
    """Serves on a free port of 127.0.0.1, which it gives."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class Delaying(ThreadingHTTPServer):
    """Answers GET /N after N ms; `took` are the ms that answers really took, from request to answer."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Delays)
        self.took: list[float] = []

    @property
    def node(self) -> str:
        """ "host:port"."""
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of connections that were reset."""


class _Delays(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Delaying

    def do_GET(self) -> None:
        begun = time.monotonic()
        time.sleep(int(self.path.partition("?")[0].strip("/") or "0") / 1000)
        self.server.took.append((time.monotonic() - begun) * 1000)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def delaying() -> Iterator[Delaying]:
    """Serves on a free port of 127.0.0.1."""
    with Delaying() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
