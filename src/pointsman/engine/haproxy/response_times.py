"""Hears from the engine how long requests took, and tells it how many of them to tell of.

Invariant: the engine never waits for us (it sends datagrams and drops what is not taken), and whatever arrives costs
bounded memory and time: a thread takes lines off the socket, whose queue holds ten on many machines, the rest is
done when asked. What is no line of ours is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from pointsman.compiler.haproxy.response_times import LINE_BYTES, SHARE, SHARE_VARIABLE
from pointsman.engine.haproxy.account import RUN, Account
from pointsman.engine.haproxy.socket import Conversation, EngineUnreachable
from pointsman.schema.sample import Answered

ENOUGH = 200
"""Lines a second, over all frontends, above which fewer are asked for."""
AIM = 150
FEW = 100
"""Below so many lines a second more are asked for, where there are more to tell."""
MOST_SHARE = 10_000
LEAST_SHARE = 10
"""Hundredths of a line a second and frontend."""
WAITING = 4000
"""Lines that are kept until they are asked for."""
_FLOODED_SECONDS = 0.05
_ROOT = Account(0, 0)
_LONGEST_WEIGHT = 10**9
_NAME = rb"([A-Za-z0-9_.:-]{1,120})"
_TIME = rb"(-1|\d{1,9})"
_LINE = re.compile(
    rb"(\d{1,9}) "
    + _NAME
    + rb"~? "
    + _NAME
    + rb" (-1|\d{1,3}) "
    + b" ".join([_TIME] * 5)
    + rb" (\d{1,12}) (\d{1,12})\n?"
)


def parse(line: bytes) -> tuple[Answered, int, int] | None:
    """What a line tells, the worker that sent it and the share it was drawn at; None when it is none or tells of no
    answer: the engine itself answered, or the client left.
    """
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    listener, pool = found[2].decode(), found[3].decode()
    worker, status, received, queued, connected, responded, whole, rate, share = (
        int(found[index]) for index in (1, *range(4, 12))
    )
    if pool == listener or not share or not rate:
        return None
    if responded >= 0:
        waited = max(0, queued) + max(0, connected) + responded
    elif status >= 500 and whole >= 0:
        waited = responded = max(0, whole - max(0, received))
    else:
        return None
    weight = min(_LONGEST_WEIGHT, max(100, rate * 100 // share))
    return Answered(listener, pool, waited, responded, weight), worker, share


class Share:
    """How many lines each frontend may send. `wanted` is in hundredths of a line a second."""

    def __init__(self) -> None:
        self.wanted = SHARE

    def heard(self, lines: int, seconds: float, *, thinned: bool) -> None:
        """Takes in how many lines came in that time, and whether any of them stood for more than its own request."""
        rate = lines / max(seconds, 0.1)
        if rate > ENOUGH:
            self.wanted = max(LEAST_SHARE, int(self.wanted * AIM / rate))
        elif rate < FEW and thinned:
            self.wanted = min(MOST_SHARE, self.wanted * 3 // 2 + 1)


def socket_path(home: Path, whole: Account | None, worker: Account) -> Path:
    """Where the worker of a home's engine can write to, and replace nothing: `whole` is whom the engine runs as from
    its start on, `worker` whom its worker becomes (user 0: nobody else).

    That is the engine's directory, unless the home is closed to the worker; then it is one of root's in /run.
    """
    if whole is not None or not worker.user:
        return home / "engine" / "times.sock"
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(f"/run/pointsman-{digest}") / "times.sock"


class ResponseTimes:
    """The socket on which the engine of one home tells. `whole` and `worker` are whom it runs as, as above."""

    def __init__(self, home: Path, whole: Account | None = None, worker: Account = _ROOT) -> None:
        self.path = socket_path(home, whole, worker)
        self._own_directory = self.path.parent != home / "engine"
        self._worker = home / RUN / "worker.sock"
        self._account = whole or (worker if worker.user else None)
        self._lines: deque[bytes] = deque(maxlen=WAITING)
        self._socket: socket.socket | None = None
        self._taken_at = time.monotonic()
        self._share = Share()
        self._told: set[int] = set()
        self._untold: set[int] = set()

    def open(self) -> None:
        """Begins to listen. Raises OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._own_directory and self._account is not None:
            self._account.share(self.path.parent)
        self.path.unlink(missing_ok=True)
        here = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            here.bind(str(self.path))
            if self._account is None:
                self.path.chmod(0o600)
            else:
                self._account.let_write(self.path)
        except OSError:
            here.close()
            raise
        self._socket = here
        threading.Thread(target=self._receive, args=(here,), name="times", daemon=True).start()

    def close(self) -> None:
        """Ends listening; the engine's lines are then dropped by the kernel."""
        if self._socket is not None:
            here, self._socket = self._socket, None
            here.shutdown(socket.SHUT_RD)  # wakes the thread, which closes it
            if self._own_directory:
                with contextlib.suppress(OSError):
                    self.path.unlink()
                    self.path.parent.rmdir()

    @property
    def listens(self) -> bool:
        """Whether it was opened and not closed."""
        return self._socket is not None

    def _receive(self, here: socket.socket) -> None:
        with here:
            while self._socket is here:
                line = here.recv(LINE_BYTES)
                if len(self._lines) >= WAITING:
                    time.sleep(_FLOODED_SECONDS)  # and the kernel drops what comes meanwhile
                self._lines.append(line)

    def take(self) -> Sequence[Answered]:
        """What was told since the last call."""
        now = time.monotonic()
        count, thinned = 0, False
        answers: list[Answered] = []
        for _ in range(len(self._lines)):
            parsed = parse(self._lines.popleft())
            if parsed is None:
                continue
            answer, worker, share = parsed
            answers.append(answer)
            count += 1
            thinned = thinned or answer.weight > 100
            if share != self._share.wanted:
                self._untold.add(worker)
        before = self._share.wanted
        self._share.heard(count, now - self._taken_at, thinned=thinned)
        self._taken_at = now
        if self._share.wanted != before:
            self._told.clear()  # the next lines show who does not know
        return answers

    async def adjust(self) -> None:
        """Tells the worker that serves how many lines are wanted, where one was heard that does not know. One that
        finishes cannot be told, and is not tried again.
        """
        untold, self._untold = self._untold - self._told, set()
        if not untold:
            return
        self._told |= untold
        commands = (
            "experimental-mode on",  # which `set var` takes up to 2.8 at least
            f"set var {SHARE_VARIABLE} int({self._share.wanted})",
            "experimental-mode off",
        )
        try:
            async with asyncio.timeout(2):
                talk = await Conversation.open(self._worker)
                try:
                    await talk.ask_all(commands)
                finally:
                    talk.close()
        except (EngineUnreachable, TimeoutError):
            self._told.clear()  # once there is a worker again, its lines show that it must be told
