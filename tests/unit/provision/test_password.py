"""The administrator's first password: where it comes from, and where it may be seen."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

import pytest

from pointsman.identity.password import GENERATED_ALPHABET, STRONG_ALPHABET, generate_password
from pointsman.identity.user_file import UserFile
from pointsman.provision.log import ProvisionLog
from pointsman.provision.password import FileUnusable, read_password_file, set_first_password
from pointsman.provision.variable import Variables


def the_log(tmp_path: Path) -> ProvisionLog:
    return ProvisionLog(tmp_path / "log", screen=io.StringIO())


async def admins_password_is(home: Path, password: str) -> bool:
    passwords = UserFile.read(home / "identity" / "users.json")
    return passwords is not None and await passwords.verify("admin", password)


def test_generated_passwords_have_the_characters_that_are_promised() -> None:
    """R18: 12 of letters, digits and `, . - _ +`, or 20 of a wider set; each character comes, none twice as often."""
    assert set(GENERATED_ALPHABET) < set(STRONG_ALPHABET)
    assert not set(STRONG_ALPHABET) & set(" \"'\\`")
    assert len(set(STRONG_ALPHABET)) == len(STRONG_ALPHABET)
    assert len(generate_password()) == 12
    many = generate_password(len(GENERATED_ALPHABET) * 1000)
    counts = [many.count(character) for character in GENERATED_ALPHABET]
    assert sum(counts) == len(many)
    assert 800 < min(counts) <= max(counts) < 1200


@pytest.mark.parametrize(("strong", "length"), [(False, 12), (True, 20)])
async def test_a_generated_password_is_told_in_one_line(tmp_path: Path, strong: bool, length: int) -> None:
    """R18: a generated password stands in one line of the log and in no other file."""
    await asyncio.to_thread(set_first_password, tmp_path, Variables(strong=strong), the_log(tmp_path))
    (line,) = (tmp_path / "log").read_text().splitlines()
    password = line.rpartition(" ")[2]
    assert len(password) == length
    assert await admins_password_is(tmp_path, password)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"log", "users.json"}


async def test_a_crash_between_leaves_a_password_that_is_told(tmp_path: Path) -> None:
    """R25: what an interrupted start told does not hold, the last line does; a password that is set stays."""
    log = the_log(tmp_path)
    log.info("generated the password of 'admin' (the last such line counts): interrupted")
    await asyncio.to_thread(set_first_password, tmp_path, Variables(), log)
    password = (tmp_path / "log").read_text().split()[-1]
    assert await admins_password_is(tmp_path, password)
    await asyncio.to_thread(set_first_password, tmp_path, Variables(password="another"), log)
    assert await admins_password_is(tmp_path, password)
    assert "stays" in (tmp_path / "log").read_text().splitlines()[-1]


def test_the_first_line_of_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b" with spaces \r\nmore")
    assert read_password_file(tmp_path / "file") == " with spaces "
    (tmp_path / "file").write_bytes("RANDOM ☂".encode())
    assert read_password_file(tmp_path / "file") == "RANDOM ☂"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\nsecond", "is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * 5000, "more than 1024"),
        (b"x" + "\u2602".encode() * 5000, "more than 1024"),
        (b"a\x1bb", "control character"),
    ],
)
def test_an_unusable_file_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FileUnusable, match=said) as refused:
        read_password_file(tmp_path / "file")
    assert str(refused.value).startswith(f"ZEUS_PASS_FILE: the first line of {tmp_path}/file")


def test_what_is_no_file_does_not_hold_the_start_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "absent"):
        with pytest.raises(FileUnusable, match=f"ZEUS_PASS_FILE: {path}"):
            read_password_file(path)


@pytest.mark.parametrize(
    ("password", "said"),
    [("guess", "easy to guess"), (" long and good ", "white space, which belongs to it")],
)
def test_a_weak_password_is_remarked_upon_when_it_is_set(tmp_path: Path, password: str, said: str) -> None:
    """R18: it is never shown; an instance that has its password hears nothing of the variable any more."""
    log = the_log(tmp_path)
    set_first_password(tmp_path, Variables(password=password), log)
    told = (tmp_path / "log").read_text()
    assert "WARN: ZEUS_PASS: the password " in told
    assert said in told
    assert f"'{password}'" not in told
    set_first_password(tmp_path, Variables(password=password), log)
    assert (tmp_path / "log").read_text().count("WARN") == 1


def test_a_password_that_is_good_is_not_remarked_upon(tmp_path: Path) -> None:
    set_first_password(tmp_path, Variables(password="correct horse battery"), the_log(tmp_path))
    assert "WARN" not in (tmp_path / "log").read_text()
