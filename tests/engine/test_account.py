"""As root, the whole data plane runs as somebody without rights, who reads its generation and nothing else."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.certificates import self_signed
from tests.engine.rig import Rig, engine_account, lives, request, service, until
from tools.instance import Instance, free_port
from tools.processes import command_line
from tools.traffic import Load, Origin

from pointsman.compiler.plan import ConfigSection, Line, Plan
from pointsman.engine.haproxy.account import NOBODY, Account, open_home
from pointsman.engine.haproxy.binary import find_binary

Origins = tuple[Origin, Origin, Origin]

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start an engine as somebody else"),
]

FORBIDDEN = """
import os, sys
os.setgroups(()); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
for path in sys.argv[2:]:
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
    except OSError:
        continue
    print(path)
"""
"""Prints which of its arguments the user that is the first can read."""


@pytest.fixture(autouse=True)
def machine_permits(request: pytest.FixtureRequest) -> None:
    if "rig" in request.fixturenames and request.getfixturevalue("rig").account is None:
        pytest.skip(
            "this machine does not permit to give up root, or HAProxy lies where only root can reach it"
        )


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody may pass, as /usr/local/zeus is; pytest's own lies in one that is closed."""
    with tempfile.TemporaryDirectory(prefix="pm-") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


def readable(user: int, *paths: Path) -> list[str]:
    words = [sys.executable, "-I", "-S", "-c", FORBIDDEN, str(user), *map(str, paths)]
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout.split()


def low_port() -> int:
    """A free port that needs a privilege."""
    for port in random.sample(range(600, 1024), 200):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port below 1024 is free")


def status(pid: int) -> dict[str, list[str]]:
    """What the kernel says of a process: name of the line -> words."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: words.split() for name, _, words in (line.partition(":") for line in lines)}


def engines_below(launcher: int) -> list[int]:
    """All processes below the launcher that run HAProxy."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    found = [int(child) for child in children if b"haproxy" in b" ".join(command_line(int(child)))]
    return found + [process for child in found for process in engines_below(child)]


@asynccontextmanager
async def loaded(port: int) -> AsyncIterator[None]:
    """Requests all the while, none of which may fail."""
    load = Load(port, clients=4)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(60))
        try:
            yield
        finally:
            load.stop()
    report = running.result()
    assert report.requests
    assert not report.failed, report.failed


async def test_no_process_of_the_engine_is_root(rig: Rig, origins: Origins) -> None:
    """Processes of the data plane are not root, before and after reloads."""
    a, b, c = origins
    port, low = free_port(), low_port()
    await rig.apply(service(port, [a, b]), "start")
    await rig.running()
    for configuration in (
        service(port, [a, b]),
        service(low, [a, b, c]),
        service(low, [a, c], web={"http": {}}),
    ):
        await rig.apply(configuration, "nothing", "reload", "runtime")
        assert rig.launcher is not None
        processes = engines_below(rig.launcher.pid)
        assert len(processes) >= 2
        for pid in processes:
            found = status(pid)
            assert {*found["Uid"], *found["Gid"]} == {str(NOBODY)}
            assert found["Groups"] == []
            assert found["NoNewPrivs"] == ["1"]
            assert int(found["CapPrm"][0], 16) in (0, 1 << 10), "nothing but NET_BIND_SERVICE"
    assert set(await request(low, 20)) == {"a", "c"}


async def test_low_ports_are_bound_again_at_every_reload(rig: Rig, origins: Origins) -> None:
    first, second = low_port(), low_port()
    await rig.apply(service(first, origins), "start")
    async with loaded(first):
        await rig.apply(service(first, origins, web={"basic": {"max_concurrent_connections": 500}}), "reload")
        other = service(second, origins)
        other["virtual_servers", "other"] = other.pop(("virtual_servers", "web"))
        await rig.apply({**service(first, origins), **other}, "reload")
        assert set(await request(second, 20)) == {"a", "b", "c"}


async def test_a_transparent_bind_needs_no_capability(rig: Rig, origins: Origins) -> None:
    """An address that is not here yet, as traffic IPs will be, can be bound by the engine's user."""
    plan = rig.compile(service(free_port(), origins))
    port = low_port()
    far = Line(f"bind 198.51.100.9:{port} transparent")

    def with_far(section: ConfigSection) -> ConfigSection:
        is_frontend = section.header.text.startswith("frontend vs-")
        return dataclasses.replace(section, lines=(far, *section.lines)) if is_frontend else section

    await rig.apply(dataclasses.replace(plan, sections=tuple(map(with_far, plan.sections))), "start")
    with socket.socket() as trial:
        trial.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            trial.bind(("198.51.100.9", port))


