"""A registry for one push: takes what a Docker Engine sends and keeps the manifests and how each blob begins.

Invariant: it listens on loopback, where an engine speaks plain HTTP, and stores nothing on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Pushed:
    """What was pushed: manifests by "name:tag" with their media types, and the first bytes of blobs by digest."""

    port: int
    manifests: dict[str, tuple[str, Any]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    pushed: Pushed
    begun: dict[str, bytes]


class _Registry(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            part = self.rfile.read(min(left, 1 << 20))
            left -= len(part)
            yield part

    def _first_of_body(self) -> tuple[bytes, int]:
        first, length = b"", 0
        for part in self._body():
            first = first or part[:4]
            length += len(part)
        return first, length

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        digest = self.path.rpartition("/")[2]
        self._answer(*(200,) if digest in self.server.pushed.blobs else (404,))

    def do_POST(self) -> None:
        list(self._body())
        place = f"{self.path.partition('?')[0].rstrip('/')}/{len(self.server.begun)}"
        self.server.begun[place] = b""
        self._answer(202, Location=place, Docker_Upload_UUID="one", Range="0-0")

    def do_PATCH(self) -> None:
        first, length = self._first_of_body()
        self.server.begun[self.path] = self.server.begun.get(self.path) or first
        self._answer(202, Location=self.path, Docker_Upload_UUID="one", Range=f"0-{length - 1}")

    def do_PUT(self) -> None:
        path, _, query = self.path.partition("?")
        if manifest := re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", path):
            content = b"".join(self._body())
            kind = self.headers.get("Content-Type") or ""
            self.server.pushed.manifests[f"{manifest[1]}:{manifest[2]}"] = (kind, json.loads(content))
            self._answer(201, Docker_Content_Digest=f"sha256:{hashlib.sha256(content).hexdigest()}")
            return
        digest = query.partition("digest=")[2].replace("%3A", ":")
        first, _ = self._first_of_body()
        self.server.pushed.blobs[digest] = self.server.begun.get(path) or first
        self._answer(201, Docker_Content_Digest=digest)

    def log_message(self, *words: Any) -> None:
        """Says nothing."""


@contextlib.contextmanager
def registry() -> Iterator[Pushed]:
    """A registry on loopback until the block ends."""
    server = _Server(("127.0.0.1", 0), _Registry)
    server.pushed, server.begun = Pushed(server.server_address[1]), {}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.pushed
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
