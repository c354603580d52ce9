"""Messages as bytes: what goes in comes out, garbage is refused before it costs anything."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.cluster.frame import LONGEST, MOST_PARTS, BadFrame, Decoder, Kind, Message, encode

BODIES = st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.lists(st.text())), max_size=5)


def read(decoder: Decoder, data: bytes) -> list[Message | None]:
    return [frame.read() for frame in decoder.feed(data)]


@given(st.lists(st.tuples(st.sampled_from(list(Kind)), BODIES), max_size=5), st.integers(1, 40))
def test_what_was_sent_is_read_however_it_is_cut(
    sent: list[tuple[Kind, dict[str, object]]], step: int
) -> None:
    data = b"".join(encode(kind, body) for kind, body in sent)
    decoder = Decoder(LONGEST)
    found = [m for at in range(0, len(data), step) for m in read(decoder, data[at : at + step])]
    assert found == [Message(kind, body) for kind, body in sent]


def test_large_message_is_deflated() -> None:
    body = {"text": "x" * 100_000}
    data = encode(Kind.PARCELS, body)
    assert len(data) < 10_000
    assert read(Decoder(LONGEST), data) == [Message(Kind.PARCELS, body)]


def test_unknown_kind_is_handed_on() -> None:
    text = b"{}"
    assert read(Decoder(), struct.pack(">IBB", len(text) + 2, 99, 0) + text) == [Message(99, {})]


@given(st.binary(max_size=300))
def test_garbage_is_refused_or_waited_for(data: bytes) -> None:
    with contextlib.suppress(BadFrame):
        read(Decoder(), data)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", 0xFFFF_FFFF) + b"\x01\x00",
        struct.pack(">IBB", 3, 1, 0) + b"x",
        struct.pack(">IBB", 4, 1, 0) + b"[]",
        struct.pack(">IBB", 3, 1, 1) + b"x",
        struct.pack(">IBB", 20_002, 1, 0) + b"[" * 20_000,
    ],
)
def test_what_makes_no_sense_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        read(Decoder(), data)


def test_message_that_unpacks_to_too_much_is_refused() -> None:
    packed = zlib.compress(b'{"a":"' + b"x" * 10_000_000 + b'"}', 9)
    with pytest.raises(BadFrame, match="too long"):
        read(Decoder(), struct.pack(">IBB", len(packed) + 2, 1, 1) + packed)


def test_message_is_left_packed_until_there_is_room() -> None:
    """A few bytes may become many; who reads them finds that out without unpacking all of them."""
    body = {"text": os.urandom(5_000_000).hex()}
    packed, plain = encode(Kind.PARCELS, body), json.dumps(body).encode()
    for data in (packed, struct.pack(">IBB", len(plain) + 2, Kind.PARCELS, 0) + plain):
        (frame,) = Decoder(LONGEST).feed(data)
        assert frame.read(9_000_000) is None
        assert frame.read(20_000_000) == frame.read() == Message(Kind.PARCELS, body)


def test_message_of_too_many_parts_is_refused() -> None:
    """Each empty list takes thirty times as much memory as it has letters."""
    for text in (b"[]," * MOST_PARTS + b"[]", b'"",' * MOST_PARTS + b'""', b"0," * MOST_PARTS + b"0"):
        plain = b'{"parcels":[' + text + b"]}"
        (frame,) = Decoder(LONGEST).feed(struct.pack(">IBB", len(plain) + 2, Kind.PARCELS, 0) + plain)
        with pytest.raises(BadFrame, match="parts"):
            frame.read()
    long = {"ops": '[["pools/1","\\n",null]]' * MOST_PARTS}
    assert read(Decoder(LONGEST), encode(Kind.PARCELS, long)) == [Message(Kind.PARCELS, long)], "one text"


def test_message_that_would_become_too_dense_is_sent_as_it_is_and_refused_packed() -> None:
    body = {"text": "x" * 10_000_000}
    data = encode(Kind.PARCELS, body)
    assert len(data) > 10_000_000
    assert read(Decoder(LONGEST), data) == [Message(Kind.PARCELS, body)]
    packed = zlib.compress(json.dumps(body).encode())
    with pytest.raises(BadFrame, match="too long"):
        read(Decoder(LONGEST), struct.pack(">IBB", len(packed) + 2, Kind.PARCELS, 1) + packed)


def test_message_that_is_under_way_says_how_long_it_will_be() -> None:
    decoder = Decoder(LONGEST)
    assert decoder.announced == 0
    assert not read(decoder, struct.pack(">IBB", 1000, Kind.PARCELS, 0) + b"x" * 94)
    assert (decoder.announced, decoder.held) == (1000, 100)
