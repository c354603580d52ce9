"""What an engine gets to know when it is started, how the launcher talks with it, and how it takes over one that runs
already.

Invariant: an engine counts as ours only when its master socket answers from a process that runs the program we would
start, or, where it has no such socket, when it is the very process that a launcher wrote down; it learns nothing of our
environment but what programs and libraries look for everywhere.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import time
from collections.abc import Collection, Mapping
from typing import Any

from pointsman.launcher.connections import clients_elsewhere
from pointsman.launcher.process import Running, runs

_ANSWER_SECONDS = 2.0
"""How long an engine that was started before us may take until its master answers."""

_LONGEST_ANSWER = 64 << 20
"""Bytes; sessions take some hundred each."""
_WHOLE_ANSWER_SECONDS = 5.0

_CLIENT = re.compile(r" src=(\S+) fe=vs-")
"""A client's session: the frontends of virtual servers are called so (`compiler.haproxy.name`). Those of other members'
engines, of runtime sockets and of the health page are never in work."""

_COMMON_VARIABLES = (
    *("PATH", "LD_LIBRARY_PATH", "TZ", "LANG", "LC_ALL", "TMPDIR"),
    *("OPENSSL_CONF", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


def bare_environment() -> dict[str, str]:
    """The environment for an engine: what documents may take secrets from (`envRef`) is none of its business."""
    return {name: os.environ[name] for name in _COMMON_VARIABLES if name in os.environ}


def ask(path: str, question: str) -> tuple[str, int]:
    """The answer of an engine's master socket and the master's pid; ("", 0) without an answer in 1 s.

    The engine is what clients reach: if it was taken over, it shall not hold up what outlives it.
    """
    answer = bytearray()
    until = time.monotonic() + _WHOLE_ANSWER_SECONDS
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(1.0)
        talk.connect(path)
        pid = struct.unpack("3i", talk.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        talk.sendall(question.encode() + b"\n")
        talk.shutdown(socket.SHUT_WR)  # without it the master keeps the connection open after its answer
        while part := talk.recv(65536):
            answer += part
            if len(answer) > _LONGEST_ANSWER or time.monotonic() > until:
                return "", 0
        return answer.decode(errors="replace"), pid
    return "", 0


def is_listening(master_socket: str) -> bool:
    """Whether the master hears: HAProxy (2.8) loses a signal that comes before its master's socket is up."""
    return ask(master_socket, "show proc")[0] != ""


def is_idle(master_socket: str, addresses: Collection[str] = ()) -> bool:
    """Whether an engine has no client's request in work, or none at these of its addresses; false when it does not
    answer.

    Connections that idly wait for a next request are no sessions and do not count: with
    `option idle-close-on-response` (HAProxy 2.8) they would otherwise hold the engine for minutes.
    """
    answer, _ = ask(master_socket, "show proc")
    workers = [words[0] for line in answer.splitlines() if (words := line.split())[1:2] == ["worker"]]
    told = [ask(master_socket, f"@!{worker} show sess")[0] for worker in workers]
    if not told or not all(" fe=" in each for each in told):  # the question itself is a session
        return False
    clients = {source for each in told for source in _CLIENT.findall(each)}
    # A client that a proxy in front told of is in none of the machine's connections, so it counts.
    return not clients or bool(addresses and clients <= clients_elsewhere(addresses))


def adopt_engine(programs: Collection[str], master_socket: str, former: Mapping[str, Any]) -> Running | None:
    """The engine that runs one of `programs` and answers on its master socket, or None.

    What `former`, a record of the last launcher, names must be the same process (start time). One that was started
    but does not answer within two seconds is ended: a second engine could not bind its addresses.
    """
    programs = {os.path.realpath(program) for program in programs}
    recorded = Running.adopt(former["pid"], former["start"]) if former else None
    until = time.monotonic() + (_ANSWER_SECONDS if recorded else 0.0)
    answer, pid = ask(master_socket, "show proc")
    while not answer and time.monotonic() < until:
        time.sleep(0.02)
        answer, pid = ask(master_socket, "show proc")
    if recorded is not None and (not answer or pid != recorded.pid):
        if not answer and runs(recorded.pid, programs):
            recorded.send(signal.SIGKILL)
        recorded.reap()
        recorded = None
    if answer and runs(pid, programs):
        return recorded or Running.adopt(pid)
    return None


def adopt_recorded(programs: Collection[str], former: Mapping[str, Any]) -> Running | None:
    """The engine without a master socket that `former`, a record of the last launcher, names; None without it."""
    programs = {os.path.realpath(program) for program in programs}
    if not former or not runs(former["pid"], programs):
        return None
    return Running.adopt(former["pid"], former["start"])
