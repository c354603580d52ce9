"""Replay files: answers of the configure script, prepared as `key=value` lines.

Invariant: only a regular file or pipe that nobody but its owner can read is taken, and no message holds a value of it.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

SIZE_LIMIT = 65_536
LINE_LIMIT = 4096
"""Characters of one answer, from a file or a terminal."""

KEYS: Mapping[str, str] = MappingProxyType({
    "accept-license": "`accept` accepts the licence; anything else ends the script.",
    "zxtm!reconfigure_option": "Choice in the menu: `1` quit, `2` configure again, `3` clear all configuration.",
    "zxtm!really_clear_config": "`y` confirms that all configuration is cleared.",
    "zxtm!license_key": "Path of a licence key; empty for none (Community Edition).",
    "zxtm!user": "UNIX user that traffic is handled as; empty takes `nobody`. New installations only.",
    "zxtm!group": "UNIX group that traffic is handled as; empty takes `nogroup`. New installations only.",
    "zxtm!unique_bind": "`y` restricts management to one IP address.",
    "zxtm!bindip": "That address.",
    "zxtm!name_useip": "`y` uses an IP address as name where the host name does not resolve. New installations only.",
    "zxtm!name_setname": "Choice when renaming: `1` keep the name, `2` another host name, `3` an IP address.",
    "zxtm!name_hostname": "The host name for choice `2`.",
    "zxtm!name_ip": "The address to be known by, where the machine has several.",
    "start_at_boot": "`y` starts the software when the operating system, or the container, starts again.",
    "zxtm!cluster": "`C` creates a new cluster, `S` contacts another machine.",
    "admin!password": "Password for the user `admin`; empty keeps the one that is set.",
    "zlb!admin_hostname": "The other machine: host name or IP address.",
    "zlb!admin_port": "Its port; empty takes 9090.",
    "zxtm!fingerprints_ok": "`y`: its fingerprint was verified, or the network is trusted.",
    "zlb!admin_username": "The Cluster Administrator's user name; empty takes `admin`.",
    "zlb!admin_password": "The Cluster Administrator's password.",
    "zxtm!clustertipjoin": "Part in existing traffic IP groups: `p` passive, `y` at once, `n` none.",
})  # fmt: skip
"""The keys that are questions, and what their values mean."""

WITHOUT_EFFECT: Mapping[str, str] = MappingProxyType({
    "zxtm!join_new_cluster": "there is nothing to choose here",
    "zxtm!use_invalid_key_license": "a key that is not valid is never used",
    "net!warn": "the network is not examined",
    "fingerprints_ok": "zxtm!fingerprints_ok is the key that is read",
})  # fmt: skip
"""Keys of published scripts that nothing depends on here, and why. They are taken without a word."""

REGISTRATION = "selfreg!"
"""How the keys for registering with a Services Director begin."""
_OLD_PASSWORD = "Zeus::ZInstall::Common::get_password:"  # noqa: S105 # how a key begins


class ReplayRefused(Exception):
    """The file cannot be used; the text names it, the cause and the remedy."""


@dataclass(frozen=True)
class Replay:
    """The answers of a file by key, and what to tell the administrator about it."""

    answers: Mapping[str, str]
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Replay({', '.join(self.answers)})"


def read_replay(path: Path) -> Replay:
    """The answers in the file at `path`. Raises `ReplayRefused`."""
    try:
        with path.open("rb") as file:
            _check_owner(path, os.fstat(file.fileno()))
            content = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise ReplayRefused(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if len(content) > SIZE_LIMIT:
        raise ReplayRefused(f"{path}: has more than {SIZE_LIMIT} bytes; this is no replay file")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ReplayRefused(f"{path}: is not UTF-8; write it as UTF-8 text") from None
    return parse_replay(str(path), text)


def parse_replay(name: str, text: str) -> Replay:
    """The answers in `text`, which is called `name` in messages. Raises `ReplayRefused`.

    Empty lines and lines that begin with `#` are skipped. A value is everything behind the first `=`, spaces included.
    """
    answers: dict[str, str] = {}
    remarks: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        content = line.removesuffix("\r")
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        key, sign, value = content.partition("=")
        key = key.strip()
        if not sign or not key:
            raise ReplayRefused(f"{name}:{number}: is not key=value; correct the line or put # before it")
        if len(content) > LINE_LIMIT:
            raise ReplayRefused(
                f"{name}:{number}: has more than {LINE_LIMIT} characters; write a shorter value"
            )
        if key in answers:
            remarks.append(f"{name}:{number}: {_shown(key)} is given again; this value is used")
        elif (remark := _remark(key)) is not None:
            remarks.append(f"{name}:{number}: {remark}")
        answers[key] = value
    return Replay(MappingProxyType(answers), tuple(remarks))


def _check_owner(path: Path, status: os.stat_result) -> None:
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        raise ReplayRefused(f"{path}: is not a file; name a file with key=value lines")
    if status.st_mode & 0o077:
        raise ReplayRefused(
            f"{path}: can be read or changed by others, and may hold passwords; run chmod 600 on it and change "
            "the passwords in it"
        )
    if status.st_uid not in (0, os.geteuid()):
        raise ReplayRefused(
            f"{path}: belongs to another user (number {status.st_uid}); make a copy of your own"
        )


def _remark(key: str) -> str | None:
    if key in KEYS or key in WITHOUT_EFFECT or key.startswith(_OLD_PASSWORD):
        return None
    if key.startswith(REGISTRATION):
        return f"{_shown(key)} is ignored: registering with a Services Director is not built in this version"
    near = difflib.get_close_matches(key, KEYS, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"{_shown(key)} is not known and ignored{meant}"


def _shown(key: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in key[:80])
