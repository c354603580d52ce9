"""Decides whom the engine runs as: whom the configure script was told, else `nobody`, where the machine permits it.

Invariant: an engine that keeps rights it does not need is told of in one line that names the obstacle.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from pointsman.engine.haproxy.account import Account, AccountUnknown, find_account, open_home, settle
from pointsman.identity.machine import can_become
from pointsman.provision.order import read_order

ROOT = Account(0, 0)
_log = logging.getLogger("pointsman")


def engine_account(home: Path, binary: Path) -> tuple[Account | None, Account]:
    """Whom the whole engine runs as (None: as the launcher), and whom its worker becomes (0: nobody else).

    Opens the home for that user. Raises OSError, and `OrderDamaged` when what was decided cannot be read.
    """
    order = read_order(home)
    if os.geteuid() != 0:
        open_home(home, None)
        return None, ROOT
    names = (order.user, order.group) if order is not None else ("nobody", "nogroup")
    try:
        account = find_account(*names)
    except AccountUnknown as error:
        _log.warning("%s; the traffic engine runs as nobody until then", error)
        account = find_account("nobody", "nogroup")
    if account.user == 0:
        _log.warning("the traffic engine runs as root, as it was told to; an unprivileged user is safer")
        open_home(home, None)
        return None, ROOT
    reason = settle(home, binary, account)
    if not reason:
        return account, account
    may_give_up = can_become(account.user)
    told = f"only its worker runs as {names[0]}" if may_give_up else "all of it runs as root"
    _log.warning("the traffic engine cannot run as %s: %s; %s", names[0], reason, told)
    return None, account if may_give_up else ROOT
