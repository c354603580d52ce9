"""How the places are told to people and scripts."""

from __future__ import annotations

import pytest

from pointsman.daemon.places import Places


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "https://127.0.0.1:9070"),
        ("0.0.0.0", "https://127.0.0.1:9070"),
        ("::", "https://127.0.0.1:9070"),
        ("2001:db8::1", "https://[2001:db8::1]:9070"),
    ],
)
def test_an_address_is_one_that_can_be_used(host: str, shown: str) -> None:
    assert Places(rest=9070, ui=9090, cluster=9080, host=host).url(9070) == shown
