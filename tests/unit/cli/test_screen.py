"""What a screen shows, and how long ago things were."""

from __future__ import annotations

import pytest

from pointsman.cli.outcome import clean
from pointsman.cli.screen import Screen, ago, styled


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00fc\u65e5 text", "plain \u00fc\u65e5 text"),
        ("a\nb\tc\rd\x00", "a\\nb\\tc\\rd\\x00"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\u202eb\u2066c\u200f", "a\\u202eb\\u2066c\\u200f"),
        ("\x9b31m\u2028", "\\x9b31m\\u2028"),
    ],
)
def test_nothing_can_move_the_cursor(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (90_000, "1 d ago"),
        (-5, "0 s ago"),
    ],
)
def test_how_long_ago(seconds: int, text: str) -> None:
    assert ago(1_000_000 - seconds, 1_000_000) == text


def test_unknown_times_are_empty() -> None:
    assert ago(0) == ""


def test_a_piped_table_is_plain_and_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(as_json=False)
    screen.table(("NAME", "WHY"), [(styled("[red]x[/red]", "bold red"), "y" * 300), ("z", "")])
    screen.table(("NAME",), [])
    screen.line(styled("end", "bold"))
    assert capsys.readouterr().out.splitlines() == [
        "NAME          WHY",
        "[red]x[/red]  " + "y" * 300,
        "z",
        "end",
    ]


def test_a_reason_too_long_for_the_terminal_stands_under_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ("NODE", "STATE", "WHY", "SINCE")
    rows = [
        ("127.0.0.1:8001", "alive", "", "1 min ago"),
        ("127.0.0.1:8002", "DEAD", "no connection: refused by the node " * 3, "3 s ago"),
    ]
    Screen(as_json=False, width=60).table(columns, rows, below="WHY")
    assert capsys.readouterr().out.splitlines() == [
        "NODE            STATE  SINCE",
        "127.0.0.1:8001  alive  1 min ago",
        "127.0.0.1:8002  DEAD   3 s ago",
        "    no connection: refused by the node no connection:",
        "    refused by the node no connection: refused by the node",
    ]
    Screen(as_json=False, width=200).table(columns, rows, below="WHY")
    assert len(capsys.readouterr().out.splitlines()) == 3
    Screen(as_json=False, width=20).table(columns, rows, below="WHY")
    assert "WHY" in capsys.readouterr().out
