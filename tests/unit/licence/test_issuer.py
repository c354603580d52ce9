"""Issuers and whom an instance trusts."""

from __future__ import annotations

import hashlib
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pointsman.licence.incoming import INCOMING, drop, dropped, set_aside
from pointsman.licence.issuer import (
    IssuerRefused,
    fingerprint,
    load_issuer,
    load_public,
    make_issuer,
    raw_key,
    read_fingerprint,
)
from pointsman.licence.key import Licence, Refused, issue
from pointsman.licence.trust import ISSUERS, Trust

LICENCE = Licence("A1", "Example Ltd", 1000)


def test_an_issuer_is_made_once_and_its_private_key_stays_private(tmp_path: Path) -> None:
    made = make_issuer(tmp_path / "issuer")
    assert stat.S_IMODE(made.private.stat().st_mode) == 0o600
    assert raw_key(load_issuer(made.private).public_key()) == load_public(made.public)
    assert fingerprint(load_public(made.public)) == made.fingerprint
    assert hashlib.sha256(load_public(made.public)).hexdigest().upper() == made.fingerprint.replace(":", "")
    before = made.private.read_bytes()
    with pytest.raises(IssuerRefused, match="exists already"):
        make_issuer(tmp_path / "issuer")
    assert made.private.read_bytes() == before
    made.private.unlink()
    with pytest.raises(IssuerRefused, match=r"issuer.pub exists already"):
        make_issuer(tmp_path / "issuer")


def test_the_files_are_what_openssl_reads(tmp_path: Path) -> None:
    made = make_issuer(tmp_path)
    words = ["openssl", "pkey", "-in", str(made.private), "-pubout"]
    try:
        shown = subprocess.run(words, capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert shown == made.public.read_bytes()


def test_other_files_are_named(tmp_path: Path) -> None:
    made = make_issuer(tmp_path)
    with pytest.raises(IssuerRefused, match=r"issuer.pub is not an issuer's private key"):
        load_issuer(made.public)
    with pytest.raises(IssuerRefused, match=r"issuer.pem is not an issuer's public key"):
        load_public(made.private)


@pytest.mark.parametrize("text", ["", "AA:BB", "x" * 64, "AA" * 20])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(IssuerRefused, match="SHA-256 fingerprint"):
        read_fingerprint(text)


def test_fingerprints_are_taken_in_any_case() -> None:
    shown = ":".join(["0A"] * 32)
    assert read_fingerprint(" " + "0a" * 32 + "\n") == read_fingerprint(shown.lower()) == shown


def test_the_first_issuer_is_trusted_and_then_no_other(tmp_path: Path) -> None:
    """R16: a key of an issuer that is not trusted is refused."""
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    trust = Trust(tmp_path)
    assert (trust.open, trust.fingerprints()) == (True, frozenset())
    admitted = trust.admit(issue(LICENCE, first))
    assert admitted.first
    assert admitted.issuer in admitted.warning
    assert trust.fingerprints() == {fingerprint(raw_key(first.public_key()))}
    again = trust.admit(issue(LICENCE, first).encode())
    assert (again.first, again.warning) == (False, "")
    with pytest.raises(Refused, match=r"comes from the issuer .*pointsman licence trust"):
        trust.admit(issue(LICENCE, second))
    trust.add_fingerprint(fingerprint(raw_key(second.public_key())).lower())
    assert not trust.admit(issue(LICENCE, second)).first
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / ISSUERS).iterdir()} == {0o600}


def test_a_pin_admits_one_issuer_alone(tmp_path: Path) -> None:
    """R16: our addition ZEUS_LIC_FP pins the issuer."""
    wanted, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    pin = fingerprint(raw_key(wanted.public_key()))
    trust = Trust(tmp_path)
    with pytest.raises(Refused, match="not from"):
        trust.admit(issue(LICENCE, other), pin)
    with pytest.raises(Refused, match="not an issuer's SHA-256 fingerprint"):
        trust.admit(issue(LICENCE, other), "AA:BB")
    assert trust.open
    assert not trust.admit(issue(LICENCE, wanted), pin.replace(":", "").lower()).first
    with pytest.raises(Refused, match="pointsman licence trust"):
        trust.admit(issue(LICENCE, other))


def test_a_damaged_file_opens_no_door(tmp_path: Path) -> None:
    trust = Trust(tmp_path)
    trust.admit(issue(LICENCE, Ed25519PrivateKey.generate()))
    (path,) = (tmp_path / ISSUERS).iterdir()
    path.write_text("damaged")
    assert not trust.open
    with pytest.raises(Refused, match="no other is trusted here"):
        trust.admit(issue(LICENCE, Ed25519PrivateKey.generate()))


def test_nothing_is_recorded_of_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        Trust(tmp_path).admit("garbage")
    with pytest.raises(Refused):
        drop(tmp_path, "garbage")
    assert Trust(tmp_path).open
    assert list(tmp_path.iterdir()) == []


def test_dropped_keys_are_found_whole_and_within_bounds(tmp_path: Path) -> None:
    text = issue(LICENCE, Ed25519PrivateKey.generate())
    assert dropped(tmp_path) == ()
    path = drop(tmp_path, text)
    assert (path.name, stat.S_IMODE(path.stat().st_mode)) == ("A1.key", 0o600)
    directory = tmp_path / INCOMING
    (directory / "link.key").symlink_to("/etc/hostname")
    (directory / "dir.key").mkdir()
    (directory / "big.key").write_bytes(b"x" * 10_000_000)
    (directory / ".hidden.key").write_text("x")
    (directory / "other.txt").write_text("x")
    found = {one.path.name: one for one in dropped(tmp_path)}
    assert set(found) == {"A1.key", "link.key", "dir.key", "big.key"}
    assert found["A1.key"].text == text.encode()
    assert (found["A1.key"].fault, found["dir.key"].fault) == ("", "it is not a file")
    assert found["link.key"].fault.startswith("it cannot be read")
    assert len(found["big.key"].text) < 20_000
    set_aside(found["link.key"].path)
    assert {one.path.name for one in dropped(tmp_path)} == {"A1.key", "dir.key", "big.key"}
