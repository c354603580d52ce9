"""Carries out what was answered.

Invariant: each part is one atomic write, the order that the control plane starts by is the last one, and repeating any
of them does no harm; so a run that is cut short is put right by another one.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from pointsman.identity.password import PasswordFile, UsersFileError
from pointsman.identity.user import ADMIN
from pointsman.private_file import sync, write_private
from pointsman.provision.configure import software
from pointsman.provision.configure.control_socket import Denied, NotRunning, ask_control
from pointsman.provision.configure.dialogue import Stopped
from pointsman.provision.configure.peer import join
from pointsman.provision.configure.questions import Answers
from pointsman.provision.order import write_order

INCOMING = Path("licence") / "incoming"
"""Where licence keys are put for the control plane to take, below the home."""


def carry_out(home: Path, answers: Answers) -> None:
    """Stores what was answered; nothing is started. Raises `Stopped`, `OSError`."""
    if answers.join is not None:
        join(answers.join)
    if answers.password:
        _set_password(home, answers.password)
    if answers.licence_key:
        content = answers.licence_key.encode()
        write_private(home / INCOMING / f"{hashlib.sha256(content).hexdigest()[:16]}.key", content)
    write_order(home, answers.order)


def _set_password(home: Path, password: str) -> None:
    if software.control_of(home) is not None:
        try:
            ask_control(home, "POST", "/password", {"user": ADMIN, "password": password})
        except (NotRunning, Denied) as error:
            raise Stopped(f"admin!password: could not be set: {error}") from None
        return
    path = home / "identity" / "users.json"
    try:
        passwords = PasswordFile.read(path) or PasswordFile(path, {})
    except UsersFileError as error:
        raise Stopped(str(error)) from None
    asyncio.run(passwords.set(ADMIN, password))
    (home / "admin-password").unlink(missing_ok=True)
    sync(home)
