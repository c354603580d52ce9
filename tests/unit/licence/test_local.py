"""The licence that an instance issues itself."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pointsman.licence.key import Licence, Refused, issue
from pointsman.licence.local import self_issue


def test_an_instance_issues_itself_an_unlimited_licence_once(tmp_path: Path) -> None:
    """R62: a stand-alone run outside the container issues itself an unlimited key, and says so."""
    first = self_issue(tmp_path, "pm1\n", now=5000)
    assert first.fresh
    assert first.licence.unlimited
    assert first.licence.holder == "pm1"
    assert "unlimited, issued by this instance to itself" in first.sentence
    again = self_issue(tmp_path, "other")
    assert (again.fresh, again.licence) == (False, first.licence)
    assert first.licence.serial in again.sentence
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "licence").iterdir()}
    assert modes == {"issuer.pem": 0o600, "licence.key": 0o600}
    assert stat.S_IMODE((tmp_path / "licence").stat().st_mode) == 0o700


def test_damaged_files_are_named_and_kept(tmp_path: Path) -> None:
    self_issue(tmp_path, "pm1")
    key = tmp_path / "licence" / "licence.key"
    key.write_text("something else")
    with pytest.raises(Refused, match=r"not a Pointsman licence key.*remove the file"):
        self_issue(tmp_path, "pm1")
    assert key.read_text() == "something else"
    key.write_text(issue(Licence("A1", "x", 1), Ed25519PrivateKey.generate()))
    with pytest.raises(Refused, match="another issuer than this instance"):
        self_issue(tmp_path, "pm1")
    (tmp_path / "licence" / "issuer.pem").write_text("x")
    with pytest.raises(Refused, match="is not an Ed25519 key"):
        self_issue(tmp_path, "pm1")
