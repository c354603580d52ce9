"""Password hashes: how they are made, kept and checked."""

import json
import stat
from pathlib import Path

import pytest

from pointsman.identity.account import Account
from pointsman.identity.password import (
    GENERATED_ALPHABET,
    PASSWORD_LIMIT,
    generate_password,
)
from pointsman.identity.user_file import UserFile, UsersFileError


def test_generated_passwords_have_twelve_characters_of_the_alphabet_and_differ() -> None:
    passwords = {generate_password() for _ in range(500)}
    assert len(passwords) == 500
    assert all(len(password) == 12 for password in passwords)
    assert set("".join(passwords)) == set(GENERATED_ALPHABET)
    assert set(GENERATED_ALPHABET) > set(",.-_+")


async def test_a_password_is_kept_as_an_argon2id_hash_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "identity" / "users.json"
    file = UserFile(path, {})
    await file.set("admin", "correct horse")
    stored = json.loads(path.read_text())["users"]["admin"]["password"]
    assert stored.startswith("$argon2id$")
    assert "correct horse" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["users.json"]

    again = UserFile.read(path)
    assert again is not None
    assert await again.verify("admin", "correct horse")
    assert not await again.verify("admin", "correct horse ")
    assert not await again.verify("nobody", "correct horse")
    assert not await again.verify("admin", "")


async def test_the_same_password_gives_different_hashes(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    file = UserFile(path, {})
    await file.set("a", "same password")
    await file.set("b", "same password")
    users = json.loads(path.read_text())["users"]
    assert users["a"]["password"] != users["b"]["password"]


@pytest.mark.parametrize("password", ["\x00\x01", "ä" * 100, "\udcff", "p" * PASSWORD_LIMIT])
async def test_any_characters_may_make_a_password(tmp_path: Path, password: str) -> None:
    file = UserFile(tmp_path / "users.json", {})
    await file.set("admin", password)
    assert await file.verify("admin", password)
    assert not await file.verify("admin", password + "x")


async def test_a_letter_composed_in_another_way_is_the_same_letter(tmp_path: Path) -> None:
    file = UserFile(tmp_path / "users.json", {})
    await file.set("admin", "caf\u00e9 au lait")
    assert await file.verify("admin", "cafe\u0301 au lait")


async def test_a_hash_of_older_parameters_is_renewed_when_the_password_is_seen(tmp_path: Path) -> None:
    from argon2 import PasswordHasher

    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("secret password")
    path = tmp_path / "users.json"
    file = UserFile(path, {"admin": Account(old)})
    assert await file.verify("admin", "secret password")
    assert json.loads(path.read_text())["users"]["admin"]["password"] != old
    assert await file.verify("admin", "secret password")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"users": 3}', '{"users": {"admin": 5}}', "\x00"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(content)
    with pytest.raises(UsersFileError, match=r"users\.json is damaged .* delete it"):
        UserFile.read(path)
