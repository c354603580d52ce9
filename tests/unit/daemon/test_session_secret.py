"""The secret of sessions stays while data keys come, and tells nothing of them."""

from __future__ import annotations

from pointsman.daemon.session_secret import session_secret


def test_it_follows_from_the_first_key_alone() -> None:
    first, second = b"1" * 32, b"2" * 32
    secret = session_secret({1: first})
    assert session_secret({1_800_000_000_000: second, 1: first}) == secret
    assert session_secret({1: second}) != secret
    assert first not in secret
