"""A licence key says what its issuer said, or nothing."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from pointsman.licence.issuer import raw_key
from pointsman.licence.key import HEADER, LAST_MOMENT, Key, Licence, Refused, issue, new_serial, read_key

ISSUER = Ed25519PrivateKey.generate()
PUBLIC = raw_key(ISSUER.public_key())
SMALL = Licence("A1", "Example Ltd ü", 1000, 2000, 10_000_000, 4, ("http", "tcp"))
WORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(
    st.builds(
        Licence,
        serial=WORDS,
        holder=st.text(min_size=1, max_size=40).filter(str.isprintable),
        issued=st.integers(0, LAST_MOMENT),
        expires=st.integers(0, LAST_MOMENT),
        bandwidth=st.integers(0, 10**15),
        cluster_size=st.integers(0, 1000),
        features=st.lists(WORDS, max_size=4).map(tuple),
    )
)
def test_what_is_issued_is_what_is_read(licence: Licence) -> None:
    """R62: a key defines operating parameters and features."""
    assert read_key(issue(licence, ISSUER)) == Key(licence, PUBLIC)


def test_line_breaks_and_spaces_of_a_copied_key_do_not_matter() -> None:
    text = "  " + issue(SMALL, ISSUER).replace("\n", "\r\n\n")
    assert read_key(text).licence == SMALL
    assert read_key(b"\xef\xbb\xbf" + text.encode()).licence == SMALL


def signed(content: bytes) -> str:
    """A key text of any content, with a good signature."""
    return "\n".join(
        (HEADER, base64.b64encode(content).decode(), base64.b64encode(ISSUER.sign(content)).decode())
    )


def saying(**values: Any) -> str:
    """A signed key of SMALL with other values."""
    said = asdict(SMALL) | {"issuer": base64.b64encode(PUBLIC).decode()} | values
    return signed(json.dumps(said).encode())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a Pointsman licence key"),
        ("<html><title>404</title></html>", "not a Pointsman licence key"),
        (f"{HEADER}\nAAAA\n", "incomplete"),
        (f"{HEADER}\nAAAA\nAAAA\nAAAA\n", "incomplete or has too much"),
        (f"{HEADER}\nAAAA\n***\n", "damaged"),
        (f"{HEADER}\nAAAA\nüüü\n", "damaged"),
        (f"{HEADER}\nAAAA\nAAAA\n", "does not say"),
        ("x" * 20_000, "at most"),
        (signed(b"[]"), "does not say"),
        (signed(b"[" * 5000), "does not say"),
        (signed(b'{"serial":"a"}'), "does not name its issuer"),
        (saying(issuer=7), "does not name its issuer"),
        (saying(issuer="***"), "does not name its issuer"),
        (saying(issuer="AAAA"), "altered"),
        (saying(issued="now"), "issued is not a whole number"),
        (saying(issued=1e300), "issued is not a whole number"),
        (saying(bandwidth=True), "bandwidth is not a whole number"),
        (saying(bandwidth=10**16), "bandwidth is not a whole number"),
        (saying(expires=-1), "expires is not a whole number"),
        (saying(cluster_size=10**9), "cluster_size is not a whole number"),
        (saying(serial="../../x"), "serial is not a word"),
        (saying(serial=""), "serial is not a word"),
        (saying(serial=["a"]), "serial is not a word"),
        (saying(holder="a\nb"), "holder is not a line"),
        (saying(holder="\x1b[2J"), "holder is not a line"),
        (saying(holder="x" * 201), "holder is not a line"),
        (saying(features=7), "does not say"),
        (saying(features=[["a"]]), "features are not a list of words"),
        (saying(features=["a"] * 101), "features are not a list of words"),
    ],
)
def test_what_is_not_a_key_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        read_key(text)
    assert ";" in str(caught.value), "the message has a remedy"


@pytest.mark.parametrize(
    "text",
    [
        "Riverbed Stingray Traffic Manager\nSerial: 12-34\nxyz\n",
        "# Zeus ZXTM licence\n-----BEGIN-----\n",
        "Brocade Virtual Traffic Manager\n",
        "key for the Pulse Secure vTM 18.2",
        "ivanti",
        "Licence key\nSerial number 99999\nAAAAAAAA\n",
        "serial=7\nlicense key=AAAA",
    ],
)
def test_keys_of_the_vendor_are_recognised_and_refused(text: str) -> None:
    """R62: our own open format; the vendor's key files are refused with that explanation."""
    with pytest.raises(Refused, match=r"another product.*open format of its own"):
        read_key(text)


def test_an_altered_key_and_another_issuers_name_are_refused() -> None:
    header, content, signature, _ = issue(SMALL, ISSUER).split("\n")
    said = json.loads(base64.b64decode(content))
    other = base64.b64encode(raw_key(Ed25519PrivateKey.generate().public_key())).decode()
    for better in (said | {"bandwidth": 0}, said | {"issuer": other}):
        forged = "\n".join((header, base64.b64encode(json.dumps(better).encode()).decode(), signature))
        with pytest.raises(Refused, match="altered"):
            read_key(forged)


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_garbage_is_refused(text: bytes | str) -> None:
    """R16: a key that is not ours is refused, whatever it is."""
    with pytest.raises(Refused):
        read_key(text)


@given(st.integers(0, 10_000), st.characters(max_codepoint=0x10FFFF, exclude_categories=["Cs"]))
def test_no_change_of_one_character_passes(place: int, other: str) -> None:
    text = issue(SMALL, ISSUER)
    at = place % len(text)
    changed = text[:at] + other + text[at + 1 :]
    if changed.split() == text.split():
        return
    try:
        key = read_key(changed)
    except Refused:
        return
    # The last digit of base64 holds bits that say nothing.
    assert key == Key(SMALL, PUBLIC)


def test_later_fields_do_not_disturb() -> None:
    assert read_key(saying(invented_later=[1])).licence == SMALL


def test_what_cannot_be_said_cannot_be_issued() -> None:
    for wrong in (replace(SMALL, holder=""), replace(SMALL, bandwidth=-1), replace(SMALL, features=("a b",))):
        with pytest.raises(Refused):
            issue(wrong, ISSUER)


def test_validity_and_features() -> None:
    """R62: expiry and features are part of the key."""
    assert [SMALL.begun_at(now) for now in (-90_000, 999)] == [False, True]
    assert [SMALL.expired_at(now) for now in (1999, 2000)] == [False, True]
    assert not replace(SMALL, expires=0).expired_at(1e12)
    granted = SMALL.grants("http"), SMALL.grants("udp"), Licence("a", "b", 1).grants("udp")
    assert granted == (True, False, True)
    assert not SMALL.unlimited
    assert Licence("a", "b", 1).unlimited
    assert new_serial() != new_serial()
    assert re.fullmatch("[0-9A-F]{16}", new_serial())
