"""Backslash escapes in the strings of TCP monitors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.compiler.escape import decode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        (r"QUIT\r\n", b"QUIT\r\n"),
        (r"a\tb\0c\\d", b"a\tb\0c\\d"),
        (r"\x00\xfF", b"\x00\xff"),
        (r"\xg0 \q \\n", rb"\xg0 \q \n"),
        ("\\", b"\\"),
        ("é", "é".encode()),
    ],
)
def test_decodes(text: str, expected: bytes) -> None:
    assert decode(text) == expected


@given(st.text("\\xrnt0aF é\ud800", max_size=12))
def test_every_string_means_something(text: str) -> None:
    decode(text)
