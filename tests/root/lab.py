"""A cluster's hosts on one machine: network namespaces on a bridge, each running a real `pointsman run`.

    with Lab(3, tmp_path) as lab:             # 10.77.0.11, .12, .13, and fd00:77::11, ... of the network 10.77.0.0/24
        lab.start(1, 2, 3)                    # `pointsman run` on each; waits until all answer
        lab.rest(1).put("pools", "app", {...})
        with lab.load("10.77.0.101:80") as load:
            lab.cut(1)                        # cable out; heal(1) puts it back
        load.gap, load.failures

The bridge lies in a namespace of its own, the switch, with the address .1: it is the client, the gateway and where the
nodes run. Invariant: nothing is added to the machine's own network, and when a lab is closed its namespaces are gone
with every process in them.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import http.client
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tests.root.load import Load
from tools.instance import wait_for

T = TypeVar("T")

PASSWORD = "secret-for-tests"
START_SECONDS = 60.0
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()

_NODE = """
import asyncio, sys
async def answer(reader, writer):
    try:
        while (line := await reader.readline()):
            if line in (b"\\r\\n", b"\\n"):
                body = sys.argv[2].encode()
                writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
                await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
async def main():
    host, _, port = sys.argv[1].rpartition(":")
    server = await asyncio.start_server(answer, host, int(port), backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"""


def obstacle() -> str:
    """Why there can be no lab on this machine; "" when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "keepalived"):
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            return f"the command {program} is not installed (packages iproute2, keepalived)"
    name = f"pm{os.getpid() % 100_000}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"the kernel does not allow network namespaces here: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return ""


