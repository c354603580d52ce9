"""Merging keeps what a request does not mention, and storing keeps only what differs from the defaults."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pointsman.control.merge import canonical, full, merge, secret_readback
from pointsman.schema.monitor import MONITOR
from pointsman.schema.pool import POOL
from pointsman.schema.rule import RULE
from pointsman.schema.server_key import SERVER_KEY
from pointsman.schema.validate import build


def stored(settings: dict[str, Any]) -> dict[str, Any]:
    """What is stored for a pool with these settings."""
    return canonical(POOL, build(POOL, "p", settings))


def test_a_key_that_is_not_mentioned_stays() -> None:
    before = stored({"basic": {"note": "kept", "monitors": ["Ping"]}, "connection": {"max_connect_time": 9}})
    after = merge(POOL, before, {"basic": {"note": "new"}})
    assert stored(after) == {
        "basic": {"note": "new", "monitors": ["Ping"]},
        "connection": {"max_connect_time": 9},
    }


def test_lists_and_tables_are_replaced_whole() -> None:
    before = stored(
        {"basic": {"nodes_table": [{"node": "a:1", "weight": 7}, {"node": "b:1"}], "monitors": ["Ping"]}}
    )
    after = stored(merge(POOL, before, {"basic": {"nodes_table": [{"node": "a:1"}], "monitors": []}}))
    assert [(row["node"], row["weight"]) for row in after["basic"]["nodes_table"]] == [("a:1", 1)]
    assert "monitors" not in after["basic"]


def test_defaults_are_not_stored() -> None:
    assert stored({"basic": {"note": "", "monitors": []}, "ssl": {}, "http": {"keepalive": True}}) == {}


def test_merging_leaves_its_input_alone() -> None:
    before = {"basic": {"note": "a"}}
    merge(POOL, before, {"basic": {"note": "b"}, "node": {"close_on_death": True}})
    assert before == {"basic": {"note": "a"}}


def test_a_private_key_sent_back_as_its_hash_stays() -> None:
    before = {"basic": {"public": "P", "private": "K"}}
    assert merge(SERVER_KEY, before, {"basic": {"private": secret_readback("K"), "note": "n"}}) == {
        "basic": {"public": "P", "private": "K", "note": "n"}
    }
    assert merge(SERVER_KEY, before, {"basic": {"private": "other"}})["basic"]["private"] == "other"


def test_a_secret_that_is_shown_in_clear_can_be_emptied() -> None:
    before = {"http": {"authentication": "user:password"}}
    assert merge(MONITOR, before, {"http": {"authentication": ""}}) == {"http": {"authentication": ""}}
    assert merge(MONITOR, before, {"http": {"authentication": "user:password"}}) == before


def test_a_section_of_the_wrong_shape_is_left_for_validation() -> None:
    assert merge(POOL, {"basic": {"note": "a"}}, {"basic": 3}) == {"basic": 3}


def test_files_are_replaced() -> None:
    assert merge(RULE, {"content": b"old"}, {"content": b"new"}) == {"content": b"new"}
    assert canonical(RULE, build(RULE, "r", {"content": b"new"})) == {"content": b"new"}


def test_full_shows_every_key_in_order() -> None:
    shown = full(POOL, build(POOL, "p", {}))
    assert next(iter(shown)) == "basic"
    assert list(shown)[1:] == sorted(list(shown)[1:])
    assert all(list(keys) == sorted(keys) for keys in shown.values())
    json.dumps(shown)


@given(
    st.integers(1, 99999),
    st.text(alphabet="abc \n", max_size=10),
    st.lists(st.sampled_from("xyz"), max_size=5),
)
def test_putting_back_what_was_read_changes_nothing(seconds: int, note: str, monitors: list[str]) -> None:
    before = stored(
        {"basic": {"note": note, "monitors": monitors}, "connection": {"max_connect_time": seconds}}
    )
    read = full(POOL, build(POOL, "p", before))
    assert stored(merge(POOL, before, read)) == before
