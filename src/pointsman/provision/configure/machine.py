"""What the dialogue must know of the machine it runs on: names, addresses, users, files.

Invariant: asking changes nothing, and ends: looking up a name takes a few seconds at most.
"""

from __future__ import annotations

import contextlib
import grp
import ipaddress
import os
import pwd
import queue
import socket
import stat
import threading
from pathlib import Path
from typing import Protocol

from pointsman.identity.machine import machine_addresses
from pointsman.licence.key import SIZE_LIMIT, Refused, read_key
from pointsman.licence.trust import Trust
from pointsman.provision.configure.control_socket import Denied, NotRunning, ask_control
from pointsman.provision.configure.dialogue import Wrong
from pointsman.provision.configure.peer import AdminServer, admin_servers
from pointsman.provision.surroundings import outward_address

LOOKUP_SECONDS = 6.0


class Machine(Protocol):
    """The machine as the dialogue sees it."""

    def host_name(self) -> str:
        """What the machine calls itself."""

    def resolve(self, name: str) -> tuple[str, ...]:
        """Addresses that others could find the name at; empty when it cannot be resolved."""

    def addresses(self) -> tuple[str, ...]:
        """Addresses of the machine without loopback ones; the one of the default route is first."""

    def has_address(self, address: str) -> bool:
        """Whether a service can listen on that address here."""

    def other_names(self) -> tuple[str, ...]:
        """Names of the other traffic managers in the cluster, as far as the software runs and knows."""

    def user_number(self, name: str) -> int:
        """The number of a UNIX user; raises `Wrong`."""

    def group_number(self, name: str) -> int:
        """The number of a UNIX group; raises `Wrong`."""

    def licence_text(self) -> str:
        """The text of the product's licence."""

    def licence_key(self, path: str) -> str:
        """The verified licence key in a file; raises `Wrong`."""

    def admin_servers(self, host: str, port: int) -> tuple[AdminServer, ...]:
        """Those of the cluster of another machine, that machine first; raises `Wrong`."""


class ThisMachine:
    """The machine that the program runs on."""

    def __init__(self, zeus_home: Path) -> None:
        self._zeus_home = zeus_home
        self._home = zeus_home / "var"

    def host_name(self) -> str:
        """See `Machine`."""
        return socket.gethostname() or "localhost"

    def resolve(self, name: str) -> tuple[str, ...]:
        """See `Machine`; an address resolves to itself, loopback addresses do not count."""
        found: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                answers = []
            found.put([str(answer[4][0]).partition("%")[0] for answer in answers])

        # The resolver knows no deadline of ours; a thread that waits on is left behind.
        threading.Thread(target=look_up, daemon=True).start()
        try:
            addresses = found.get(timeout=LOOKUP_SECONDS)
        except queue.Empty:
            return ()
        return tuple(dict.fromkeys(a for a in addresses if not ipaddress.ip_address(a).is_loopback))

    def addresses(self) -> tuple[str, ...]:
        """See `Machine`."""
        first = outward_address()
        return tuple(sorted(machine_addresses(), key=lambda address: address != first))

    def has_address(self, address: str) -> bool:
        """See `Machine`."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family) as trial:
                trial.bind((address, 0))
        except OSError:
            return False
        return True

    def other_names(self) -> tuple[str, ...]:
        """See `Machine`; while nothing runs, the start itself refuses a name that is taken."""
        try:
            return tuple(map(str, ask_control(self._home, "GET", "/name")["others"]))
        except (NotRunning, Denied, KeyError, TypeError):
            return ()

    def user_number(self, name: str) -> int:
        """See `Machine`; a number of an existing user will do."""
        with contextlib.suppress(KeyError, ValueError, OverflowError):
            return pwd.getpwuid(int(name)).pw_uid if name.isdigit() else pwd.getpwnam(name).pw_uid
        raise Wrong(f"There is no UNIX user '{name}' on this machine. Please name one that exists.")

    def group_number(self, name: str) -> int:
        """See `Machine`; a number of an existing group will do."""
        with contextlib.suppress(KeyError, ValueError, OverflowError):
            return grp.getgrgid(int(name)).gr_gid if name.isdigit() else grp.getgrnam(name).gr_gid
        raise Wrong(f"There is no UNIX group '{name}' on this machine. Please name one that exists.")

    def licence_text(self) -> str:
        """See `Machine`; where the file is missing, where the text can be had."""
        try:
            return (self._zeus_home / "LICENSE").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return "Apache License, Version 2.0: https://www.apache.org/licenses/LICENSE-2.0\n"

    def licence_key(self, path: str) -> str:
        """See `Machine`; its issuer must be trusted here, or be the first one."""
        if not path.startswith("/"):
            raise Wrong("Please enter the full path of the file, from the first slash on.")
        try:
            # A pipe without a writer would hold us up.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    raise Wrong(f"{path}: is not a file. Please name the file with the licence key.")
                text = stream.read(SIZE_LIMIT + 1)
        except (OSError, ValueError) as error:  # ValueError: no path at all
            cause = error.strerror if isinstance(error, OSError) else error
            raise Wrong(f"{path}: cannot be read ({cause}). Please check path and permissions.") from None
        try:
            key = read_key(text)
        except Refused as error:
            raise Wrong(f"{path}: {error}.") from None
        if refusal := Trust(self._home).refusal(key):
            raise Wrong(f"{path}: {refusal}.")
        return text.decode("utf-8-sig")

    def admin_servers(self, host: str, port: int) -> tuple[AdminServer, ...]:
        """See `Machine`."""
        return admin_servers(host, port)


def may_configure(zeus_home: Path) -> bool:
    """Whether the caller is root or owns the installation."""
    return os.geteuid() == 0 or zeus_home.stat().st_uid == os.geteuid()
