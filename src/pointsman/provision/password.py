"""The administrator's first password: the given one as it is, or a generated one that the log tells once.

Invariant: a given password is written nowhere in clear; a generated one stands in the log before it holds, so that no
crash makes a password that nobody knows; an instance that has a password keeps it.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pointsman.provision.log import ProvisionLog
from pointsman.provision.outcome import CannotProvision, Exit
from pointsman.provision.variable import PASSWORD_LIMIT, Variables

_VARIABLE, _FILE = "ZEUS_PASS", "ZEUS_PASS_FILE"
_SHORT = 8
_READ_LIMIT = 4 * PASSWORD_LIMIT + 2


class FileUnusable(Exception):
    """The password's file cannot be used; the text names variable, file and remedy."""


def read_password_file(path: Path) -> str:
    """The first line of a file, without its end. Raises `FileUnusable`."""
    try:
        # Not blocking: somebody may have named a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileUnusable(f"{_FILE}: {path} is no regular file; name one")
            content = file.read(_READ_LIMIT)
    except OSError as error:
        raise FileUnusable(
            f"{_FILE}: {path} cannot be read ({error.strerror}); mount it, and let this user read it"
        ) from None
    first = content.partition(b"\n")[0].removesuffix(b"\r")
    try:
        # What is longer than any password may be cut within a character.
        line = first.decode("utf-8", "strict" if len(content) < _READ_LIMIT else "replace")
    except UnicodeDecodeError:
        raise FileUnusable(
            f"{_FILE}: the first line of {path} is not UTF-8; write the password in that encoding"
        ) from None
    if not line:
        raise FileUnusable(f"{_FILE}: the first line of {path} is empty; write the password there")
    if len(line) > PASSWORD_LIMIT:
        raise FileUnusable(
            f"{_FILE}: the first line of {path} has more than {PASSWORD_LIMIT} characters; choose a shorter password"
        )
    if any(character < " " or "\x7f" <= character < "\xa0" for character in line):
        raise FileUnusable(
            f"{_FILE}: the first line of {path} holds a control character; choose a password without"
        )
    return line


def set_first_password(home: Path, variables: Variables, log: ProvisionLog) -> None:
    """Gives `admin` a password unless there is one. Raises `CannotProvision`, `OSError`."""
    # Delayed: hashing is loaded only where a password is set.
    from pointsman.identity.password import (
        STRONG_ALPHABET,
        STRONG_LENGTH,
        generate_password,
    )
    from pointsman.identity.user import PasswordRefused, Users
    from pointsman.identity.user_file import UsersFileError

    if (home / "identity" / "users.json").exists():
        log.info("the password of 'admin' is set already and stays")
        return
    given = variables.password
    if variables.password_file:
        try:
            given = read_password_file(Path(variables.password_file))
        except FileUnusable as unusable:
            raise CannotProvision(Exit.VARIABLE, str(unusable)) from None
    password = given
    if given is not None:
        for remark in _remarks(_FILE if variables.password_file else _VARIABLE, given):
            log.warn(remark)
    if password is None:
        password = (
            generate_password(STRONG_LENGTH, STRONG_ALPHABET) if variables.strong else generate_password()
        )
        log.keep(f"generated the password of 'admin' (the last such line counts): {password}")
    try:
        asyncio.run(Users.open(home, on_event=lambda _: None, given=password))
    except (UsersFileError, PasswordRefused) as error:
        raise CannotProvision(Exit.INSTANCE, str(error)) from None
    if given is not None:
        log.info("the password of 'admin' is the given one")


def _remarks(name: str, password: str) -> Iterator[str]:
    """What to say of a password that was given in the variable `name`: never the password."""
    if len(password) < _SHORT or len(set(password)) < _SHORT // 2:
        yield f"{name}: the password is easy to guess; use a longer one where others can reach this instance"
    if password != password.strip():
        yield f"{name}: the password begins or ends with white space, which belongs to it"