async def test_the_engine_comes_back_as_the_same_user(rig: Rig, origins: Origins) -> None:
    port = low_port()
    await rig.apply(service(port, origins), "start")
    master, worker = await rig.running()
    os.kill(master, signal.SIGKILL)
    await until("another one runs", lambda: rig.processes()[0] not in (0, master))
    assert not lives(worker)
    for pid in await rig.running():
        assert status(pid)["Uid"] == 4 * [str(NOBODY)]
    assert set(await request(port, 20)) == {"a", "b", "c"}


async def test_others_of_the_same_user_can_neither_look_in_nor_speak(rig: Rig, origins: Origins) -> None:
    """A process of another user `nobody` meets closed doors: memory, files, environment and runtime socket."""
    await rig.apply(service(free_port(), origins), "start")
    for pid in await rig.running():
        paths = [Path(f"/proc/{pid}/{name}") for name in ("environ", "maps", "fd/1", "mem")]
        assert not readable(NOBODY, *paths)
    ask = (
        "import os, socket, sys; os.setgroups(()); os.setgid(65533); os.setuid(65533);"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])"
    )
    for name in ("worker.sock", "master.sock"):
        words = [sys.executable, "-I", "-S", "-c", ask, str(rig.home / "engine" / "run" / name)]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
        assert "PermissionError" in ended.stderr
    assert (rig.home / "engine" / "run").stat().st_uid == NOBODY


async def test_an_engine_of_the_former_kind_is_adopted_and_replaced_later(
    home: Path, origins: Origins
) -> None:
    """A root master with its sockets in HOME/run, as versions before ran it: no request is lost on the way."""
    port = free_port()
    former = Rig(home)
    if former.account is None:
        pytest.skip("this machine does not permit to give up root")
    run = home / "run"
    run.mkdir(exist_ok=True)
    text = _former_text(former.compile(service(port, origins)), home)
    generation = home / "engine" / "gen-1"
    generation.mkdir(mode=0o700)
    (generation / "haproxy.cfg").write_text(text)
    (generation / "haproxy.cfg").chmod(0o600)
    manifest = {"digest": "", "files": {}, "listeners": [["127.0.0.1", port]]}
    (generation / "manifest.json").write_text(json.dumps(manifest))
    (home / "engine" / "current").symlink_to("gen-1")
    (home / "engine").chmod(0o700)
    (home / "log").mkdir()
    master = run / "haproxy-master.sock"
    entry = {
        "name": "haproxy",
        "argv": [
            str(find_binary()),
            "-W",
            "-S",
            f"{master},mode,600",
            "-f",
            str(home / "engine" / "current" / "haproxy.cfg"),
        ],
        "log": str(home / "log" / "haproxy.log"),
        "master_socket": str(master),
    }
    (run / "engines.json").write_text(json.dumps({"engines": [entry]}))
    former.launch()
    rig = former
    try:
        await until("the former engine runs", lambda: _uids(former) == {"0", str(NOBODY)})
        async with loaded(port):
            rig = Rig(home)  # its control plane is the new one: it opens the home for the engine's user
            rig.launcher = former.launcher
            await rig.engine.start()
            await rig.apply(service(port, origins), "reload")
            assert _uids(rig) == {"0", str(NOBODY)}, "the master is the one that ran"
            await rig.apply(
                service(port, origins, web={"basic": {"max_concurrent_connections": 9}}), "reload"
            )
            assert rig.launcher is not None
            rig.launcher.kill()
            await asyncio.to_thread(rig.launcher.wait)
            await rig.launched()
            assert rig.journal().count("engine-adopted") == 1
            await rig.apply(service(port, origins), "reload")
        await rig.engine.close()
        assert rig.launcher is not None
        rig.launcher.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(rig.launcher.wait, 15) == 0
        await rig.launched()
        await rig.running()
        assert _uids(rig) == {str(NOBODY)}
        assert set(await request(port, 20)) == {"a", "b", "c"}
    except BaseException:
        print(rig.report())
        raise
    finally:
        await asyncio.to_thread(former.stop)
        await asyncio.to_thread(rig.stop)


