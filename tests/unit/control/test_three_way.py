"""Two edits of one object put together: what one side touched is kept, what both touched is asked about."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.control.three_way import merge_three
from pointsman.schema.registry import BY_PATH

POOLS, SERVERS, RULES, KEYS = (
    BY_PATH[path] for path in ("pools", "virtual_servers", "rules", "ssl/server_keys")
)


def pool(*nodes: dict[str, Any], **basic: Any) -> dict[str, Any]:
    return {"basic": {"nodes_table": list(nodes), **basic}}


def three(was: Any, theirs: Any, mine: Any) -> tuple[Any, Any, Any]:
    return was, theirs, mine


A, B, C = ({"node": f"{letter}:1"} for letter in "abc")


def nodes_of(settings: Any) -> list[str]:
    return [row["node"] for row in settings["basic"]["nodes_table"]]


def test_what_only_one_side_touched_is_kept_of_both() -> None:
    was = pool(A, note="old")
    theirs = {**pool(A, note="new"), "connection": {"max_reply_time": 9}}
    mine = pool(A, note="old", monitors=["Ping"])
    merged = merge_three(POOLS, was, theirs, mine)
    assert merged.clashes == ()
    assert merged.settings == {
        "basic": {
            "nodes_table": [{"node": "a:1", "priority": 1, "source_ip": "", "state": "active", "weight": 1}],
            "note": "new",
            "monitors": ["Ping"],
        },
        "connection": {"max_reply_time": 9},
    }


def test_what_both_made_the_same_is_no_clash() -> None:
    merged = merge_three(POOLS, pool(A, note="old"), pool(A, note="new"), pool(A, note="new"))
    assert (merged.clashes, merged.settings) == ((), pool(A, note="new"))


@pytest.mark.parametrize(("choice", "note"), [("mine", "my"), ("theirs", "their")])
def test_a_clash_is_named_and_chosen_by_field(choice: Any, note: str) -> None:
    sides = pool(A, note="old"), pool(A, note="their"), pool(A, note="my", monitors=["Ping"])
    (clash,) = merge_three(POOLS, *sides).clashes
    assert (clash.name, clash.was, clash.theirs, clash.mine) == ("basic.note", "old", "their", "my")
    merged = merge_three(POOLS, *sides, choose={"basic.note": choice})
    assert merged.settings is not None
    assert merged.settings["basic"]["note"] == note
    assert merged.settings["basic"]["monitors"] == ["Ping"]
    assert merge_three(POOLS, *sides, otherwise=choice).settings == merged.settings


def test_a_default_that_is_written_out_is_no_change() -> None:
    merged = merge_three(POOLS, pool(A), pool(A, passive_monitoring=True), pool(A, passive_monitoring=False))
    assert merged.clashes == ()
    assert merged.settings is not None
    assert merged.settings["basic"]["passive_monitoring"] is False


def test_rows_are_fields_of_their_own() -> None:
    drained = {**B, "state": "draining"}
    merged = merge_three(POOLS, pool(A, B), pool(A, B, C), pool(A, drained))
    assert merged.clashes == ()
    assert nodes_of(merged.settings) == ["a:1", "b:1", "c:1"]
    assert merged.settings is not None
    assert merged.settings["basic"]["nodes_table"][1]["state"] == "draining"


def test_a_row_that_both_touched_is_kept_of_both_column_by_column() -> None:
    sides = pool(A, B), pool(A, {**B, "weight": 5}), pool({**B, "state": "draining"})
    merged = merge_three(POOLS, *sides)
    assert merged.clashes == ()
    assert nodes_of(merged.settings) == ["b:1"]  # that I removed a was touched by nobody else
    assert merged.settings is not None
    (row,) = merged.settings["basic"]["nodes_table"]
    assert (row["weight"], row["state"]) == (5, "draining")


def test_a_column_that_both_touched_clashes_alone() -> None:
    sides = pool(B), pool({**B, "weight": 5}), pool({**B, "weight": 9, "state": "draining"})
    merged = merge_three(POOLS, *sides, choose={"basic.nodes_table.b:1.weight": "theirs"})
    (clash,) = merged.clashes
    assert (clash.name, clash.was, clash.theirs, clash.mine) == ("basic.nodes_table.b:1.weight", 1, 5, 9)
    assert merged.settings is not None
    (row,) = merged.settings["basic"]["nodes_table"]
    assert (row["weight"], row["state"]) == (5, "draining")


def test_a_row_that_both_made_clashes_in_what_differs_alone() -> None:
    sides = pool(A), pool(A, {**B, "weight": 5}), pool(A, {**B, "weight": 9})
    assert [clash.name for clash in merge_three(POOLS, *sides).clashes] == ["basic.nodes_table.b:1.weight"]


def test_a_row_that_one_removed_and_the_other_changed_clashes() -> None:
    sides = pool(A, B), pool(A), pool(A, {**B, "weight": 5})
    (clash,) = merge_three(POOLS, *sides).clashes
    assert clash.theirs is None
    assert nodes_of(merge_three(POOLS, *sides, otherwise="theirs").settings) == ["a:1"]
    assert nodes_of(merge_three(POOLS, *sides).settings) == ["a:1", "b:1"]


def test_elements_of_a_set_are_kept_of_both_sides() -> None:
    was, theirs, mine = (pool(A, monitors=found) for found in (["x", "y"], ["y", "t"], ["x", "y", "m"]))
    merged = merge_three(POOLS, was, theirs, mine)
    assert merged.clashes == ()
    assert merged.settings is not None
    assert merged.settings["basic"]["monitors"] == ["y", "t", "m"]


def test_a_list_with_an_order_clashes_as_a_whole() -> None:
    base = {"port": 1, "pool": "p"}
    sides = three(*({"basic": {**base, "request_rules": rules}} for rules in (["a"], ["a", "b"], ["c", "a"])))
    (clash,) = merge_three(SERVERS, *sides).clashes
    assert clash.name == "basic.request_rules"


def test_deleted_here_and_changed_there_is_a_clash_about_the_object() -> None:
    was, theirs = pool(A), pool(A, note="new")
    (clash,) = merge_three(POOLS, was, theirs, None).clashes
    assert (clash.name, clash.mine) == ("object", None)
    assert merge_three(POOLS, was, theirs, None).settings is None
    assert merge_three(POOLS, was, theirs, None, {"object": "theirs"}).settings == theirs
    assert merge_three(POOLS, was, was, None).settings is None
    assert merge_three(POOLS, was, None, theirs).settings == theirs


def test_made_on_both_sides_clashes_in_what_differs_alone() -> None:
    merged = merge_three(POOLS, None, pool(A, note="t"), pool(A, note="m", monitors=["Ping"]))
    assert [clash.name for clash in merged.clashes] == ["basic.note"]


def test_a_text_is_put_together_line_by_line() -> None:
    lines = [f"line {number}\n" for number in range(9)]
    theirs, mine = ["new\n", *lines], [*lines[:4], "mine\n", *lines[5:], "end"]
    was, other, own = ({"content": "".join(side).encode()} for side in (lines, theirs, mine))
    merged = merge_three(RULES, was, other, own)
    assert merged.clashes == ()
    both = ["new\n", *lines[:4], "mine\n", *lines[5:], "end"]
    assert merged.settings == {"content": "".join(both).encode()}


@pytest.mark.parametrize("theirs", [b"a\nB\nc\n", b"a\nb\nC\n", b"\xff\nb\nc\n", b"\0a\nb\nc\n", b""])
def test_a_text_is_not_put_together_where_edits_meet_or_it_is_none(theirs: bytes) -> None:
    """The same line, the one beside it, bytes that are no text, and nothing at all."""
    sides = {"content": b"a\nb\nc\n"}, {"content": theirs}, {"content": b"a\nX\nc\n"}
    assert [clash.name for clash in merge_three(RULES, *sides).clashes] == ["content"]


def test_files_clash_as_a_whole_and_are_not_shown() -> None:
    sides = three(*({"content": text} for text in (b"old", b"their secret", b"my secret")))
    (clash,) = merge_three(RULES, *sides).clashes
    assert "secret" not in f"{clash.theirs}{clash.mine}".replace("secret:", "")
    assert merge_three(RULES, *sides, otherwise="theirs").settings == sides[1]


def test_secrets_show_as_fingerprints() -> None:
    sides = three(*({"basic": {"public": "p", "private": key}} for key in ("one", "two", "three")))
    (clash,) = merge_three(KEYS, *sides).clashes
    assert {clash.was, clash.theirs, clash.mine}.isdisjoint({"one", "two", "three"})
    assert merge_three(KEYS, *sides).settings == sides[2]
