"""What a transaction is said to have done: what differs, and not what is written in another way only."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.control.journal import by_object
from pointsman.schema.problem import ObjectId
from pointsman.store import ChangeRecord

APP = ObjectId("pools", "app")


def row(column: str, before: Any, after: Any) -> ChangeRecord:
    return ChangeRecord(APP, ("basic", "nodes_table", "10.0.0.1:80", column), before, after)


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (row("weight", None, 1), False),
        (row("weight", 1, None), False),
        (row("source_ip", None, ""), False),
        (row("weight", None, 2), True),
        (row("weight", 2, 1), True),
        (row("state", "active", "draining"), True),
        (row("unheard_of", None, 1), True),
        (ChangeRecord(APP, ("basic", "note"), None, "x"), True),
        (ChangeRecord(APP, ("unheard_of", "nodes_table", "a", "weight"), None, 1), True),
    ],
)
def test_a_row_that_names_its_default_was_not_changed(record: ChangeRecord, shown: bool) -> None:
    ((identity, act, records),) = by_object([record])
    assert (identity, act, bool(records)) == (APP, "changed", shown)
