"""Accounts by name and number, and how a home is opened for the engine alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pointsman.engine.haproxy.account import NOBODY, RUN, Account, AccountUnknown, find_account, open_home


def test_an_account_is_named_or_numbered() -> None:
    assert find_account("0", "0") == find_account("root", "root") == Account(0, 0)
    assert find_account("nobody", "nogroup").user == NOBODY
    assert find_account("12345", "23456") == Account(12345, 23456)


@pytest.mark.parametrize(("user", "group"), [("no such user", "root"), ("root", "no such group")])
def test_an_unknown_account_is_named_with_the_remedy(user: str, group: str) -> None:
    with pytest.raises(AccountUnknown, match=r"no such .*; name one of /etc/"):
        find_account(user, group)


def test_without_an_account_everything_is_ours_alone(tmp_path: Path) -> None:
    for _ in range(2):
        open_home(tmp_path, None)
        for path in (tmp_path / RUN, tmp_path / "engine"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
            assert path.stat().st_uid == os.geteuid()
