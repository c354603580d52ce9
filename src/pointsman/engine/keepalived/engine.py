"""Runs keepalived by way of the launcher: its configuration, the word that traffic is served, what it left behind.

Invariants: the configuration is replaced whole, after keepalived itself has read it through, and is read anew only when
it changed; keepalived starts with the word that nothing is served; an address that was ours and that nobody looks after
any more is taken away.

The word is the file `serving`, which keepalived follows. It stays as it is while the control plane is dead: an engine
that serves keeps its addresses. keepalived runs `check.sh` each second, which needs no Python: an engine that is gone
for two seconds loses them, whoever lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shlex
import signal
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from pointsman.compiler.keepalived.text import CHECK, FAULT, FILE, SERVING, WELL, handing
from pointsman.compiler.plan import Failover
from pointsman.engine.haproxy.account import RUN
from pointsman.engine.launcher import Launcher
from pointsman.engine.network import Held, addresses, remove
from pointsman.launcher.quiesce import keep_waiting, release, until_idle
from pointsman.private_file import write_private

NAME = "keepalived"
_ADDRESS = re.compile(r"^ +(\S+)/(32|128) dev (\S+) no_track$", re.MULTILINE)
_CHECK_SECONDS = 5.0
_ABANDONED_SECONDS = 1.0
"""How long an address may be there that keepalived should not have, or while it does not run."""
_GONE_SECONDS = 2.0
_TAKEN_SECONDS = 0.4
"""How long whoever comes next has to be heard before this machine counts again."""
_log = logging.getLogger(__name__)


class KeepalivedEngine:
    """The keepalived of one home. Call `start` first, and `tidy` now and then."""

    def __init__(self, home: Path, binary: Path) -> None:
        self._directory = home / "engine" / "keepalived"
        self._raised = home / "run" / "traffic-ips.json"
        self._binary = binary
        self._runtime = str(home / RUN / "worker.sock")
        self._master = home / RUN / "master.sock"
        self._launcher = Launcher(home)
        self._engine_pid = home / "run" / "haproxy.pid"
        self._text = ""
        self._abandoned: dict[Held, float] = {}
        self._entry: dict[str, object] = {
            "name": NAME,
            "argv": [
                *(str(binary), "-P", "-n", "-l", "-D", "-G"),
                *("-f", str(self._directory / FILE)),
                *("-p", str(self._directory / "keepalived.pid")),
                *("-r", str(self._directory / "vrrp.pid")),
            ],
            "log": str(home / "log" / "keepalived.log"),
            "leads": True,
            "quiet": {"runtime": self._runtime, "addresses": str(self._raised)},
            "files": {
                str(self._directory / "keepalived.pid"): None,
                str(self._directory / "vrrp.pid"): None,
                str(self._directory / SERVING): FAULT,
            },
        }

    @property
    def running(self) -> bool:
        """Whether keepalived runs now."""
        return self._launcher.child_pid(NAME) != 0

    def start(self, engine_program: str) -> None:
        """Makes the files and takes away what a keepalived left behind that runs no more. Raises OSError.

        `engine_program` is the name by which the traffic engine's process is known.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        script = (
            f"read -r pid < {shlex.quote(str(self._engine_pid))} && "
            f'read -r name < "/proc/$pid/comm" && [ "$name" = {shlex.quote(engine_program[:15])} ]\n'
        )
        write_private(self._directory / CHECK, script.encode(), durable=False)
        if self.running:
            with contextlib.suppress(OSError):
                self._text = (self._directory / FILE).read_text()
        else:
            self._write_serving(FAULT)
            self._remove(self._ours(self._recorded()))

    async def apply(self, failover: Failover) -> str:
        """Has keepalived do what `failover` says; what it says against it, "" when nothing. Raises OSError."""
        text = failover.configuration
        if not text:
            if self._text or any(entry.get("name") == NAME for entry in self._launcher.entries()):
                self._launcher.drop(NAME)
                self._text = ""
            return ""
        if text != self._text:
            for number in failover.instances:
                (self._directory / handing(number)).write_text(WELL)
            fresh = self._directory / f"{FILE}.new"
            write_private(fresh, text.encode(), durable=False)
            if complaint := await self._complaint(fresh):
                return complaint
            self._record([*self._recorded(), *_named(text)])
            fresh.replace(self._directory / FILE)
            self._text = text
            pid = self._launcher.child_pid(NAME)
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGHUP)
        if self._entry not in self._launcher.entries():
            self._launcher.put(self._entry)
        return ""

    def serve(self, well: bool) -> None:
        """Tells keepalived whether traffic is served here. Raises OSError."""
        wanted = WELL if well else FAULT
        if self._read_serving() != wanted:
            self._write_serving(wanted)

    async def hand_over(self, instances: Collection[int], addresses: Collection[str]) -> bool:
        """Gives instances with their addresses to whoever comes next, and lets the requests in work end before.

        Gives whether the addresses have gone. Raises OSError.
        """
        waiting = await asyncio.to_thread(keep_waiting, self._runtime, addresses)
        files = [self._directory / handing(number) for number in instances]
        try:
            if waiting:
                await asyncio.to_thread(until_idle, [str(self._master)], addresses)
            for file in files:
                file.write_text(FAULT)
            gone = await self._gone(addresses)
            await asyncio.sleep(_TAKEN_SECONDS)
            return gone
        finally:
            for file in files:
                file.write_text(WELL)
            release(waiting)

    async def _gone(self, addresses: Collection[str]) -> bool:
        until = time.monotonic() + _GONE_SECONDS
        while self.held(addresses):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.01)
        return True

    def held(self, wanted: Iterable[str]) -> frozenset[str]:
        """Which of these addresses this machine has now. Raises OSError."""
        return frozenset(wanted) & {held.address for held in addresses()}

    def tidy(self) -> None:
        """Takes away addresses of ours that no keepalived has looked after for a second. Raises OSError."""
        recorded = self._recorded()
        if not recorded:
            return
        cared = {address for address, _ in _named(self._text)} if self.running else set()
        strays = [held for held in self._ours(recorded) if held.address not in cared]
        now = time.monotonic()
        self._abandoned = {held: self._abandoned.get(held, now) for held in strays}
        overdue = [held for held, since in self._abandoned.items() if now - since >= _ABANDONED_SECONDS]
        self._remove(overdue)
        if not strays and {address for address, _ in recorded} != cared:
            self._record(_named(self._text) if cared else [])

    async def _complaint(self, path: Path) -> str:
        """What keepalived says against a configuration that it would not take."""
        process = await asyncio.create_subprocess_exec(
            self._binary,
            *("-t", "-f", path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                said, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            return "keepalived did not read its configuration in time"
        if process.returncode == 0:
            return ""
        return " ".join(said.decode(errors="replace").replace(f"{path}: ", "").split()) or "it gave no reason"

    def _ours(self, recorded: Iterable[tuple[str, int]]) -> list[Held]:
        wanted = set(recorded)
        return [held for held in addresses() if (held.address, held.length) in wanted]

    def _remove(self, strays: Iterable[Held]) -> None:
        for held in strays:
            try:
                remove(held)
            except OSError as error:
                _log.warning(
                    "the traffic IP %s cannot be taken from %s: %s", held.address, held.interface, error
                )
            else:
                _log.warning(
                    "the traffic IP %s was left on %s and is taken away", held.address, held.interface
                )

    def _recorded(self) -> list[tuple[str, int]]:
        """The addresses that keepalived may have raised."""
        try:
            return [(str(address), int(length)) for address, length in json.loads(self._raised.read_text())]
        except (OSError, ValueError, TypeError):
            return []

    def _record(self, raised: Iterable[tuple[str, int]]) -> None:
        write_private(self._raised, json.dumps(sorted(set(raised))).encode(), durable=False)

    def _read_serving(self) -> str:
        with contextlib.suppress(OSError):
            return (self._directory / SERVING).read_text()
        return ""

    def _write_serving(self, word: str) -> None:
        # In place: keepalived follows the file, and a word is short enough to be written at once.
        (self._directory / SERVING).write_text(word)


def _named(text: str) -> list[tuple[str, int]]:
    """The addresses that a configuration raises, with the lengths of their prefixes."""
    return [(address, int(length)) for address, length, _ in _ADDRESS.findall(text)]
