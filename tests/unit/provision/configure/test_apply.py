"""Carrying out what was answered where nothing runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pointsman.identity.user import Outcome, Users
from pointsman.identity.user_file import UserFile
from pointsman.licence.incoming import dropped
from pointsman.licence.key import Licence, issue
from pointsman.outbound.pinned import Fingerprints
from pointsman.private_file import write_private
from pointsman.provision.configure.apply import carry_out
from pointsman.provision.configure.dialogue import Stopped
from pointsman.provision.configure.peer import JoinRequest
from pointsman.provision.configure.questions import Answers
from pointsman.provision.order import Order, read_order, write_order

DONE = Order(state="done", bind="10.0.0.1", name="pm2")


def is_right(home: Path, password: str) -> bool:
    """Whether the instance of `home` would take the password at its next start."""

    async def ask() -> bool:
        users, first = await Users.open(home, on_event=lambda event: None, given="other password")
        assert first.ignored
        return (await users.verify("admin", password, "192.0.2.7", "UI")).outcome is Outcome.RIGHT

    return asyncio.run(ask())


def test_the_answers_are_stored_for_the_next_start(tmp_path: Path) -> None:
    """R43: order and password are stored for the start that follows, and the generated password goes."""
    write_private(tmp_path / "admin-password", b"generated\n")
    carry_out(tmp_path, Answers(DONE, "short"))
    assert read_order(tmp_path) == DONE
    assert is_right(tmp_path, "short")
    assert not (tmp_path / "admin-password").exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    carry_out(tmp_path, Answers(DONE, ""))
    assert is_right(tmp_path, "short")


def test_other_users_keep_their_passwords(tmp_path: Path) -> None:
    path = tmp_path / "identity" / "users.json"
    asyncio.run(UserFile(path, {}).set("ann", "the password of ann"))
    carry_out(tmp_path, Answers(DONE, "the password of admin"))
    stored = UserFile.read(path)
    assert stored is not None
    assert set(stored.accounts) == {"admin", "ann"}


def test_what_cannot_be_done_is_done_first_and_leaves_all_as_it_was(tmp_path: Path) -> None:
    """R43: a join that is not possible leaves everything as it was."""
    seen = Fingerprints("AA" * 20, "BB" * 32)
    request = JoinRequest("127.0.0.1", 1, seen, "admin", "s3cret")
    with pytest.raises(Stopped, match=r"^127\.0\.0\.1:1: this machine was not joined: ") as refused:
        carry_out(tmp_path, Answers(DONE, join=request))
    assert "s3cret" not in str(refused.value) + repr(request)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_users_file_is_named(tmp_path: Path) -> None:
    write_private(tmp_path / "identity" / "users.json", b"{")
    with pytest.raises(Stopped, match=r"users\.json"):
        carry_out(tmp_path, Answers(DONE, "a password"))
    assert read_order(tmp_path) is None


def test_a_licence_key_is_left_for_the_control_plane(tmp_path: Path) -> None:
    """R43: a licence key is put where the control plane takes it; its issuer, the first one, is trusted and named."""
    text = issue(Licence("7", "Ann", 1_700_000_000), Ed25519PrivateKey.generate())
    assert "is trusted from now on" in carry_out(tmp_path, Answers(DONE, licence_key=text))
    (waiting,) = dropped(tmp_path)
    assert waiting.text.decode() == text
    assert carry_out(tmp_path, Answers(DONE, licence_key=text)) == ""
    other = issue(Licence("8", "Ann", 1_700_000_000), Ed25519PrivateKey.generate())
    with pytest.raises(Stopped, match=r"zxtm!license_key: .*issuer"):
        carry_out(tmp_path, Answers(DONE, licence_key=other))


def test_a_choice_made_meanwhile_on_the_page_stays(tmp_path: Path) -> None:
    """R17, R43: Community Edition that was chosen on the page while the questions went on stays chosen."""
    write_order(tmp_path, Order(state="done", community=True))
    carry_out(tmp_path, Answers(DONE))
    assert read_order(tmp_path) == replace(DONE, community=True)
