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
        (r"\x41\x0\101\a\e", b"A\0A\a\x1b"),
        (r"\777", b"\xff"),
    ],
)
def test_decodes(text: str, expected: bytes) -> None:
    assert decode(text) == expected


@given(st.text("\\xrnt0aF é\ud800", max_size=12))
def test_every_string_means_something(text: str) -> None:
    decode(text)


@given(st.binary())
def test_every_byte_can_be_written_by_an_escape(data: bytes) -> None:
    assert decode("".join(f"\\x{byte:02x}" for byte in data)) == data
