"""Carries out what was answered.

Invariant: each part is one atomic write, the order that the control plane starts by is the last one, and repeating any
of them does no harm; so a run that is cut short is put right by another one.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from pointsman.identity.called import IdentityDamaged, Wish, wish_name
from pointsman.identity.user import ADMIN
from pointsman.identity.user_file import UserFile, UsersFileError
from pointsman.licence.holding import out_of_time
from pointsman.licence.incoming import drop
from pointsman.licence.key import Refused
from pointsman.licence.trust import Trust
from pointsman.private_file import sync
from pointsman.provision.configure import software
from pointsman.provision.configure.control_socket import Denied, NotRunning, ask_control
from pointsman.provision.configure.dialogue import Stopped
from pointsman.provision.configure.peer import join
from pointsman.provision.configure.questions import Answers
from pointsman.provision.order import MEMBER, read_order, write_order


def carry_out(home: Path, answers: Answers) -> str:
    """Stores what was answered; nothing is started. What to warn of, or "". Raises `Stopped`, `OSError`."""
    admitted = ""
    order = answers.order
    if answers.join is not None:
        join(home, order.name, answers.join)
        # The cluster's configuration rules.
        order = replace(order, base="", watched="")
    if answers.password:
        _set_password(home, answers.password)
    if answers.licence_key:
        admitted = _admit(home, answers.licence_key)
    # The edition may have been chosen on the page since the questions began.
    if (now := read_order(home)) is not None and now.state == "done" and now.community:
        order = replace(order, community=True)
    write_order(home, order)
    if order.name:
        _wish(home, order.name)
    return admitted


def _wish(home: Path, name: str) -> None:
    """Has the next start of the control plane rename an instance that has another name."""
    try:
        wish_name(home, Wish(name))
    except IdentityDamaged as error:
        raise Stopped(str(error)) from None


def _admit(home: Path, key: str) -> str:
    """Leaves a licence key for the control plane to take; what to warn of."""
    try:
        admitted = Trust(home).admit(key)
        drop(home, key)
    except Refused as error:
        raise Stopped(f"zxtm!license_key: {error}") from None
    why = out_of_time(admitted.licence, time.time())
    late = f"licence {admitted.licence.serial} is not valid: {why}" if why else ""
    return "; ".join(filter(None, (admitted.warning, late)))


def _set_password(home: Path, password: str) -> None:
    if software.control_of(home) is not None:
        try:
            ask_control(home, "POST", "/password", {"user": ADMIN, "password": password})
        except (NotRunning, Denied) as error:
            raise Stopped(f"admin!password: could not be set: {error}") from None
        return
    if (home / MEMBER).exists():
        raise Stopped(
            "admin!password: the password is the whole cluster's, and the software is stopped; start it and set the "
            "password then"
        )
    path = home / "identity" / "users.json"
    try:
        passwords = UserFile.read(path) or UserFile(path, {})
    except UsersFileError as error:
        raise Stopped(str(error)) from None
    asyncio.run(passwords.set(ADMIN, password))
    (home / "admin-password").unlink(missing_ok=True)
    sync(home)
