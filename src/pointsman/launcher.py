"""The launcher: parent of the control plane and of the engines; starts them, waits, and starts them again.

Invariants: it reads no configuration (engines are the command lines in HOME/run/engines.json) and needs
nothing but the standard library; a home has at most one launcher and one control plane (file locks say so, no
process list); what runs already is adopted, never started twice.

Files in HOME/run: `launcher.lock` (held by the launcher), `control.lock` (handed to the control plane at its
start and held until its last process ends), `control.ready` (made by the control plane when it is ready),
`launcher.json` (who runs, for adoption), `engines.json`, `launcher-events.jsonl`. Signals: TERM, INT and HUP
stop, a second one at once; USR1 reads engines.json now and starts what waits.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATUS_HOME_IN_USE = 4
STATUS_DO_NOT_RESTART = 78
STATUS_HOPELESS = (1, 2, STATUS_HOME_IN_USE)
"""Statuses that end the launcher too when the control plane was never ready: bad flags, a home in use."""


# Seconds that a process must have lived to start again at once, and the delays before its starts otherwise. The
# sockets of an engine's worker that is still dying are free a few ms later.
CONTROL_PACE = (10.0, (0.0, 0.2, 0.5, 1.0, 2.0))
ENGINE_PACE = (1.0, (0.0, 0.02, 0.05, 0.1, 0.2, 0.5))
STOP_SECONDS = 8.0
POLL_SECONDS = 0.4
LOG_BYTES = 8 << 20
JOURNAL_BYTES = 1 << 20


def claim(path: Path) -> int | None:
    """A descriptor of `path` with an exclusive lock, or None while another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def start_ticks(pid: int) -> int | None:
    """When a process started, in ticks since boot (field 22 of /proc/PID/stat); None when it has ended."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if after_name[0] in (b"Z", b"X") else int(after_name[19])


def executable(pid: int) -> str:
    """The program a process runs, also when the file was replaced since; "" when it cannot be read."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink()).removesuffix(" (deleted)")
    except OSError:
        return ""


def holders(path: Path) -> set[int]:
    """Processes that hold the lock on `path` (absolute, no links), not those that merely have it open."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for entry in (process / "fd").iterdir():
                if entry.readlink() == path and "FLOCK" in (process / "fdinfo" / entry.name).read_text():
                    found.add(int(process.name))
    return found


def ask(path: str, question: str) -> tuple[str, int]:
    """The answer of an engine's master socket and the master's pid; ("", 0) without an answer in 1 s."""
    answer = b""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(1.0)
        talk.connect(path)
        pid = struct.unpack("3i", talk.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        talk.sendall(question.encode() + b"\n")
        talk.shutdown(socket.SHUT_WR)  # without it the master keeps the connection open after its answer
        while part := talk.recv(65536):
            answer += part
        return answer.decode(errors="replace"), pid
    return "", 0


@dataclass
class Running:
    """A process watched through a pidfd: our child, or an adopted one (whose exit status stays unknown)."""

    pid: int
    pidfd: int
    started_at: float
    child: subprocess.Popen[bytes] | None = None

    @classmethod
    def adopt(cls, pid: int, ticks: int | None = None) -> Running | None:
        """Watches a process that is not our child; None when it has ended or did not start at `ticks`."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return None
        now = start_ticks(pid)
        if now is None or ticks not in (None, now):
            os.close(pidfd)
            return None
        return cls(pid, pidfd, time.monotonic())

    def send(self, number: int) -> None:
        """Sends a signal; nothing happens when the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def ended(self, within: float = 0.0) -> bool:
        """Whether the process has ended, or does so within `within` seconds."""
        return bool(select.select([self.pidfd], [], [], within)[0])

    def reap(self) -> tuple[int | None, str]:
        """Exit status (None unless it was our child that exited) and a phrase for the journal."""
        os.close(self.pidfd)
        if self.child is None:
            return None, "ended"
        status = self.child.wait()
        if status < 0:
            return None, f"killed by {signal.Signals(-status).name}"
        return status, f"exited with status {status}"


@dataclass
class Service:
    """One thing to keep running. `master_socket` is "" for the control plane, `start_at` monotonic time."""

    name: str
    argv: tuple[str, ...] = ()
    log: str = ""
    master_socket: str = ""
    running: Running | None = None
    adopted: bool = False
    failures: int = 0
    start_at: float = 0.0

    @property
    def kind(self) -> str:
        """What the journal calls it: "engine" or "control"."""
        return "engine" if self.master_socket else "control"

    def plan_start(self, lived: float) -> None:
        """Sets when to start next, after a process that lived `lived` seconds."""
        steady, delays = ENGINE_PACE if self.master_socket else CONTROL_PACE
        self.failures = 1 if lived >= steady else self.failures + 1
        self.start_at = time.monotonic() + delays[min(self.failures, len(delays)) - 1]

    def send(self, number: int) -> None:
        """Sends a signal if it runs."""
        if self.running is not None:
            self.running.send(number)

    def can_be_told(self) -> bool:
        """Whether a signal will be heeded: HAProxy (2.8) loses one that comes before its master's socket is up."""
        return not self.master_socket or ask(self.master_socket, "show proc")[0] != ""

    def is_idle(self) -> bool:
        """Whether a stopping engine has no request or client in work; false when it does not answer.

        Connections that idly wait for a next request are no sessions and do not count: with
        `option idle-close-on-response` (HAProxy 2.8) they would otherwise hold the engine for minutes.
        """
        answer, _ = ask(self.master_socket, "show proc")
        workers = [words[0] for line in answer.splitlines() if (words := line.split())[1:2] == ["worker"]]
        sessions = "".join(ask(self.master_socket, f"@!{worker} show sess")[0] for worker in workers)
        return bool(workers) and sessions.count(" fe=") == sessions.count(" fe=GLOBAL ")


