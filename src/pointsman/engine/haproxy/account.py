"""Whom the engine runs as: a Unix user without rights of its own, who can reach what it needs and nothing else.

Invariant: below the home that user can enter `engine` alone, change nothing there but the sockets in `engine/run`, and
read nothing that belongs to the control plane. Where any of that cannot be had, the reason is told and the engine runs
as who started it (its worker still gives up root where that is possible).
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65_534
"""The Unix user and group without rights of its own, by Linux's convention."""
RUN = Path("engine") / "run"
"""Where the engine's sockets are, below the home."""
CAPABILITIES = ("net_bind_service",)
"""What an engine needs of root, for ports below 1024. Transparent binds need nothing more: HAProxy then binds with
IP_FREEBIND, which is free to all.
"""
_CAPABILITY_NUMBERS = {"chown": 0, "kill": 5, "setgid": 6, "setuid": 7}
"""What we need to start and signal an engine of another user (linux/capability.h)."""


class AccountUnknown(Exception):
    """A Unix user or group that this machine does not have; the text names the remedy."""


@dataclass(frozen=True)
class Account:
    """A Unix user and group, by number."""

    user: int
    group: int

    def share(self, path: Path) -> None:
        """Lets the group read a file, or enter a directory, of ours. Raises OSError."""
        os.chown(path, -1, self.group)
        path.chmod(0o750 if path.is_dir() else 0o640)

    def let_write(self, path: Path) -> None:
        """Lets the group write to a socket of ours. Raises OSError."""
        os.chown(path, -1, self.group)
        path.chmod(0o660)


def find_account(user: str, group: str) -> Account:
    """The account of a user and a group, each by name or number. Raises `AccountUnknown`."""
    return Account(_user(user), _group(group))


def _user(name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        if name == "nobody":
            return NOBODY
    raise AccountUnknown(f"user {name!r}: is not a user of this machine; name one of /etc/passwd, or nobody")


def _group(name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        if name == "nogroup":
            return NOBODY
    raise AccountUnknown(
        f"group {name!r}: is not a group of this machine; name one of /etc/group, or nogroup"
    )


def open_home(home: Path, account: Account | None) -> None:
    """Makes the engine's directories, for `account` or for us alone. Raises OSError."""
    run = home / RUN
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account is None:
        if run.stat().st_uid != os.geteuid():
            os.chown(run, os.geteuid(), -1)
        run.chmod(0o700)
        run.parent.chmod(0o700)
        return
    if not home.stat().st_mode & stat.S_IXOTH:
        os.chown(home, -1, account.group)
        home.chmod(stat.S_IMODE(home.stat().st_mode) | stat.S_IXGRP)
    found = run.stat()
    if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) != (account.user, 0, 0o2770):
        # The owner's sockets get our group, so that we may speak to them without any right over files. While it is
        # still ours its mode can be changed; whoever gives it away loses that.
        os.chown(run, 0, 0)
        run.chmod(0o2770)
        os.chown(run, account.user, 0)
    engine = home / "engine"
    if engine.stat().st_gid != account.group or stat.S_IMODE(engine.stat().st_mode) != 0o750:
        for path in _below(
            engine, run
        ):  # generations from before; the directory itself last, as a sign that all is done
            account.share(path)
        account.share(engine)


def _below(engine: Path, run: Path) -> Iterable[Path]:
    for directory, names, files in os.walk(engine):
        if Path(directory) == engine:
            names[:] = [name for name in names if engine / name != run]
        for name in (*names, *files):
            path = Path(directory) / name
            if not path.is_symlink():
                yield path


def settle(home: Path, binary: Path, account: Account) -> str:
    """Opens the home for an engine that runs as `account`; why that cannot be, "" when it can. Raises OSError.

    Asks the kernel by becoming that user for a moment, in a child: call it before there are threads.
    """
    reason = _lacking()
    if not reason:
        try:
            open_home(home, account)
            reason = _ask_kernel(home, binary, account)
        except OSError as error:
            reason = f"{error.filename or home} cannot be opened for that user ({error.strerror})"
    if reason:
        open_home(home, None)
    return reason


def _lacking() -> str:
    """Which right to start and signal an engine of another user is missing, as a reason."""
    if os.geteuid() != 0:
        return "only root may start it as another user"
    lacking = sorted(name for name, number in _CAPABILITY_NUMBERS.items() if not _capable() >> number & 1)
    return f"this takes the capability {lacking[0].upper()}, which root does not have here" if lacking else ""


def _ask_kernel(home: Path, binary: Path, account: Account) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, os.fsencode(_try(home, binary, account)))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = os.fsdecode(pipe.read())
    os.waitpid(child, 0)
    return answer.removeprefix("+") if answer else "the trial to become that user failed"


def _try(home: Path, binary: Path, account: Account) -> str:
    """In the child: "+" when all is well, else "+" and the reason."""
    try:
        os.setgroups(())
        os.setgid(account.group)
        os.setuid(account.user)
    except OSError as error:
        return f"+the kernel does not let root become that user ({error.strerror})"
    if not os.access(binary, os.R_OK | os.X_OK):
        return f"+{_closed(binary)} is closed to that user; install HAProxy where everybody may run it"
    if not os.access(home / RUN, os.W_OK | os.X_OK):
        return f"+{_closed(home / RUN)} is closed to that user; `chmod o+x` it, or choose another home"
    return "+"


def _closed(path: Path) -> Path:
    """The first part of a path that this process cannot enter, or all of it."""
    return next((parent for parent in reversed(path.parents) if not os.access(parent, os.X_OK)), path)


def _capable() -> int:
    """The effective capabilities of this process, a bit for each."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
