"""The step of a container's start that makes it a member of the cluster of `ZEUS_CLUSTER_NAME`.

Invariant: it ends with a member or raises; each cause has a word and a sentence of its own, without the password.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from pointsman.cluster.joining import JoinWish
from pointsman.cluster.refusal import Cause
from pointsman.outbound.pinned import Fingerprints
from pointsman.provision.joining import TRY_SECONDS, CannotJoin, Telling, join
from pointsman.provision.log import ProvisionLog
from pointsman.provision.outcome import CannotProvision, Exit
from pointsman.provision.password import FileUnusable, read_password_file
from pointsman.provision.variable import Variables

USER = "admin"
"""The cluster's administrator, whose password `ZEUS_PASS` is."""
_WORDS: Mapping[Cause, str] = MappingProxyType({
    Cause.UNREACHABLE: "unreachable",
    Cause.FINGERPRINT: "fingerprint",
    Cause.PASSWORD: "password",
    Cause.WAIT: "busy",
    Cause.FULL: "cluster full",
    Cause.VERSION: "version",
    Cause.NAME: "name",
    Cause.UNRESOLVED: "name",
})  # fmt: skip
"""Causes by the word that stands in the log; others are "not possible"."""


def become_member(
    home: Path,
    variables: Variables,
    log: ProvisionLog,
    rename: Callable[[str], None],
    *,
    name: str,
    insist: bool,
    seconds: float = TRY_SECONDS,
) -> None:
    """Joins, for at most so many seconds while the peer cannot be reached.

    `name` is what the instance shall be called ("" for the host's name), also where the peer cannot resolve it when it
    is to `insist`; else `rename` is told the address that takes its place. Raises `CannotProvision`, `OSError`.
    """
    host = variables.cluster_name
    where = f"{f'[{host}]' if ':' in host else host}:{variables.cluster_port}"
    wish = JoinWish(
        host,
        variables.cluster_port,
        variables.cluster_fingerprint,
        USER,
        _password(variables),
        replace_own=True,
    )
    log.info(f"joining the cluster of {where}")
    try:
        telling = _Log(log, where, rename)
        joined = asyncio.run(join(home, name, wish, telling, insist=insist, seconds=seconds))
    except CannotJoin as error:
        raise _failure(error, where, seconds) from None
    done = "is a member already" if joined.again else "has joined"
    log.info(f"this traffic manager, {joined.name}, {done}: the cluster's configuration is its own")


def _failure(error: CannotJoin, where: str, seconds: float) -> CannotProvision:
    if error.cause is None:
        return CannotProvision(Exit.INSTANCE, f"ZEUS_CLUSTER_NAME: {error}")
    if error.cause is Cause.STORAGE:
        return CannotProvision(Exit.FILES, f"ZEUS_CLUSTER_NAME: {error}")
    word = _WORDS.get(error.cause, "not possible")
    tried = f" (tried for {seconds:.0f} s)" if error.cause in (Cause.UNREACHABLE, Cause.WAIT) else ""
    return CannotProvision(
        Exit.CLUSTER, f"ZEUS_CLUSTER_NAME: cannot join the cluster of {where}: {word}: {error}{tried}"
    )


def _password(variables: Variables) -> str:
    if variables.password_file:
        try:
            return read_password_file(Path(variables.password_file))
        except FileUnusable as unusable:
            raise CannotProvision(Exit.VARIABLE, str(unusable)) from None
    assert variables.password is not None
    return variables.password


class _Log(Telling):
    """Says in the provision log what goes on."""

    def __init__(self, log: ProvisionLog, where: str, rename: Callable[[str], None]) -> None:
        self._log = log
        self._where = where
        self._rename = rename
        self._told = ""

    def trusted(self, seen: Fingerprints) -> None:
        if seen.sha256 == self._told:
            return
        self._told = seen.sha256
        self._log.warn(
            f"ZEUS_CLUSTER_FP: is not given, so {self._where} is trusted as it answers; compare its fingerprints: "
            f"SHA-1 {seen.sha1}, SHA-256 {seen.sha256}"
        )

    def failed(self, text: str, pause: float) -> None:
        self._log.warn(f"the cluster cannot be joined yet: {text}; the next try follows in {pause:g} s")

    def unresolved(self, text: str, address: str) -> None:
        self._rename(address)
        self._log.warn(
            f"{text}; so this traffic manager is called {address}, by its address; the configure script can change that"
        )
