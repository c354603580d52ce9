"""Remarks on what edits that were made apart left to decide: they name who, what and the remedy."""

from __future__ import annotations

from pointsman.control.conflicts import conflict_conditions
from pointsman.schema.condition import Standing
from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Conflict

EVE = Author("eve", "10.0.0.2", "ui")
POOL = ObjectId("pools", "app~12ab")


def test_each_conflict_is_a_warning_with_its_author_and_remedy() -> None:
    user = ObjectId("virtual_servers", "web")
    conflicts = (
        Conflict("name_clash", POOL, ObjectId("pools", "app"), EVE, 1.0),
        Conflict("deleted_but_used", POOL, user, EVE, 1.0),
        Conflict("key_missing", ObjectId("ssl/server_keys", "c"), None, Author(""), 0.0, ("basic",)),
        Conflict(
            "name_clash", ObjectId("cluster/members", "x~1"), ObjectId("cluster/members", "x"), EVE, 1.0
        ),
    )
    clash, used, sealed = conflict_conditions(conflicts)
    assert {c.standing for c in (clash, used, sealed)} == {Standing.WARNING}
    assert [c.code for c in (clash, used, sealed)] == ["name_clash", "deleted_but_used", "key_missing"]
    assert clash.subject == POOL
    assert 'eve from 10.0.0.2 called it "app"' in clash.message
    assert "rename one of the two" in clash.message
    assert "eve from 10.0.0.2 deleted it while virtual_servers/web began to use it" in used.message
    assert "save it to keep it, or take it out of virtual_servers/web" in used.message
    assert sealed.path == ("basic",)
    assert "the key that seals it has not come here yet" in sealed.message
