"""The users of the cluster: one account for each, at every member.

Invariant: what was changed at one member is stored in the cluster before it counts there, and counts at each other
member as soon as the change arrives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.cluster.roster import Objects
from pointsman.identity.account import Account, Factor
from pointsman.identity.user import Users
from pointsman.schema.cluster import USERS
from pointsman.schema.problem import ObjectId
from pointsman.store import Change, Delete, Put


def user_changes(accounts: Mapping[str, Account]) -> list[Change]:
    """What stores users with their accounts."""
    return [Put(ObjectId(USERS.path, name), _settings(account)) for name, account in sorted(accounts.items())]


def user_change(name: str, account: Account | None) -> Change:
    """What stores one user, or deletes it."""
    return Delete(ObjectId(USERS.path, name)) if account is None else user_changes({name: account})[0]


def stored_users(objects: Objects) -> dict[str, Account]:
    """The users of the cluster; none on an instance that stands alone."""
    return {
        identity.name: _account(settings)
        for identity, settings in objects.items()
        if identity.type == USERS.path
    }


def _settings(account: Account) -> dict[str, Any]:
    basic: dict[str, Any] = {"password": account.password}
    if account.groups:
        basic["groups"] = list(account.groups)
    if account.suspended:
        basic["suspended"] = True
    if account.changed:
        basic["changed"] = account.changed
    if account.preferences:
        rows = [{"name": name, "value": value} for name, value in sorted(account.preferences.items())]
        basic["preferences"] = rows
    if account.former:
        basic["former"] = " ".join(account.former)
    if account.own_changes:
        basic["own_changes"] = " ".join(map(str, account.own_changes))
    if account.step:
        basic["step"] = account.step
    if account.spent:
        basic["spent"] = list(account.spent)
    factor = account.factor
    if not factor.secret:
        return {"basic": basic}
    kept: dict[str, Any] = {"enrolled": True, "secret": factor.secret, "recovery": " ".join(factor.recovery)}
    if factor.api_without_code:
        kept["api_without_code"] = True
    return {"basic": basic, "factor": kept}


def _account(settings: Mapping[str, Any]) -> Account:
    basic, factor = settings.get("basic", {}), settings.get("factor", {})
    spent = tuple(map(str, basic.get("spent", ())))
    return Account(
        str(basic.get("password", "")),
        tuple(map(str, basic.get("groups", ()))),
        bool(basic.get("suspended", False)),
        int(basic.get("changed", 0)),
        Factor(
            str(factor.get("secret", "")),
            # Of two that were used apart the later list still has the other one.
            tuple(code for code in str(factor.get("recovery", "")).split() if code not in spent),
            bool(factor.get("api_without_code", False)),
        ),
        {str(row["name"]): str(row["value"]) for row in basic.get("preferences", ())},
        tuple(str(basic.get("former", "")).split()),
        tuple(map(int, str(basic.get("own_changes", "")).split())),
        int(basic.get("step", 0)),
        spent,
    )


def _enrolled(settings: Mapping[str, Any]) -> bool:
    return bool(settings.get("factor", {}).get("enrolled", False))


class UserFollower:
    """Makes this instance's users those of the cluster."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._followed: dict[str, Account] = {}

    async def follow(self, objects: Objects) -> None:
        """Takes over what is stored, when it is something else than last time. Raises `OSError`."""
        wanted = stored_users(objects)
        # While a data key is on its way some cannot be read; nobody is to lose the login for that, nor its second step.
        readable = all(
            account.password and (account.factor.secret or not _enrolled(objects[ObjectId(USERS.path, name)]))
            for name, account in wanted.items()
        )
        if wanted and readable and wanted != self._followed:
            await self._users.adopt(wanted)
            self._followed = wanted
