"""Accounts in their file, and as texts of backups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointsman.identity.account import Account, Factor, account_of
from pointsman.identity.password import hash_of
from pointsman.identity.user_file import KEY_FILE, UserFile, UsersFileError

WHOLE = Account(
    hash_of("x"),
    ("Demo", "Guest"),
    True,
    1_700_000_000,
    Factor("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", ("ab", "cd"), api_without_code=True),
    {"start": "/activity"},
    (hash_of("w"), hash_of("v")),
    (1_699_999_000, 1_700_000_000),
    58_000_000,
)


async def test_an_account_comes_back_as_it_was_and_its_factor_is_encrypted(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    file = UserFile(path, {})
    await file.replace({"ann": WHOLE, "bob": Account(hash_of("y"))})
    text = path.read_text()
    assert WHOLE.factor.secret not in text and "recovery" not in text
    assert (path.stat().st_mode | path.with_name(KEY_FILE).stat().st_mode) & 0o777 == 0o600
    again = UserFile.read(path)
    assert again is not None and again.accounts == file.accounts
    await again.remove("bob")
    assert set(json.loads(path.read_text())["users"]) == {"ann"}


@pytest.mark.parametrize("act", ["lose the key", "another key", "another user", "damage"])
async def test_a_factor_that_cannot_be_read_is_no_missing_one(tmp_path: Path, act: str) -> None:
    path = tmp_path / "users.json"
    await UserFile(path, {}).replace({"ann": WHOLE})
    content = json.loads(path.read_text())
    match act:
        case "lose the key":
            path.with_name(KEY_FILE).unlink()
        case "another key":
            path.with_name(KEY_FILE).write_bytes(bytes(32))
        case "another user":
            content["users"]["eve"] = content["users"].pop("ann")
        case _:
            content["users"]["ann"]["factor"] = "AAAA"
    path.write_text(json.dumps(content))
    with pytest.raises(UsersFileError, match=r"second factor of .* cannot be read"):
        UserFile.read(path)


async def test_adopting_tells_what_those_were_who_are_another_now(tmp_path: Path) -> None:
    file = UserFile(tmp_path / "users.json", {"a": Account("1"), "b": Account("2"), "c": Account("3")})
    differing = await file.adopt({"a": Account("1"), "b": Account("9"), "d": Account("4")})
    assert differing == {"b": Account("2"), "c": Account("3"), "d": None}
    assert await file.adopt(dict(file.accounts)) == {}


def test_a_backup_has_the_hash_alone_where_there_is_nothing_else() -> None:
    assert Account("$hash").text == "$hash"
    assert account_of("$hash") == Account("$hash")
    assert account_of(WHOLE.text) == WHOLE


@pytest.mark.parametrize(
    "text",
    ["{", "{}", '{"password": 1}', '{"password": "x", "more": 1}', '{"password": "x", "groups": [1]}',
     '{"password": "x", "factor": {"x": 1}}', '{"password": "x", "former": [1]}', '{"password": "x", "step": "1"}',
     '{"password": "x", "groups": ["g"], "suspended": 1}'],
)  # fmt: skip
def test_what_is_no_account_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        account_of(text)


def test_nothing_shows_a_secret_by_accident() -> None:
    assert WHOLE.factor.secret not in repr(WHOLE)
    assert WHOLE.password not in repr(WHOLE)
    assert WHOLE.former[0] not in repr(WHOLE)


async def test_a_hash_that_is_costly_to_check_is_not_taken_as_a_former_one_either(tmp_path: Path) -> None:
    costly = hash_of("x").replace("m=19456,t=2", "m=9999999,t=99")
    for account in (Account(costly), Account(hash_of("x"), former=(hash_of("y"), costly))):
        with pytest.raises(ValueError, match="form that is taken"):
            await UserFile(tmp_path / "users.json", {}).replace({"ann": account})
