"""A licence says what its issuer said, or nothing."""

from __future__ import annotations

import base64
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pointsman.licence.key import HEADER, Licence, Refused, issue, new_serial, verify
from pointsman.licence.local import self_issue

ISSUER = Ed25519PrivateKey.generate()
SMALL = Licence("A1", "Example Ltd \u00fc", 1000, 2000, 10_000_000, 4, ("http", "tcp"))


@given(
    st.builds(
        Licence,
        serial=st.text(max_size=20),
        holder=st.text(max_size=40),
        issued=st.integers(0, 2**40),
        expires=st.integers(0, 2**40),
        bandwidth=st.integers(0, 2**60),
        cluster_size=st.integers(0, 1000),
        features=st.lists(st.text(max_size=10), max_size=4).map(tuple),
    )
)
def test_what_is_issued_is_what_is_verified(licence: Licence) -> None:
    assert verify(issue(licence, ISSUER), ISSUER.public_key()) == licence


def test_line_breaks_and_spaces_of_a_copied_key_do_not_matter() -> None:
    text = "  " + issue(SMALL, ISSUER).replace("\n", "\r\n\n")
    assert verify(text, ISSUER.public_key()) == SMALL


def signed(content: bytes) -> str:
    return "\n".join(
        (HEADER, base64.b64encode(content).decode(), base64.b64encode(ISSUER.sign(content)).decode())
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a Pointsman licence key"),
        ("----- BEGIN LICENCE -----", "not a Pointsman licence key"),
        (f"{HEADER}\nAAAA\n", "incomplete"),
        (f"{HEADER}\nAAAA\n***\n", "damaged"),
        (f"{HEADER}\nAAAA\nAAAA\n", "altered"),
        ("x" * 20_000, "at most"),
        (signed(b"[]"), "does not say"),
        (signed(b'{"serial":"a"}'), "does not say"),
        (signed(json.dumps({"serial": "a", "holder": "b", "issued": "now"}).encode()), "wrong kind"),
        (
            signed(json.dumps({"serial": "a", "holder": "b", "issued": 1, "bandwidth": True}).encode()),
            "wrong kind",
        ),
        (
            signed(json.dumps({"serial": "a", "holder": "b", "issued": 1, "expires": -1}).encode()),
            "wrong kind",
        ),
    ],
)
def test_what_is_not_a_key_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        verify(text, ISSUER.public_key())


def test_an_altered_key_and_another_issuers_key_are_refused() -> None:
    header, content, signature, _ = issue(SMALL, ISSUER).split("\n")
    better = json.loads(base64.b64decode(content)) | {"bandwidth": 0}
    forged = "\n".join((header, base64.b64encode(json.dumps(better).encode()).decode(), signature))
    for text in (forged, issue(SMALL, Ed25519PrivateKey.generate())):
        with pytest.raises(Refused, match="altered or comes from another issuer"):
            verify(text, ISSUER.public_key())


def test_later_fields_do_not_disturb() -> None:
    content = json.dumps({"serial": "a", "holder": "b", "issued": 1, "invented_later": [1]}).encode()
    assert verify(signed(content), ISSUER.public_key()) == Licence("a", "b", 1)


def test_validity_and_features() -> None:
    assert [SMALL.valid_at(now) for now in (-90_000, 999, 1999, 2000)] == [False, True, True, False]
    assert replace(SMALL, expires=0).valid_at(1e12)
    assert (SMALL.grants("http"), SMALL.grants("udp"), Licence("a", "b", 1).grants("udp")) == (
        True,
        False,
        True,
    )
    assert not SMALL.unlimited
    assert Licence("a", "b", 1).unlimited
    assert new_serial() != new_serial()


def test_an_instance_issues_itself_an_unlimited_licence_once(tmp_path: Path) -> None:
    first = self_issue(tmp_path, "pm1", now=5000)
    assert first.fresh
    assert first.licence.unlimited
    assert "issued an unlimited licence to this instance itself" in first.sentence
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
    with pytest.raises(Refused, match="not a Pointsman licence key"):
        self_issue(tmp_path, "pm1")
    assert key.read_text() == "something else"
    (tmp_path / "licence" / "issuer.pem").write_text("x")
    with pytest.raises(Refused, match="is not an Ed25519 key"):
        self_issue(tmp_path, "pm1")
