"""Decides whom the engine runs as: whom the configure script was told, else `nobody`, where the machine permits it.

Invariant: an engine that keeps rights it does not need is told of in one line that names the obstacle.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pointsman.engine.haproxy.account import Account, AccountUnknown, find_account, open_home, settle
from pointsman.identity.machine import can_become
from pointsman.provision.order import Order

_ROOT = Account(0, 0)


@dataclass(frozen=True)
class EngineAccount:
    """Whom the engine runs as.

    `whole` is whom all its processes are from their start on (None: as the launcher), `worker` whom its worker becomes
    (user 0: nobody else), `remark` what the administrator should know of that.
    """

    whole: Account | None
    worker: Account
    remark: str = ""


def engine_account(home: Path, binary: Path, order: Order | None) -> EngineAccount:
    """Whom the engine of a home runs as, by what provisioning decided; opens the home for that user. Raises OSError."""
    if os.geteuid() != 0:
        open_home(home, None)
        return EngineAccount(None, _ROOT)
    name, group = (order.user, order.group) if order is not None else ("nobody", "nogroup")
    unknown = ""
    try:
        account = find_account(name, group)
    except AccountUnknown as error:
        name, unknown = "nobody", f"{error}; the traffic engine runs as nobody until then"
        account = find_account("nobody", "nogroup")
    if account.user == 0:
        open_home(home, None)
        remark = "the traffic engine runs as root, as it was told to; an unprivileged user is safer"
        return EngineAccount(None, _ROOT, remark)
    reason = settle(home, binary, account)
    if not reason:
        return EngineAccount(account, account, unknown)
    may_give_up = can_become(account.user)
    told = f"only its worker runs as {name}" if may_give_up else "all of it runs as root"
    remark = f"the traffic engine cannot run as {name}: {reason}; {told}"
    return EngineAccount(None, account if may_give_up else _ROOT, remark)
