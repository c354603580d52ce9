"""Values of settings as lists of differences show them."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.web.ui.value_text import value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", '""'),
        ("shop", "shop"),
        (7, "7"),
        (False, "false"),
        ([], "[]"),
        (["Ping", "Simple HTTP"], "Ping, Simple HTTP"),
        ([1, 2], "[1, 2]"),
        ({"node": "a:1", "source_ip": "", "weight": 3, "up": True}, "node a:1, weight 3, up true"),
        ({"bytes": 4, "sha256": "ab"}, "bytes 4, sha256 ab"),
        ({}, "{}"),
        ("é" * 40, "é" * 30 + "... (40 characters)"),
    ],
)
def test_a_value_as_text(value: Any, text: str) -> None:
    assert value_text(value, 30) == text
