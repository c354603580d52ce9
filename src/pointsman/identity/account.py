"""What is known of one user: the hash of the password, groups, whether suspended, the second factor, preferences.

Pure. Invariant: an account that was written is read as it was; one of an earlier version, which is a hash alone, is a
user without groups. The second factor is never part of an account's representation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GROUP_LIMIT = 100
"""Groups of one user at most."""
PREFERENCES_LIMIT = 8192
"""Characters of one user's preferences at most."""
FORMER_LIMIT = 254
"""Former passwords of one user at most."""


@dataclass(frozen=True)
class Factor:
    """A second factor: `secret` in base32, "" for none; `recovery` are the digests of the codes that are left.

    `api_without_code` says that programs, which cannot give a code, may log in with the password alone.
    """

    secret: str = ""
    recovery: tuple[str, ...] = ()
    api_without_code: bool = False


@dataclass(frozen=True)
class Account:
    """One user.

    `password` is a hash, `changed` when it was set in Unix seconds (0: not known), `preferences` what the user chose
    for pages. `former` are the hashes of earlier passwords that must not come back yet, the last one first, and
    `own_changes` when the user changed the password, as far as a limit asks. `step` is the time step of the last code
    that was used, `spent` are the digests of recovery codes that were used.
    """

    password: str = field(repr=False)
    groups: tuple[str, ...] = ()
    suspended: bool = False
    changed: int = 0
    factor: Factor = field(default=Factor(), repr=False)
    preferences: Mapping[str, str] = field(default_factory=dict)
    former: tuple[str, ...] = field(default=(), repr=False)
    own_changes: tuple[int, ...] = ()
    step: int = 0
    spent: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The account as one text for a backup, which holds secrets: the hash alone where there is nothing else."""
        return self.password if self == Account(self.password) else json.dumps(self.encoded())

    def encoded(self) -> dict[str, Any]:
        """What JSON has of it; what is as in an account without anything is left out."""
        found: dict[str, Any] = {"password": self.password}
        if self.groups:
            found["groups"] = list(self.groups)
        if self.suspended:
            found["suspended"] = True
        if self.changed:
            found["changed"] = self.changed
        if self.preferences:
            found["preferences"] = dict(self.preferences)
        if self.former:
            found["former"] = list(self.former)
        if self.own_changes:
            found["own_changes"] = list(self.own_changes)
        if self.step:
            found["step"] = self.step
        if self.spent:
            found["spent"] = list(self.spent)
        if self.factor.secret:
            found["factor"] = {
                "secret": self.factor.secret,
                "recovery": list(self.factor.recovery),
                "api_without_code": self.factor.api_without_code,
            }
        return found


_NOTHING: Mapping[str, Any] = {
    "groups": [],
    "suspended": False,
    "changed": 0,
    "preferences": {},
    "factor": {},
    "former": [],
    "own_changes": [],
    "step": 0,
    "spent": [],
}


def read_account(data: Mapping[str, Any]) -> Account:
    """The account that was encoded. Raises `ValueError` for something else."""
    match {**_NOTHING, **data}:
        case {
            "password": str(password),
            "groups": list(groups),
            "suspended": bool(suspended),
            "changed": int(changed),
            "preferences": dict(preferences),
            "factor": dict(factor),
            "former": list(former),
            "own_changes": list(own_changes),
            "step": int(step),
            "spent": list(spent),
            **others,
        } if (
            not others
            and len(groups) <= GROUP_LIMIT
            and len(former) <= FORMER_LIMIT
            and all(
                isinstance(one, str)
                for one in (*groups, *preferences, *preferences.values(), *former, *spent)
            )
            and all(isinstance(one, int) for one in own_changes)
        ):
            return Account(
                password,
                tuple(groups),
                suspended,
                changed,
                _factor(factor),
                preferences,
                tuple(former),
                tuple(own_changes),
                step,
                tuple(spent),
            )
    raise ValueError("an account has another form")


def account_of(text: str) -> Account:
    """The account of a backup's text. Raises `ValueError`."""
    if not text.startswith("{"):
        return Account(text)
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("an account has another form")
    return read_account(data)


def _factor(data: Mapping[str, Any]) -> Factor:
    match {"recovery": [], "api_without_code": False, **data}:
        case {
            "secret": str(secret),
            "recovery": list(recovery),
            "api_without_code": bool(alone),
            **others,
        } if not others and all(isinstance(one, str) for one in recovery):
            return Factor(secret, tuple(recovery), alone)
        case _ if not data:
            return Factor()
    raise ValueError("a second factor has another form")


def differs(before: Account | None, after: Account | None) -> bool:
    """Whether somebody who logged in as the one must log in again as the other."""

    def core(account: Account) -> Account:
        return Account(
            account.password, account.groups, account.suspended, factor=Factor(account.factor.secret)
        )

    return (before and core(before)) != (after and core(after))
