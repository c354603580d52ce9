"""A client of the REST API like the published ones: a login and a connection for each request, JSON or octets."""

from __future__ import annotations

import base64
import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tools.instance import Instance

ROOT = "/api/tm/8.3"
CONFIG = f"{ROOT}/config/active"
STATUS = f"{ROOT}/status"
JSON = "application/json"
OCTETS = "application/octet-stream"
TOKEN = base64.b64encode(b"admin:secret-for-tests").decode()


@dataclass(frozen=True)
class Reply:
    """One answer; `json` is its body where that is JSON."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == JSON, self
        return json.loads(self.body)


class Client:
    """A client like the published ones: basic login with each request, JSON or octets."""

    def __init__(self, instance: Instance) -> None:
        self.port = urlsplit(instance.ready["rest"]).port or 0

    def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> Reply:
        """One request; `None` for a header leaves it out."""
        sent: dict[str, str | None] = {"authorization": f"Basic {TOKEN}"}
        if body is not None:
            sent["content-type"] = OCTETS if isinstance(body, bytes) else JSON
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            kept = {name: value for name, value in sent.items() if value is not None}
            connection.request(method, path, data, kept)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        reply = self.ask("GET", path)
        assert reply.status == 200, (path, reply)
        return reply.json

    def put(self, path: str, **sections: Any) -> Reply:
        return self.ask("PUT", f"{CONFIG}/{path}", {"properties": sections})

    def make(self, path: str, **sections: Any) -> Any:
        """PUT of an object that must be accepted; its sections."""
        reply = self.put(path, **sections)
        assert reply.status in (200, 201), reply
        return reply.json["properties"]

    def names(self, path: str) -> list[str]:
        return [child["name"] for child in self.get(path)["children"]]

    def revision(self) -> int:
        return int(self.get(f"{STATUS}/local_tm/applies")["revision"])

    def raw(self, data: bytes) -> bytes:
        """What comes back for bytes on a connection until it ends."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as wire:
            wire.sendall(data)
            return b"".join(iter(lambda: wire.recv(65536), b""))
