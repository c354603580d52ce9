"""The launcher's loop: starts what shall run, waits for ends and signals, stops in order.

Invariants: nothing runs twice; while HOME/hold exists nothing is started; a process that ends is started again unless
it was told to end or its status says that there is no point.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from pointsman.launcher.engines import adopt_engine, adopt_recorded, bare_environment
from pointsman.launcher.process import Running, claim, holders, reap_orphans
from pointsman.launcher.quiesce import keep_waiting, release, until_idle
from pointsman.launcher.record import Record
from pointsman.launcher.service import CONTROL, Service
from pointsman.launcher.status import STATUS_DO_NOT_RESTART, STATUS_HOPELESS

STOP_SECONDS = 8.0
POLL_SECONDS = 0.4
LEAD_SECONDS = 0.2
"""How long before the others an engine is told to end that brings them their traffic."""
LOG_BYTES = 8 << 20


class Launcher:
    """The loop. One instance a process; the caller holds HOME/run/launcher.lock."""

    def __init__(self, home: Path, control: Sequence[str]) -> None:
        self._hold = home / "hold"
        self._run = home / "run"
        self._record = Record(self._run)
        self._control = Service(CONTROL, tuple(control))
        self._engines: dict[str, Service] = {}
        self._keeps_trying = False
        """Whether every end of the control plane is followed by a start: it was ready once, or was held."""
        self._stops = 0
        self._hurry = False
        self._renew = False
        self._former = self._record.former()
        self._wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._on_signal)

    def run(self) -> int:
        """Keeps everything running until it is told to stop; returns the launcher's exit status."""
        self._follow_engines()
        self._adopt_control()
        self._record.write(self._services())
        while not self._stops:
            if self._is_held():
                self._keep_held()
                continue
            for service in self._services():
                if service.running is None and service.start_at <= time.monotonic():
                    self._start(service)
            starts = [service.start_at for service in self._services() if service.running is None]
            self._wait(self._services(), min([POLL_SECONDS, *(at - time.monotonic() for at in starts)]))
            self._follow_engines()
            self._renew_control()
            status = self._note_ends(self._services())
            if status is not None and status in STATUS_HOPELESS and not self._keeps_trying:
                self._stop([engine for engine in self._engines.values() if not engine.adopted])
                return status
            self._rotate_logs()
        self._stop(self._services())
        self._record.remove()
        return 0

    def _services(self) -> list[Service]:
        return [self._control, *self._engines.values()]

    def _on_signal(self, number: int, _frame: object) -> None:
        if number == signal.SIGUSR1:
            self._hurry = True
        elif number == signal.SIGUSR2:
            self._renew = True
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

    # Starting

    def _start(self, service: Service) -> None:
        try:
            child = self._start_control() if service is self._control else self._start_engine(service)
        except (OSError, subprocess.SubprocessError) as error:
            service.plan_start(0)
            self._note("exited", service, f"cannot be started: {error}")
            return
        if child is not None:
            service.take(Running(child.pid, os.pidfd_open(child.pid), time.monotonic(), child), adopted=False)
            self._record.write(self._services())
            self._note("started", service, f"pid {child.pid}")

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
            if not self._keeps_trying:
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
        service.heed()
        change = None
        for path, content in service.files.items():
            if content is None:
                Path(path).unlink(missing_ok=True)
            else:
                Path(path).write_text(content)
        if service.user is not None:
            # Imported only where it is needed: it takes the C library, and a launcher should take little.
            from pointsman.launcher.privilege import become, clear

            clear(Path(service.master_socket).parent, service.user)
            change = partial(become, service.user, service.group, service.capabilities)
        with Path(service.log).open("ab") as log:
            return subprocess.Popen(
                service.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=bare_environment(),
                cwd="/",
                start_new_session=True,
                preexec_fn=change,  # noqa: PLW1509 # the launcher has one thread
            )

    # Following what is asked

    def _follow_engines(self, *, again: bool = False) -> None:
        """Follows engines.json: adopts or starts what is new, stops what is gone; USR1 ends all waiting."""
        if self._hurry:
            self._hurry = False
            for service in self._engines.values():
                service.start_at = 0.0
        entries = self._record.engines(again=again)
        if entries is None:
            return
        for name in self._engines.keys() - entries.keys():
            self._stop([self._engines.pop(name)])
            self._record.write(self._services())
        for name, entry in entries.items():
            service = self._engines.setdefault(name, Service(name))
            service.entry = entry
            if service.running is None:
                service.heed()
                self._adopt_engine(service)

    def _adopt_engine(self, service: Service) -> None:
        former = self._former.get(service.name, {})
        programs = {service.argv[0], *former.get("argv", ())[:1]}
        if not service.master_socket:
            running = adopt_recorded(programs, former)
            if running is not None:
                service.take(running, adopted=True)
                self._record.write(self._services())
                self._note("adopted", service, f"pid {running.pid}")
            return
        # One that was started by another entry answers where that said.
        for path in dict.fromkeys(
            (former.get("master_socket") or service.master_socket, service.master_socket)
        ):
            running = adopt_engine(programs, path, former)
            if running is None:
                continue
            service.master_socket = path
            service.take(running, adopted=True)
            self._record.write(self._services())
            self._note("adopted", service, f"pid {running.pid}")
            return

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
            self._control.take(running, adopted=True)
            self._keeps_trying = True
            self._record.write(self._services())
            self._note("adopted", self._control, f"pid {pid}")
            return
        running.send(signal.SIGTERM)
        running.ended(within=STOP_SECONDS)
        running.send(signal.SIGKILL)
        running.reap()

    def _renew_control(self) -> None:
        """Restarts the control plane when USR2 has come; one that does not end in time is killed."""
        if self._renew:
            self._renew = False
            self._control.start_at_once()
            self._control.leave(STOP_SECONDS)
        self._control.end_overdue()

    def _is_held(self) -> bool:
        with contextlib.suppress(OSError):  # a disk that cannot be read is no wish to stop
            return self._hold.exists()
        return False

    def _keep_held(self) -> None:
        """Stops everything and starts nothing until HOME/hold is gone or the launcher is told to stop."""
        self._record.note("launcher-held", "", f"{self._hold} exists")
        self._stop(self._services())
        with contextlib.suppress(OSError):  # who removes HOME/hold can wait for a new one
            (self._run / "control.ready").unlink(missing_ok=True)
        self._engines.clear()
        self._record.write(self._services())
        while self._is_held() and not self._stops:
            self._wait((), POLL_SECONDS)
            reap_orphans(())
        if self._stops:
            return
        self._record.note("launcher-released", "", f"{self._hold} is gone")
        self._keeps_trying = True  # people are at work here: an error of theirs must not end the container
        self._renew = False
        self._control.start_at_once()
        self._follow_engines(again=True)

    # Ends

    def _note_ends(self, services: Iterable[Service]) -> int | None:
        """Notes which of `services` ended and plans their next start; the status of a control plane that failed."""
        control_status = None
        services = list(services)
        known = [*self._services(), *services]
        reap_orphans([service.running.pid for service in known if service.running is not None])
        for service in services:
            if service.running is None or not service.running.ended():
                continue
            lived = time.monotonic() - service.running.started_at
            status, phrase = service.running.reap()
            service.running = None
            if service is self._control:
                self._keeps_trying = self._keeps_trying or (self._run / "control.ready").exists()
            if service.leave_by is not None:
                self._note("stopped", service, phrase)
                continue
            service.plan_start(lived)
            self._note("exited", service, phrase)
            if service is self._control:
                control_status = status
                if status == STATUS_DO_NOT_RESTART:
                    service.start_at = float("inf")
        return control_status

    def _stop(self, services: list[Service]) -> None:
        """Ends processes in order: no new work, 8 s to finish, then TERM and KILL; a second signal kills."""
        leading = [service for service in services if service.leads and service.running is not None]
        waiting = self._quiet(leading, services) if len(leading) < len(services) else ()
        try:
            self._end(leading, services)
        finally:
            release(waiting)

    def _quiet(self, leading: list[Service], services: list[Service]) -> tuple[socket.socket, ...]:
        """Keeps new connections waiting at the addresses that are about to move, and lets the others finish."""
        waiting: tuple[socket.socket, ...] = ()
        moving: set[str] = set()
        for service in leading:
            if service.quiet is not None:
                runtime, file = service.quiet
                with contextlib.suppress(OSError, ValueError, TypeError):
                    addresses = {str(address) for address, _ in json.loads(Path(file).read_text())}
                    waiting += keep_waiting(runtime, addresses)
                    moving |= addresses
        if waiting:
            masters = [
                service.master_socket for service in services if service.running and service.master_socket
            ]
            until_idle(masters, moving, lambda: self._stops > 1)
        return waiting

    def _end(self, leading: list[Service], services: list[Service]) -> None:
        for service in leading:
            service.leave(STOP_SECONDS)
        if leading and len(leading) < len(services) and self._stops <= 1:
            self._lead(leading)
        until = time.monotonic() + STOP_SECONDS

        def remain() -> bool:
            self._note_ends(services)
            return any(service.running for service in services)

        while remain() and time.monotonic() < until and self._stops <= 1:
            for service in services:
                if service.leave_by is not None:
                    service.end_idle()
                service.leave(STOP_SECONDS)
            self._wait(services, 0.05)
        if remain() and self._stops <= 1:
            for service in services:
                service.send(signal.SIGTERM)
            self._wait(services, 0.5)
        while remain():
            for service in services:
                service.send(signal.SIGKILL)
            self._wait(services, 0.1)

    def _lead(self, leading: list[Service]) -> None:
        """Gives those that go first a moment to turn traffic away."""
        until = time.monotonic() + LEAD_SECONDS
        while time.monotonic() < until and any(service.running for service in leading) and self._stops <= 1:
            self._note_ends(leading)
            self._wait(leading, until - time.monotonic())

    def _note(self, what: str, service: Service, detail: str) -> None:
        self._record.note(f"{service.kind}-{what}", service.name, detail)

    def _rotate_logs(self) -> None:
        """Keeps each engine's log and one former part; engines append, so it can be emptied under them."""
        for service in self._engines.values():
            with contextlib.suppress(OSError):
                if Path(service.log).stat().st_size > LOG_BYTES:
                    shutil.copyfile(service.log, f"{service.log}.1")
                    os.truncate(service.log, 0)