def _former_text(plan: Plan, home: Path) -> str:
    """A plan's configuration as versions before wrote it."""
    text = plan.text().replace("generation-0", "generation-1").replace("mode 660", "mode 600")
    text = text.replace(f"{home}/engine/run/worker.sock", f"{home}/run/haproxy.sock")
    text = text.replace(f"{home}/engine/run/", f"{home}/run/").replace(
        f"{home}/engine/servers", f"{home}/run/servers"
    )
    return text.replace("    noreuseport\n", f"    uid {NOBODY}\n    gid {NOBODY}\n    noreuseport\n")


def _uids(rig: Rig) -> set[str]:
    """The effective users of the engine's processes."""
    assert rig.launcher is not None
    return {status(pid)["Uid"][1] for pid in engines_below(rig.launcher.pid)}


async def test_an_engine_of_another_user_is_replaced_at_the_next_start(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    before = await rig.running()
    await rig.engine.close()
    rig.account = Account(12_345, 23_456)
    open_home(rig.home, rig.account)
    rig.engine = rig.control_plane()
    await rig.engine.start()
    assert not any(lives(pid) for pid in before)
    await rig.apply(service(port, origins), "start")
    for pid in await rig.running():
        assert (status(pid)["Uid"][0], status(pid)["Gid"][0]) == ("12345", "23456")
    assert set(await request(port, 20)) == {"a", "b", "c"}


def test_the_engines_user_cannot_read_what_is_not_its_own(place: Path) -> None:
    """No process of the data plane can read the store, keys, licences, passwords or history."""
    with Instance(place / "home") as instance:
        home = instance.home
        if engine_account() is None:
            pytest.skip("this machine does not permit to give up root")
        public, private = self_signed("site.example")
        ssl = {"public": public, "private": private}
        assert (
            instance.put("ssl/server_keys", "site", {"basic": {**ssl, "note": "", "request": ""}})[0] == 201
        )
        assert instance.process is not None
        processes = engines_below(instance.process.pid)
        assert processes
        assert {status(pid)["Uid"][1] for pid in processes} == {str(NOBODY)}
        assert "cannot run as" not in instance.output.read_text()
        everything = [home, *home.rglob("*")]
        assert {home / "telemetry.db", home / "store", home / "identity", home / "licence"} <= set(everything)
        allowed = readable(NOBODY, *everything)
        engine = home / "engine"
        assert any(path.endswith("haproxy.cfg") for path in allowed)
        assert [path for path in allowed if not Path(path).is_relative_to(engine)] == []
        writable = [path for path in (engine, *engine.glob("gen-*")) if path.stat().st_mode & 0o022]
        assert writable == [], "it can change nothing of what it will load"


def test_a_home_that_others_cannot_reach_is_said_and_costs_only_the_master(place: Path) -> None:
    place.chmod(0o700)
    with Instance(place / "home") as instance:
        assert f"{place} is closed to that user" in instance.output.read_text()
        assert instance.process is not None
        found = [status(pid)["Uid"][1] for pid in engines_below(instance.process.pid)]
        assert sorted(found) == ["0", str(NOBODY)]


@pytest.mark.parametrize("dropped", ["-all", "-all,+setuid,+setgid,+chown,+kill,+net_bind_service"])
def test_less_capabilities_than_root_has_are_enough(place: Path, dropped: str) -> None:
    """As `docker run --cap-drop ALL`, with and without the few that let it give up root."""
    before = ["setpriv", f"--bounding-set={dropped}", "--inh-caps=-all", "--no-new-privs"]
    if subprocess.run([*before, "true"], check=False).returncode:
        pytest.skip("setpriv of util-linux is not there")
    with Instance(place / "home", before=before) as instance:
        assert instance.process is not None
        users = {status(pid)["Uid"][1] for pid in engines_below(instance.process.pid)}
        assert users == ({"0"} if dropped == "-all" else {str(NOBODY)})
        said = "the traffic engine cannot run as nobody: this takes the capability CHOWN"
        assert (said in instance.output.read_text()) == (dropped == "-all")
        assert instance.get("config/active/pools") == {"children": []}
    assert instance.stop() == 0