class Namespace:
    """A network namespace, and a thread in it: what is called there makes its sockets there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._children: list[subprocess.Popen[bytes]] = []
        self._thread = ThreadPoolExecutor(1, initializer=self._enter)

    def _enter(self) -> None:
        with Path(f"/run/netns/{self.name}").open("rb") as file:
            if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter the namespace {self.name}")

    def call(self, function: Callable[[], T]) -> T:
        """The result of a call within the namespace."""
        return self._thread.submit(function).result()

    def thread(self, function: Callable[[], None]) -> threading.Thread:
        """A thread of its own within the namespace, started."""

        def run() -> None:
            self._enter()
            function()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def run(self, *words: str, check: bool = True) -> str:
        """What a command in the namespace prints."""
        words = ("ip", "netns", "exec", self.name, *words)
        return subprocess.run(words, capture_output=True, text=True, timeout=30, check=check).stdout

    def popen(self, words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """A program in the namespace, in a session of its own."""
        with log.open("ab") as output:
            child = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._children.append(child)
        return child

    def pids(self) -> list[int]:
        """The processes in the namespace."""
        said = subprocess.run(
            ["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False
        ).stdout
        return [int(word) for word in said.split()]

    def signal(self, number: int) -> None:
        """Sends a signal to every process in the namespace."""
        for pid in self.pids():
            if pid != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def close(self) -> None:
        """Ends the processes in it and deletes it."""
        self._thread.shutdown()
        self.signal(signal.SIGKILL)
        for child in self._children:
            child.wait()
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)


@dataclass
class Rest:
    """The REST API of one host, asked on its loopback."""

    namespace: Namespace
    port: int = 9070

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON (or text) of an answer; the path is below /api/tm/8.3/ unless it begins with a slash."""
        return self.namespace.call(lambda: self._ask(method, path, body))

    def _ask(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        token = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            target = path if path.startswith("/") else f"/api/tm/8.3/{path}"
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
            try:
                return response.status, json.loads(text)
            except ValueError:
                return response.status, text
        finally:
            connection.close()

    def put(self, kind: str, name: str, properties: Any) -> Any:
        """Creates or changes an object; fails the test when that is refused."""
        path = f"config/active/{kind}/{name}".rstrip("/")
        status, answer = self.ask("PUT", path, {"properties": properties})
        assert status in (200, 201), (status, answer)
        return answer

    def get(self, path: str) -> Any:
        """A resource; fails the test when there is none."""
        status, answer = self.ask("GET", path)
        assert status == 200, (status, answer)
        return answer

    def events(self, *tags: str) -> list[Any]:
        """The events of these tags, newest first."""
        found = self.get("status/local_tm/events?limit=1000")["events"]
        return [event for event in found if not tags or event["tag"] in tags]


class Lab:
    """Hosts 1 to `count` and the switch. A context manager."""

    def __init__(
        self, count: int, directory: Path, network: str = "10.77.0", network6: str = "fd00:77::"
    ) -> None:
        self.name = f"pm{os.getpid() % 100_000}-{next(_numbers)}"
        self.directory = directory
        self.network, self.network6 = network, network6
        self.ids = range(1, count + 1)
        self.versions: dict[int, Path] = {}
        """Hosts that run another version than the one under test, and where that is installed."""
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._nodes: list[subprocess.Popen[bytes]] = []
        self.switch: Namespace
        self.hosts: dict[int, Namespace] = {}

    # Places

    def ip(self, number: int) -> str:
        """A host's IPv4 address."""
        return f"{self.network}.{10 + number}"

    def ip6(self, number: int) -> str:
        """A host's IPv6 address."""
        return f"{self.network6}{10 + number}"

    def host_name(self, number: int) -> str:
        """The name of the traffic manager on a host."""
        return f"m{number}.lab"

    def home(self, number: int) -> Path:
        """Where the traffic manager of a host keeps everything."""
        return self.directory / f"m{number}"

    # Life

    def __enter__(self) -> Lab:
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make(self) -> None:
        switch = f"{self.name}-sw"
        names = {number: f"{self.name}-{number}" for number in self.ids}
        _ip("", [f"netns add {name}" for name in (switch, *names.values())])
        self.switch = Namespace(switch)
        self.hosts = {number: Namespace(name) for number, name in names.items()}
        # Left to itself a bridge takes the least address of its ports, so the client would be another one to the hosts
        # whenever a partition takes that port, and what they send to its old address is lost until they ask anew.
        plain = "type bridge forward_delay 0 mcast_snooping 0"
        steady = [f"address 02:77:00:00:00:0{number}" for number in (1, 2)]
        _ip(
            switch,
            [
                "link set lo up",
                f"link add br0 {steady[0]} {plain}",
                f"link add br1 {steady[1]} {plain}",
                f"addr add {self.network}.1/24 dev br0",
                f"addr add {self.network6}1/64 dev br0 nodad",
                "link set br0 up",
                "link set br1 up",
            ],
        )
        for number, name in names.items():
            mac = ":".join(
                f"{octet:02x}" for octet in (2, 0x77, *(int(p) for p in self.ip(number).split(".")))
            )
            _ip(
                switch,
                [
                    f"link add p{number} type veth peer name eth0 netns {name}",
                    f"link set p{number} master br0",
                    f"link set p{number} up",
                ],
            )
            _ip(name, ["link set lo up", f"link set eth0 address {mac}"])
            self.connect(number, "eth0")

    def connect(self, number: int, interface: str = "eth0") -> None:
        """Gives a host's interface its addresses and its default route."""
        _ip(
            self.hosts[number].name,
            [
                f"addr replace {self.ip(number)}/24 dev {interface}",
                f"addr replace {self.ip6(number)}/64 dev {interface} nodad",
                f"link set {interface} up",
                f"route replace default via {self.network}.1",
            ],
        )

    def close(self) -> None:
        """Ends and deletes everything."""
        for namespace in (*self.hosts.values(), *([self.switch] if hasattr(self, "switch") else [])):
            namespace.close()
        for process in (*self._processes.values(), *self._nodes):
            process.kill()
            process.wait()

    # Traffic managers

    def program(self, number: int) -> list[str]:
        """The words that begin a `pointsman` command on a host."""
        source = self.versions.get(number)
        before = ["env", f"PYTHONPATH={source}"] if source else []
        return [*before, sys.executable, "-m", "pointsman"]

    def start(self, *numbers: int, extra: Sequence[str] = ()) -> None:
        """Starts traffic managers (all without `numbers`) and waits until each says that it is ready."""
        for number in numbers or self.ids:
            self.launch(number, extra=extra)
        for number in numbers or self.ids:
            wait_for(f"m{number} is ready", partial(self._ready, number), START_SECONDS)

    def launch(self, number: int, *, extra: Sequence[str] = ()) -> None:
        """Starts a traffic manager and does not wait."""
        self.directory.mkdir(parents=True, exist_ok=True)
        password = self.directory / "password"
        password.write_text(PASSWORD + "\n")
        (self.directory / f"m{number}.ready").unlink(missing_ok=True)  # of one that was killed
        words = [*self.program(number), "run"]
        words += ["--home", str(self.home(number)), "--name", self.host_name(number), "--listen", "0.0.0.0"]
        words += [
            "--password-file",
            str(password),
            "--ready-file",
            str(self.directory / f"m{number}.ready"),
            *extra,
        ]
        self._processes[number] = self.hosts[number].popen(words, self.directory / f"m{number}.log")

    def ready(self, number: int) -> Any:
        """What the ready file of a host says."""
        return json.loads((self.directory / f"m{number}.ready").read_text())

    def _ready(self, number: int) -> bool:
        process = self._processes[number]
        log = self.directory / f"m{number}.log"
        assert process.poll() is None, log.read_text(errors="replace")[-4000:]
        return (self.directory / f"m{number}.ready").exists()

    def runs(self, number: int) -> bool:
        """Whether the traffic manager of a host was started and has not ended."""
        process = self._processes.get(number)
        return process is not None and process.poll() is None

    def stop(self, number: int) -> int:
        """Stops a traffic manager in order; its exit status."""
        process = self._processes.pop(number)
        # `ip netns exec` becomes the program, which becomes the launcher.
        process.send_signal(signal.SIGTERM)
        return process.wait(30)

    def rest(self, number: int) -> Rest:
        """The REST API of a host."""
        return Rest(self.hosts[number])

    def node(self, port: int = 8000, body: str = "node") -> str:
        """Starts a node on the switch; its "address:port"."""
        place = f"{self.network}.1:{port}"
        words = [sys.executable, "-c", _NODE, place, body]
        self._nodes.append(self.switch.popen(words, self.directory / "node.log"))
        wait_for("the node answers", lambda: bool(self.switch.call(lambda: _answers(place))))
        return place

    def load(self, target: str, **options: Any) -> Load:
        """Requests at a steady rate from the switch to "address:port"."""
        return Load(self.switch, target, **options)

    def holders(self, address: str) -> tuple[int, ...]:
        """The hosts that have an address now."""
        found = []
        for number in self.ids:
            said = self.hosts[number].run("ip", "-o", "addr", "show", "to", address)
            if said.strip():
                found.append(number)
        return tuple(found)

    def await_holder(self, address: str, *numbers: int, seconds: float = 15.0) -> None:
        """Waits until exactly these hosts have an address."""
        wait_for(f"{address} is on {numbers}", lambda: self.holders(address) == numbers, seconds)

    # Faults

    def cut(self, number: int) -> None:
        """Pulls a host's cable: its interface sees that."""
        _ip(self.switch.name, [f"link set p{number} down"])

    def heal(self, number: int) -> None:
        """Puts the cable back."""
        _ip(self.switch.name, [f"link set p{number} master br0", f"link set p{number} up"])

    def split(self, *numbers: int) -> None:
        """Parts these hosts from the others and the client; their interfaces see nothing of it."""
        _ip(self.switch.name, [f"link set p{number} master br1" for number in numbers])

    def join(self) -> None:
        """Ends all partitions."""
        _ip(self.switch.name, [f"link set p{number} master br0" for number in self.ids])

    def kill(self, number: int, *, power: bool = True) -> None:
        """Ends every process of a host at once, and with `power` takes it off the network as when a container dies."""
        self.hosts[number].signal(signal.SIGKILL)
        if power:
            self.cut(number)
            for held in _addresses(self.hosts[number]):
                if held.split("/")[0] not in (self.ip(number), self.ip6(number)):
                    _ip(self.hosts[number].name, [f"addr del {held} dev eth0"])
        process = self._processes.pop(number, None)
        if process is not None:
            process.wait()

    def pause(self, number: int) -> None:
        """Stops every process of a host in its tracks."""
        self.hosts[number].signal(signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Lets them go on."""
        self.hosts[number].signal(signal.SIGCONT)


def _ip(namespace: str, lines: Iterable[str]) -> None:
    words = ["ip", *(["-n", namespace] if namespace else []), "-batch", "-"]
    text = "".join(f"{line}\n" for line in lines)
    subprocess.run(words, input=text, capture_output=True, text=True, check=True)


def _addresses(namespace: Namespace) -> Iterator[str]:
    for line in namespace.run("ip", "-o", "addr", "show", "dev", "eth0", "scope", "global").splitlines():
        yield line.split()[3]


def _answers(place: str) -> bool:
    host, _, port = place.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
