"""What the dialogue learns of the machine that it really runs on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pointsman.licence.key import Licence, issue
from pointsman.licence.trust import Trust
from pointsman.provision.configure.dialogue import Wrong
from pointsman.provision.configure.machine import ThisMachine, may_configure


def test_names_and_addresses(tmp_path: Path) -> None:
    machine = ThisMachine(tmp_path)
    assert machine.host_name()
    assert machine.resolve("192.0.2.7") == ("192.0.2.7",)
    assert machine.resolve("localhost") == ()
    assert machine.resolve("no-such-host.invalid") == ()
    assert machine.resolve("x" * 300) == ()
    assert machine.has_address("127.0.0.1")
    assert not machine.has_address("192.0.2.77")
    assert all(machine.has_address(address) for address in machine.addresses())


def test_users_and_groups_must_exist(tmp_path: Path) -> None:
    """R43: the UNIX user and group to run as must exist, by name or number."""
    machine = ThisMachine(tmp_path)
    assert machine.user_number("root") == machine.user_number("0") == 0
    assert machine.group_number("root") == 0
    for ask in (machine.user_number, machine.group_number):
        for wrong in ("no-such-one", "", "99999999999999999999", "4123456", "²", "a\udcff"):
            with pytest.raises(Wrong, match="There is no UNIX"):
                ask(wrong)


def test_the_licence_text_is_the_file_of_the_installation(tmp_path: Path) -> None:
    """R43: the licence that is shown is the one that lies in ZEUSHOME."""
    assert "Apache License" in ThisMachine(tmp_path).licence_text()
    (tmp_path / "LICENSE").write_text("Words.\n")
    assert ThisMachine(tmp_path).licence_text() == "Words.\n"


def test_a_licence_key_is_verified_before_anything_is_changed(tmp_path: Path) -> None:
    """R43: a licence key is read by its full path and must be one of ours; nothing is trusted by that alone."""
    machine = ThisMachine(tmp_path)
    text = issue(Licence("7", "Ann", 1_700_000_000), Ed25519PrivateKey.generate())
    file = tmp_path / "a.key"
    file.write_text(f"\ufeff{text}", encoding="utf-8")
    assert machine.licence_key(str(file)) == text
    assert not (tmp_path / "var").exists()
    Trust(tmp_path / "var").add_fingerprint("AB" * 32)
    with pytest.raises(Wrong, match="issuer"):
        machine.licence_key(str(file))
    os.mkfifo(tmp_path / "pipe")
    file.write_text("Zeus licence key, serial 1\n")
    for path in (
        str(file),
        "a.key",
        str(tmp_path),
        str(tmp_path / "pipe"),
        "/nowhere",
        "/\0",
        "/dev/zero",
        "/\udcff",
    ):
        with pytest.raises(Wrong):
            machine.licence_key(path)


def test_the_owner_may_configure(tmp_path: Path) -> None:
    """R43: root and whoever owns the installation may run the script."""
    assert may_configure(tmp_path)
