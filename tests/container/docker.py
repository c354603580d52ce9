"""Docker for tests: the command, containers of the product, networks; and nodes to send traffic to.

Invariants: every command has a deadline; whatever a test starts is gone at its end, by name; names and networks carry
this process's number, so that suites that run at the same time do not meet.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import json
import os
import re
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from tools.docker_engine import NETWORK
from tools.instance import wait_for

PREFIX = f"pointsman-test-{os.getpid()}"
ACCEPTED = {"ZEUS_EULA": "accept", "ZEUS_PASS": "admin"}
READY_SECONDS = 90.0
LONG = 60.0
"""Deadlines of conditions: figures are measured elsewhere, and the machine may be busy."""
CONTROL_PLANE = re.compile(r"\S+/python -P -m pointsman daemon ")
_numbers = itertools.count(1)
_TRUSTING = ssl.create_default_context()
_TRUSTING.check_hostname = False
_TRUSTING.verify_mode = ssl.CERT_NONE


class Failed(AssertionError):
    """A command of Docker that had to succeed did not; the text has what it wrote."""


@dataclass(frozen=True)
class Docker:
    """The `docker` command, for one engine (`host` as in DOCKER_HOST; "" for the machine's own)."""

    host: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables for commands that talk to this engine."""
        return {**os.environ, **({"DOCKER_HOST": self.host} if self.host else {})}

    def __call__(
        self, *words: str, check: bool = True, seconds: float = 60, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs `docker WORDS`, with `text` as its input."""
        done = subprocess.run(
            ["docker", *words],
            capture_output=True,
            text=True,
            errors="replace",
            input=text,
            timeout=seconds,
            check=False,
            env=self.environment,
        )
        if check and done.returncode:
            raise Failed(f"docker {' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def out(self, *words: str, seconds: float = 60) -> str:
        """What a command that must succeed writes, without the line's end."""
        return self(*words, seconds=seconds).stdout.strip()


@dataclass(frozen=True)
class Process:
    """A process of a container: its number there, its user, and its command line."""

    pid: int
    user: str
    words: str


@dataclass
class Container:
    """A container of the product that was started. `name` is its name for Docker."""

    docker: Docker
    name: str
    password: str = "admin"

    def wait_ready(self, seconds: float = READY_SECONDS) -> Container:
        """Waits until /healthz says ok. Fails at once, with its log, when the container has ended."""

        def ready() -> bool:
            if self.inspect("{{.State.Running}}") != "true":
                raise Failed(f"{self.name} ended with status {self.exit_code}:\n{self.logs()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.healthz() == 200
            return False

        try:
            wait_for(f"{self.name} is ready", ready, seconds)
        except AssertionError:
            print(self.logs())
            raise
        return self

    def inspect(self, template: str) -> str:
        """One answer of `docker inspect`, as a Go template tells it."""
        return self.docker.out("inspect", "-f", template, self.name)

    @property
    def exit_code(self) -> int:
        """The exit status of the last run."""
        return int(self.inspect("{{.State.ExitCode}}"))

    def wait_end(self, seconds: float = 30) -> int:
        """Waits until the container ends by itself; its exit status."""
        return int(self.docker.out("wait", self.name, seconds=seconds))

    def address(self, network: str = "") -> str:
        """Its IPv4 address in `network`, else in the first that it has; loopback with the host's network."""
        networks = json.loads(self.inspect("{{json .NetworkSettings.Networks}}"))
        if list(networks) == ["host"]:
            return "127.0.0.1"
        chosen = networks[network] if network else next(iter(networks.values()))
        return str(chosen["IPAddress"])

    @property
    def host(self) -> str:
        """The address of this machine on the container's first network, for nodes that run here."""
        networks = json.loads(self.inspect("{{json .NetworkSettings.Networks}}"))
        return str(next(iter(networks.values()))["Gateway"]) or "127.0.0.1"

    def exec(
        self, *words: str, check: bool = True, seconds: float = 30, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in it, as `docker exec` does."""
        flags = ("-i",) if text is not None else ()
        return self.docker("exec", *flags, self.name, *words, check=check, seconds=seconds, text=text)

    def shell(self, script: str, *, check: bool = True, seconds: float = 30) -> str:
        """Runs a script in it with bash; what it writes."""
        return self.exec("bash", "-c", script, check=check, seconds=seconds).stdout

    def file(self, path: str) -> str:
        """A file of the container."""
        return self.exec("cat", path).stdout

    def logs(self) -> str:
        """Everything that it wrote to its output and error output."""
        done = self.docker("logs", self.name)
        return done.stdout + done.stderr

    def processes(self) -> list[Process]:
        """What runs in it, as the container's own `ps` shows it."""
        rows = self.exec("ps", "-ww", "-eo", "pid,user:32,args", "--no-headers").stdout.splitlines()
        found = [Process(int(pid), user, words) for pid, user, words in (row.split(None, 2) for row in rows)]
        return [process for process in found if not process.words.startswith("ps -ww")]

    def control_plane(self) -> int:
        """The process of its control plane; 0 while there is none."""
        return next((one.pid for one in self.processes() if CONTROL_PLANE.match(one.words)), 0)

    def stop(self, seconds: int = 10) -> int:
        """`docker stop`; the exit status (137 when it had to be killed)."""
        self.docker("stop", "-t", str(seconds), self.name, seconds=seconds + 20)
        return self.exit_code

    def start(self) -> Container:
        """`docker start` of one that was stopped."""
        self.docker("start", self.name)
        return self

    def kill(self) -> None:
        """`docker kill`: every process of it at once."""
        self.docker("kill", self.name)

    def healthz(self, port: int = 9070) -> int:
        """The status of /healthz."""
        return self.request("GET", "/healthz", port=port)[0]

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        port: int = 9070,
        at: tuple[str, int] | None = None,
        **headers: str,
    ) -> tuple[int, bytes]:
        """One request over TLS to one of its ports, at its own address or `at` a published one; status and body."""
        where = at or (self.address(), port)
        connection = http.client.HTTPSConnection(*where, timeout=10, context=_TRUSTING)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): v for name, v in headers.items()})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def rest(
        self, method: str, path: str, body: Any = None, *, at: tuple[str, int] | None = None
    ) -> tuple[int, Any]:
        """One REST request as `admin`; `path` is below /api/tm/8.3. Status, and the decoded JSON or the bytes.

        It goes to the container's own address, or `at` a published one.
        """
        token = base64.b64encode(f"admin:{self.password}".encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        status, content = self.request(
            method,
            f"/api/tm/8.3/{path}",
            data,
            authorization=f"Basic {token}",
            content_type="application/json",
        )
        with contextlib.suppress(ValueError):
            return status, json.loads(content)
        return status, content

    def put(self, kind: str, name: str, **sections: Any) -> None:
        """PUT of an object's properties, which must be accepted."""
        status, answer = self.rest(
            "PUT", f"config/active/{kind}/{quote(name, safe='')}", {"properties": sections}
        )
        assert status in (200, 201), (status, answer)

    def serve(self, nodes: Sequence[str], port: int = 8080, name: str = "web") -> None:
        """Makes a pool and an HTTP virtual server in front of `nodes`, and waits until it answers."""
        self.put("pools", name, basic={"nodes_table": [{"node": node} for node in nodes]})
        self.put(
            "virtual_servers", name, basic={"enabled": True, "port": port, "protocol": "http", "pool": name}
        )
        wait_for("the virtual server answers", lambda: self.fetch(port)[0] == 200, LONG)

    def fetch(self, port: int = 8080, path: str = "/", seconds: float = 10) -> tuple[int, str]:
        """A client's GET to a virtual server of it; (0, "") when nothing answers."""
        connection = http.client.HTTPConnection(self.address(), port, timeout=seconds)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()


def free_addresses() -> str:
    """The first three numbers of addresses for a network, which hardly anybody has; each call gives others."""
    return f"{NETWORK}.{64 + (os.getpid() + next(_numbers)) % 64}"


@dataclass
class Containers:
    """Starts containers of one image; `remove` takes away all of them, and the networks."""

    docker: Docker
    image: str
    _started: list[str] = field(default_factory=list)
    _networks: list[str] = field(default_factory=list)

    def name(self, stem: str = "c") -> str:
        """A container's name that nobody has; it is removed at the end, also when a test starts it by itself."""
        name = f"{PREFIX}-{stem}{next(_numbers)}"
        self._started.append(name)
        return name

    def run(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        mounts: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
        image: str = "",
        ready: bool = True,
    ) -> Container:
        """`docker run -d` with `arguments`.

        `env` is added to `ACCEPTED` (a variable of "" there is left out); `mounts` are directories of this machine by
        the place in the container, read-only there. Waits until it is ready unless told not to.
        """
        variables = {name: value for name, value in {**ACCEPTED, **(env or {})}.items() if value}
        words = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        for there, here in (mounts or {}).items():
            words += ["-v", f"{here}:{there}:ro"]
        name = self.name()
        self.docker("run", "-d", "--name", name, *words, *arguments, image or self.image, *command)
        container = Container(self.docker, name, variables.get("ZEUS_PASS", ""))
        return container.wait_ready() if ready else container

    def network(self, *arguments: str) -> tuple[str, str]:
        """A bridge network of its own: its name, and the first three numbers of its addresses."""
        name = f"{PREFIX}-n{next(_numbers)}"
        for _ in range(20):  # somebody may have the same addresses: then others are tried
            prefix = free_addresses()
            words = ("network", "create", "--subnet", f"{prefix}.0/24", *arguments, name)
            if self.docker(*words, check=False).returncode == 0:
                self._networks.append(name)
                return name, prefix
        raise Failed("no free addresses for a network")

    def remove(self) -> None:
        """Removes every container and network that was made."""
        for name in self._started:
            self.docker("rm", "-f", "-v", name, check=False)
        for name in self._networks:
            self.docker("network", "rm", name, check=False)


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        if self.path.startswith("/slow"):
            time.sleep(server.slow_seconds)
        body = server.word.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    word = ""
    slow_seconds = 2.0


@contextlib.contextmanager
def node(word: str = "hello", address: str = "") -> Iterator[int]:
    """A node on this machine that answers with `word`, below /slow after two seconds; its port."""
    server = _Server((address, 0), _Answer)
    server.word = word
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