class Launcher:
    """The loop. One instance a process; the caller holds HOME/run/launcher.lock."""

    def __init__(self, home: Path, control: Sequence[str]) -> None:
        self._run = home / "run"
        self._control = Service("control", tuple(control))
        self._engines: dict[str, Service] = {}
        self._engines_seen: tuple[int, ...] = ()
        self._was_ready = False
        self._stops = 0
        self._hurry = False
        self._former = self._read_json("launcher.json").get("children", {})
        self._wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, self._on_signal)

    def run(self) -> int:
        """Keeps everything running until it is told to stop; returns the launcher's exit status."""
        self._read_engines()
        self._adopt_control()
        while not self._stops:
            for service in self._services():
                if service.running is None and service.start_at <= time.monotonic():
                    self._start(service)
            starts = [service.start_at for service in self._services() if service.running is None]
            self._wait(self._services(), min([POLL_SECONDS, *(at - time.monotonic() for at in starts)]))
            self._read_engines()
            status = self._note_ends(self._services())
            if status in STATUS_HOPELESS and not self._was_ready:
                self._stop([engine for engine in self._engines.values() if not engine.adopted])
                return status
            self._rotate_logs()
        self._stop(self._services())
        (self._run / "launcher.json").unlink(missing_ok=True)
        return 0

    def _services(self) -> list[Service]:
        return [self._control, *self._engines.values()]

    def _on_signal(self, number: int, _frame: object) -> None:
        if number == signal.SIGUSR1:
            self._hurry = True
        else:
            self._stops += 1

    def _wait(self, services: Iterable[Service], seconds: float) -> None:
        """Waits for a signal or the end of one of `services`, at most `seconds`."""
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        for service in services:
            if service.running is not None:
                poll.register(service.running.pidfd, select.POLLIN)
        poll.poll(max(0.0, seconds) * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 512)

    def _start(self, service: Service) -> None:
        try:
            child = self._start_engine(service) if service.master_socket else self._start_control()
        except OSError as error:
            service.plan_start(0)
            self._note(f"{service.kind}-exited", service, f"cannot be started: {error}")
            return
        if child is not None:
            service.running = Running(child.pid, os.pidfd_open(child.pid), time.monotonic(), child)
            service.adopted = False
            self._record()
            self._note(f"{service.kind}-started", service, f"pid {child.pid}")

    def _start_control(self) -> subprocess.Popen[bytes] | None:
        lock = claim(self._run / "control.lock")
        if lock is None:
            # Something of the former control plane still holds the home; it ends before another one starts.
            for pid in holders(self._run / "control.lock"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._control.start_at = time.monotonic() + 0.05
            return None
        try:
            if not self._was_ready:
                (self._run / "control.ready").unlink(missing_ok=True)
            # In a session of its own: Ctrl-C on the terminal reaches the launcher alone.
            return subprocess.Popen(
                self._control.argv,
                stdin=subprocess.DEVNULL,
                pass_fds=(lock,),
                start_new_session=True,
            )
        finally:
            os.close(lock)

    def _start_engine(self, service: Service) -> subprocess.Popen[bytes]:
        with Path(service.log).open("ab") as log:
            return subprocess.Popen(
                service.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )

    def _read_engines(self) -> None:
        """Follows engines.json: adopts or starts what is new, stops what is gone; USR1 ends all waiting."""
        if self._hurry:
            self._hurry = False
            for service in self._engines.values():
                service.start_at = 0.0
        try:
            status = (self._run / "engines.json").stat()
        except OSError:
            return
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen == self._engines_seen:
            return
        self._engines_seen = seen
        content = self._read_json("engines.json")
        if "engines" not in content:
            return
        entries = {str(entry["name"]): entry for entry in content["engines"]}
        for name in self._engines.keys() - entries.keys():
            self._stop([self._engines.pop(name)])
        for name, entry in entries.items():
            service = self._engines.setdefault(name, Service(name))
            service.argv, service.log = tuple(entry["argv"]), str(entry["log"])
            service.master_socket = str(entry["master_socket"])
            if service.running is None:
                self._adopt_engine(service)

    def _adopt_control(self) -> None:
        """Takes over a control plane that outlived its launcher; ends it if it was started in another way."""
        lock = claim(self._run / "control.lock")
        if lock is not None:
            os.close(lock)
            return
        former = self._former.get("control", {})
        pids = holders(self._run / "control.lock")
        pid = former["pid"] if former.get("pid") in pids else min(pids, default=0)
        running = Running.adopt(pid) if pid else None
        if running is None:
            return
        if pid == former.get("pid") and tuple(former["argv"]) == self._control.argv:
            self._control.running, self._control.adopted, self._was_ready = running, True, True
            self._record()
            self._note("control-adopted", self._control, f"pid {pid}")
            return
        running.send(signal.SIGTERM)
        running.ended(within=STOP_SECONDS)
        running.send(signal.SIGKILL)
        running.reap()

    def _adopt_engine(self, service: Service) -> None:
        """Takes over an engine that runs: its master socket answers, its program is the one we would start.

        What the record names must be the same process (start time). One that was started but does not answer
        within two seconds is ended: a second engine could not bind its addresses.
        """
        program = os.path.realpath(service.argv[0])
        former = self._former.get(service.name, {})
        recorded = Running.adopt(former["pid"], former["start"]) if former else None
        until = time.monotonic() + (2.0 if recorded else 0.0)
        answer, pid = ask(service.master_socket, "show proc")
        while not answer and time.monotonic() < until:
            time.sleep(0.02)
            answer, pid = ask(service.master_socket, "show proc")
        if recorded is not None and (not answer or pid != recorded.pid):
            if not answer and executable(recorded.pid) == program:
                recorded.send(signal.SIGKILL)
            recorded.reap()
            recorded = None
        if answer and executable(pid) == program:
            service.running = recorded or Running.adopt(pid)
        if service.running is not None:
            service.adopted = True
            self._record()
            self._note("engine-adopted", service, f"pid {pid}")

    def _note_ends(self, services: Iterable[Service]) -> int | None:
        """Notes which of `services` ended and plans their next start; the control plane's exit status."""
        control_status = None
        for service in services:
            if service.running is None or not service.running.ended():
                continue
            lived = time.monotonic() - service.running.started_at
            status, phrase = service.running.reap()
            service.running = None
            service.plan_start(lived)
            self._note(f"{service.kind}-exited", service, phrase)
            if service is self._control:
                control_status = status
                self._was_ready = self._was_ready or (self._run / "control.ready").exists()
                if status == STATUS_DO_NOT_RESTART:
                    service.start_at = float("inf")
        return control_status

    def _stop(self, services: list[Service]) -> None:
        """Ends processes in order: no new work, 8 s to finish, then TERM and KILL; a further signal kills."""
        stops_before = self._stops
        until = time.monotonic() + STOP_SECONDS
        told: set[str] = set()

        def remain() -> bool:
            self._note_ends(services)
            return any(service.running for service in services)

        while remain() and time.monotonic() < until and self._stops == stops_before:
            for service in services:
                if service.name not in told and service.can_be_told():
                    # HAProxy's master passes USR1 on: listeners close at once, what runs is finished.
                    service.send(signal.SIGUSR1 if service.master_socket else signal.SIGTERM)
                    told.add(service.name)
                elif service.running is not None and service.master_socket and service.is_idle():
                    service.send(signal.SIGTERM)
            self._wait(services, 0.05)
        if remain() and self._stops == stops_before:
            for service in services:
                service.send(signal.SIGTERM)
            self._wait(services, 0.5)
        while remain():
            for service in services:
                service.send(signal.SIGKILL)
            self._wait(services, 0.1)

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self._run / name).read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _record(self) -> None:
        """Writes down who runs, for the launcher that comes after a `kill -9` of this one."""
        children = {
            service.name: {"pid": pid, "start": start_ticks(pid), "argv": service.argv}
            for service in self._services()
            if service.running is not None and (pid := service.running.pid)
        }
        content = {"pid": os.getpid(), "start": start_ticks(os.getpid()), "children": children}
        new = self._run / "launcher.json.new"
        with contextlib.suppress(OSError):  # a full disk must not stop the launcher
            new.write_text(json.dumps(content))
            new.rename(self._run / "launcher.json")

    def _note(self, what: str, service: Service, detail: str) -> None:
        path = self._run / "launcher-events.jsonl"
        with contextlib.suppress(OSError):
            if path.stat().st_size > JOURNAL_BYTES:
                path.rename(self._run / "launcher-events.jsonl.1")
        line = json.dumps({"time": time.time(), "what": what, "name": service.name, "detail": detail})
        with contextlib.suppress(OSError), path.open("a") as file:
            file.write(line + "\n")

    def _rotate_logs(self) -> None:
        """Keeps each engine's log and one former part; engines append, so it can be emptied under them."""
        for service in self._engines.values():
            with contextlib.suppress(OSError):
                if Path(service.log).stat().st_size > LOG_BYTES:
                    shutil.copyfile(service.log, f"{service.log}.1")
                    os.truncate(service.log, 0)


def command(home: Path, control: Sequence[str]) -> list[str]:
    """The command line that `pointsman run` turns into: a launcher for `home` and its control plane."""
    # -P: the directory one happens to be in must not provide modules.
    return [sys.executable, "-P", "-m", "pointsman.launcher", "--home", str(home), "--", *control]


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m pointsman.launcher --home HOME -- COMMAND...`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="pointsman.launcher")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("control", nargs="+")
    options = parser.parse_args(arguments)
    os.umask(0o077)  # also for what it starts: logs and sockets belong to the owner alone
    run = options.home.resolve() / "run"
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = claim(run / "launcher.lock")
    except OSError as error:
        print(f"pointsman: {run}: {error}; make it writable or name another --home", file=sys.stderr)
        return STATUS_HOME_IN_USE
    if lock is None:
        print(
            f"pointsman: {run.parent} is used by a running instance; stop it or name another --home",
            file=sys.stderr,
        )
        return STATUS_HOME_IN_USE
    return Launcher(run.parent, options.control).run()


if __name__ == "__main__":
    sys.exit(main())
