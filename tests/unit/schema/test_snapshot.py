"""Finding objects in a snapshot."""

from __future__ import annotations

from pointsman.schema.pool import POOL, Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.rule import Rule
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import build

WEB, DATA = build(POOL, "web", {}), build(POOL, "data", {"basic": {"note": "d"}})
SNAPSHOT = Snapshot(
    {ObjectId("pools", "web"): WEB, ObjectId("rules", "a"): Rule(), ObjectId("pools", "data"): DATA}
)


def test_objects_of_a_type_come_in_name_order() -> None:
    assert list(SNAPSHOT.all("pools", Pool)) == [("data", DATA), ("web", WEB)]
    assert [name for name, _ in SNAPSHOT.all("rules", Rule)] == ["a"]
    assert list(SNAPSHOT.all("monitors", Rule)) == []


def test_one_object_or_none() -> None:
    assert SNAPSHOT.get("pools", "web", Pool) is WEB
    assert SNAPSHOT.get("pools", "none", Pool) is None
