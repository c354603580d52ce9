"""The launcher on its own: one to a home, ends in order, does not go on where there is no point."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.engine.rig import STAND_IN, Rig, lives, request, service, until
from tools.instance import SOURCE, free_port
from tools.traffic import Origin

from pointsman.launcher import LOG_BYTES, claim, command

Origins = tuple[Origin, Origin, Origin]


def run_to_the_end(home: Path, control: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs a launcher until it ends by itself."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.run(
        command(home, control), env=environment, capture_output=True, text=True, timeout=20, check=False
    )


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


async def test_a_second_launcher_is_refused(rig: Rig) -> None:
    before = rig.children()
    ended = await asyncio.to_thread(run_to_the_end, rig.home, STAND_IN)
    assert ended.returncode == 4
    assert len(ended.stderr.splitlines()) == 1
    assert str(rig.home) in ended.stderr
    assert rig.children() == before


def test_a_control_plane_with_bad_flags_ends_the_launcher(home: Path) -> None:
    for status in (1, 2, 4, 10, 14, 19):
        assert run_to_the_end(home, python(f"raise SystemExit({status})")).returncode == status


async def test_a_control_plane_that_was_ready_is_started_again(home: Path) -> None:
    rig = Rig(home, python(f"open({str(home / 'run' / 'control.ready')!r}, 'w'); raise SystemExit(1)"))
    try:
        rig.launch()
        await until("it was started three times", lambda: _count(rig, "control-started") >= 3)
    finally:
        await asyncio.to_thread(rig.stop)


async def test_a_control_plane_may_ask_not_to_be_started_again(home: Path) -> None:
    rig = Rig(home, python("raise SystemExit(78)"))
    try:
        process = rig.launch()
        await until("it has ended", lambda: _count(rig, "control-exited"))
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0
        assert rig.journal() == ["control-started", "control-exited"]
    finally:
        await asyncio.to_thread(rig.stop)


def _count(rig: Rig, what: str) -> int:
    return rig.journal().count(what) if (rig.run / "launcher-events.jsonl").exists() else 0


async def test_a_held_home_is_stopped_and_started_again(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    before = rig.children()
    await asyncio.to_thread((rig.home / "hold").touch)
    await until("everything has ended", lambda: not any(lives(pid) for pid in before.values()))
    await until("the record says so", lambda: not rig.children() and rig.launcher_pid())
    assert rig.launcher is not None
    rig.launcher.send_signal(signal.SIGUSR1)
    rig.launcher.send_signal(signal.SIGUSR2)
    await asyncio.sleep(1)  # the time in which something could start wrongly
    assert not rig.children()
    assert rig.launcher.poll() is None
    (rig.home / "hold").unlink()
    await until("both run again", lambda: {"control", "haproxy"} <= set(rig.children()))
    await rig.running()
    assert set(await request(port, 20)) == {"a", "b", "c"}
    journal = rig.journal()
    assert journal.count("launcher-held") == journal.count("launcher-released") == 1
    assert not [what for what in journal if what.endswith("-exited")], "nothing ended by itself"
    assert {"control-stopped", "engine-stopped"} <= set(journal)


async def test_what_engines_json_no_longer_names_is_not_started_after_a_hold(
    rig: Rig, origins: Origins
) -> None:
    await rig.apply(service(free_port(), origins), "start")
    (rig.home / "hold").touch()
    await until("everything has ended", lambda: rig.launcher_pid() and not rig.children())
    (rig.run / "engines.json").unlink()
    (rig.home / "hold").unlink()
    await until("the control plane runs again", lambda: "control" in rig.children())
    assert set(rig.children()) == {"control"}
    assert rig.journal().count("engine-started") == 1


async def test_a_launcher_that_finds_a_hold_starts_nothing(home: Path) -> None:
    (home / "hold").touch()
    rig = Rig(home, python("raise SystemExit(14)"))
    try:
        process = rig.launch()
        await until("it waits", lambda: _count(rig, "launcher-held"))
        await until("its process can be found", lambda: rig.launcher_pid() == process.pid)
        (home / "hold").unlink()
        # Somebody works at the console: a start that fails does not end the container under their hands.
        await until("it tries again and again", lambda: _count(rig, "control-exited") >= 2)
        (home / "hold").touch()
        await until("it waits again", lambda: _count(rig, "launcher-held") == 2)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 5) == 0
    finally:
        await asyncio.to_thread(rig.stop)


async def test_a_new_launcher_stops_what_runs_when_a_hold_came_meanwhile(rig: Rig, origins: Origins) -> None:
    await rig.apply(service(free_port(), origins), "start")
    await rig.running()
    before = rig.children()
    assert rig.launcher is not None
    rig.launcher.kill()
    await asyncio.to_thread(rig.launcher.wait)
    (rig.home / "hold").touch()
    process = rig.launch()
    await until("everything has ended", lambda: not any(lives(pid) for pid in before.values()))
    await until("the launcher is there", lambda: rig.launcher_pid() == process.pid)


async def test_the_control_plane_is_restarted_while_the_engine_runs_on(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    before, processes = rig.children(), await rig.running()
    assert rig.launcher is not None
    rig.launcher.send_signal(signal.SIGUSR2)
    await until(
        "another one runs", lambda: rig.children().get("control", before["control"]) != before["control"]
    )
    assert not lives(before["control"])
    assert await rig.running() == processes
    assert set(await request(port, 20)) == {"a", "b", "c"}
    assert rig.journal()[-2:] == ["control-stopped", "control-started"]


async def test_a_restart_ends_a_control_plane_that_does_not_listen(home: Path) -> None:
    deaf = "import signal\nsignal.signal(15, signal.SIG_IGN)\nopen({!r}, 'w')\nwhile True: signal.pause()"
    rig = Rig(home, python(deaf.format(str(home / "deaf"))))
    try:
        process = rig.launch()
        await until("it runs", (home / "deaf").exists)
        former = rig.children()["control"]
        process.send_signal(signal.SIGUSR2)
        await until("another one runs", lambda: rig.children().get("control", former) != former, 15)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
    finally:
        await asyncio.to_thread(rig.stop)


async def test_processes_that_lost_their_parent_leave_no_zombies(home: Path) -> None:
    """As process 1 of a container the launcher inherits them; here it asks the kernel for them."""
    orphans = (
        "import os, time, signal\n" + 3 * "if os.fork() == 0: os.fork() or time.sleep(0.1); os._exit(0)\n"
    )
    rig = Rig(home, python(orphans + "while True: signal.pause()"))
    adopts = "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [*python(adopts), *command(home, rig.control)], env={**os.environ, "PYTHONPATH": str(SOURCE)}
    )
    rig.launcher = process
    try:
        await until("the control plane runs", lambda: "control" in rig.children(process.pid))
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        await until(
            "it alone is left", lambda: children.read_text().split() == [str(rig.children()["control"])]
        )
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0
    finally:
        await asyncio.to_thread(rig.stop)


async def test_a_killed_control_plane_is_started_at_once(rig: Rig) -> None:
    control = rig.children()["control"]
    began = time.monotonic()
    os.kill(control, signal.SIGKILL)
    await until("another one runs", lambda: rig.children().get("control", control) != control)
    assert time.monotonic() - began < 5
    assert not lives(control)


async def test_the_home_stays_claimed_while_the_control_plane_lives(rig: Rig) -> None:
    assert rig.launcher is not None
    control = rig.children()["control"]
    assert claim(rig.run / "control.lock") is None
    rig.launcher.kill()
    await asyncio.to_thread(rig.launcher.wait)
    assert claim(rig.run / "control.lock") is None
    other = Rig(rig.home, python("import signal\nwhile True: signal.pause()  # with other flags"))
    try:
        await other.launched()
        assert not lives(control), "one that was started in another way is ended, not adopted"
        assert other.children()["control"] != control
    finally:
        await asyncio.to_thread(other.stop)


async def test_children_inherit_nothing_but_the_lock(rig: Rig, origins: Origins) -> None:
    await rig.apply(service(free_port(), origins), "start")
    control = Path(f"/proc/{rig.children()['control']}/fd")
    targets = [str(link.readlink()) for link in control.iterdir() if int(link.name) > 2]
    assert targets == [str(rig.run / "control.lock")]
    assert (rig.home / "log" / "haproxy.log").stat().st_mode & 0o777 == 0o600
    master, _ = await rig.running()
    for link in Path(f"/proc/{master}/fd").iterdir():
        try:
            assert "launcher" not in str(link.readlink())
        except PermissionError:
            pytest.skip("root without SYS_PTRACE may not see what another user's process has open")
    # The launcher has it; documents may take secrets from the environment, which the engine's user must not read.
    assert b"PYTHONPATH=" not in Path(f"/proc/{master}/environ").read_bytes()


async def test_logs_are_rotated(rig: Rig, origins: Origins) -> None:
    await rig.apply({}, "start")
    log = rig.home / "log" / "haproxy.log"
    with log.open("ab") as file:
        file.write(b"x" * (LOG_BYTES + 1))
    await until("the log was rotated", lambda: log.with_name("haproxy.log.1").exists())
    await until("the log is short again", lambda: log.stat().st_size < LOG_BYTES)
    assert log.with_name("haproxy.log.1").stat().st_mode & 0o777 == 0o600


class Slow:
    """An origin that takes its time when it is told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.node = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/slow" in head:
                    self.asked.set()
                    await self.answer.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def test_stopping_finishes_what_runs_and_refuses_what_is_new(rig: Rig) -> None:
    origin = Slow()
    server = await asyncio.start_server(origin.handle, "127.0.0.1", 0)
    origin.node = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    port = free_port()
    await rig.apply(service(port, [origin]), "start")
    idle_reader, idle = await asyncio.open_connection("127.0.0.1", port)
    idle.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await idle_reader.readuntil(b"\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(origin.asked.wait(), 5)
    assert rig.launcher is not None
    rig.launcher.send_signal(signal.SIGTERM)

    async def refuses() -> bool:
        return not await _takes(port)

    await until("new connections are refused", refuses, 3)
    assert rig.launcher.poll() is None
    origin.answer.set()
    assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    # The connection that waits for a next request, and the engine object's own, do not hold it.
    assert await asyncio.to_thread(rig.launcher.wait, 5) == 0
    assert rig.processes() == (0, 0)
    for each in (idle, writer):
        each.close()
    server.close()
    await server.wait_closed()


async def test_a_second_signal_stops_at_once(rig: Rig) -> None:
    origin = Slow()
    server = await asyncio.start_server(origin.handle, "127.0.0.1", 0)
    origin.node = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    port = free_port()
    await rig.apply(service(port, [origin]), "start")
    _, worker = await rig.running()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(origin.asked.wait(), 5)
    assert rig.launcher is not None
    rig.launcher.send_signal(signal.SIGINT)

    await until("the control plane has ended", lambda: "control" not in rig.children())
    began = time.monotonic()
    rig.launcher.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(rig.launcher.wait, 5) == 0
    assert time.monotonic() - began < 4
    await until("the worker ended with its master", lambda: not lives(worker))
    origin.answer.set()
    writer.close()
    server.close()
    await server.wait_closed()


async def test_a_restart_serves_before_the_control_plane_is_there(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    await rig.engine.close()
    assert rig.launcher is not None
    rig.launcher.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(rig.launcher.wait, 10) == 0
    await rig.launched()
    await until("the engine serves", lambda: _takes(port))
    assert set(await request(port, 20)) == {"a", "b", "c"}


async def _takes(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def test_an_engine_without_a_master_socket_is_started_adopted_and_ended(home: Path) -> None:
    """Deliverable 3 of the cluster: keepalived has no socket; its process is known by pid, start time and program."""
    rig = Rig(home, STAND_IN)
    word, stale = home / "run" / "word", home / "run" / "old.pid"
    entry = {
        "name": "plain",
        "argv": ["/bin/sleep", "1000"],
        "log": str(home / "run" / "plain.log"),
        "leads": True,
        "files": {str(word): "fault\n", str(stale): None},
    }
    (home / "run").mkdir(exist_ok=True)
    stale.write_text("1")
    (home / "run" / "engines.json").write_text(json.dumps({"engines": [entry]}))
    try:
        rig.launch()
        await until("it runs", lambda: "plain" in rig.children())
        assert word.read_text() == "fault\n"
        assert not stale.exists()
        pid = rig.children()["plain"]
        assert (home / "run" / "plain.pid").read_text() == f"{pid}\n"
        word.write_text("well\n")
        former = rig.launcher
        assert former is not None
        former.kill()
        former.wait()
        rig.launch()
        await until("it was adopted", lambda: _count(rig, "engine-adopted") == 1)
        assert rig.children()["plain"] == pid
        assert word.read_text() == "well\n", "what runs is left alone"
        os.kill(pid, signal.SIGKILL)
        await until("it runs again", lambda: rig.children().get("plain") not in (None, pid))
        assert word.read_text() == "fault\n"
        again = rig.children()["plain"]
    finally:
        await asyncio.to_thread(rig.stop)
    assert not lives(again)
