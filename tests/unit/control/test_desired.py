"""What an import makes of the stored configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.schema.generated import settings_of

from pointsman.control.desired import Desired, outcome_of, plan_import
from pointsman.control.merge import canonical, secret_readback
from pointsman.document.difference import Objects
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import Kind
from pointsman.schema.validate import Invalid, build
from pointsman.store import Delete, Put

WEB = ObjectId("virtual_servers", "web")
APP = ObjectId("pools", "app")
GLOBAL = ObjectId("global_settings", "")
PM1 = ObjectId("traffic_managers", "pm1")
KEY = ObjectId("ssl/server_keys", "site")
SERVICE: dict[str, Any] = {"basic": {"pool": "app", "port": 80}}


def plan(
    stored: Objects | None = None, base: Objects | None = None, described: Objects | None = None
) -> Desired:
    """`plan_import`, with nothing where nothing is given."""
    return plan_import(stored or {}, base or {}, described or {})


def test_an_object_that_is_in_neither_vanishes() -> None:
    """R30: what UI or REST made since the base snapshot is gone after the next import."""
    found = plan({WEB: SERVICE, APP: {}}, {}, {APP: {}})
    assert found.edit.changes == (Delete(WEB),)
    assert [(change.subject, change.act) for change in found.edit.shown] == [(WEB, "deleted")]
    assert found.undo == (Put(WEB, SERVICE),)


def test_documents_lie_on_the_base_by_field() -> None:
    """R29: watched documents are laid on top of the base; lists are replaced, keys of neither go to their default."""
    stored = {WEB: {"basic": {"pool": "app", "port": 80, "note": "by hand"}}}
    base = {WEB: {"basic": {**SERVICE["basic"], "request_rules": ["a", "b"], "response_rules": ["k"]}}}
    found = plan(stored, base, {WEB: {"basic": {"port": 81, "request_rules": ["c"]}}})
    wanted = {"pool": "app", "port": 81, "request_rules": ["c"], "response_rules": ["k"]}
    assert found.edit.changes == (Put(WEB, {"basic": wanted}),)


def test_settings_go_back_to_the_base() -> None:
    """R30: singletons, factory objects and traffic managers are never deleted and go back to what the base has."""
    ping = ObjectId("monitors", "Ping")
    base = {ping: {"basic": {"timeout": 7}}, PM1: {"basic": {"num_children": 2}}}
    stored = {
        ping: {"basic": {"timeout": 77}},
        GLOBAL: {"basic": {"accepting_delay": 77}},
        PM1: {"basic": {"num_children": 7}},
        ObjectId("traffic_managers", "pm2"): {"basic": {"num_children": 3}},
    }
    made = outcome_of(stored, plan(stored, base).edit.changes)
    assert made == {
        **base,
        GLOBAL: {},
        ObjectId("traffic_managers", "pm2"): {"basic": {"num_children": 3}},
    }


def test_a_traffic_manager_of_another_name_is_passed_over() -> None:
    """Importer 11k: an export of another instance names its traffic manager, which does not stop the import."""
    found = plan({PM1: {}}, {PM1: {}}, {ObjectId("traffic_managers", "other"): {}, APP: {}})
    assert found.edit.changes == (Put(APP, {}),)
    assert [problem.code for problem in found.remarks] == ["import.not_here"]


def test_secrets_go_back_to_the_base() -> None:
    """R30: a secret that was set by hand since goes back to the one of the base, or of the documents."""
    base = {KEY: {"basic": {"private": "base", "public": "p"}}}
    by_hand = {KEY: {"basic": {"private": "by hand", "public": "p"}}}
    assert plan(by_hand, base).edit.changes == (Put(KEY, base[KEY]),)
    wanted = {"basic": {"private": "document", "public": "p"}}
    assert plan(by_hand, base, {KEY: {"basic": {"private": "document"}}}).edit.changes == (Put(KEY, wanted),)


@pytest.mark.parametrize("written", [{}, {"private": secret_readback("kept")}])
def test_an_export_without_secrets_changes_nothing(written: Mapping[str, str]) -> None:
    """Importer 11k: a key that the export left out or hashed stays the one that is stored."""
    stored = {KEY: {"basic": {"private": "kept", "public": "p"}}}
    assert plan(stored, {}, {KEY: {"basic": {"public": "p", **written}}}).edit.changes == ()


def test_licence_keys_come_and_go_by_other_ways() -> None:
    """R67: an import neither takes a licence key away nor brings back one that was removed."""
    kept, gone = ObjectId("license_keys", "kept"), ObjectId("license_keys", "gone")
    assert plan({kept: {"content": b"key"}}, {gone: {"content": b"old"}}).edit.changes == ()


def test_a_factory_object_that_the_base_lacks_is_what_it_was_when_new() -> None:
    found = plan({}, {}, {ObjectId("monitors", "Simple HTTP"): {"basic": {"timeout": 9}}})
    (change,) = found.edit.changes
    assert isinstance(change, Put)
    factory = BY_PATH["monitors"].factory["Simple HTTP"]
    assert change.settings["basic"] == {**factory["basic"], "timeout": 9}


def test_every_fault_of_the_merged_objects_is_told() -> None:
    with pytest.raises(Invalid) as refused:
        plan({}, {}, {WEB: {"basic": {"port": 80}}, KEY: {"basic": {"public": "p"}}})
    assert {problem.subject for problem in refused.value.problems} == {WEB, KEY}


TYPES = [BY_PATH[path] for path in ("pools", "monitors", "ssl/server_keys", "global_settings", "rules")]


@st.composite
def configurations(draw: st.DrawFn) -> dict[ObjectId, Mapping[str, Any]]:
    """A few valid objects as they are stored."""
    made: dict[ObjectId, Mapping[str, Any]] = {}
    for kind in draw(st.lists(st.sampled_from(TYPES), max_size=4)):
        name = "" if kind.kind is Kind.SINGLETON else draw(st.sampled_from(["a", "b", "Ping"]))
        if kind.kind is Kind.FILE:
            settings: Mapping[str, Any] = {"content": draw(st.binary(max_size=4))}
        else:
            settings = draw(settings_of(kind))
        made[ObjectId(kind.path, name)] = canonical(kind, build(kind, name, settings))
    return made


@given(configurations(), configurations(), configurations())
def test_what_is_desired_is_reached_and_then_nothing_changes(
    stored: Objects, base: Objects, described: Objects
) -> None:
    """Importer 5: the result hangs on base and documents alone, and the second import changes nothing."""
    first = plan(stored, base, described)
    made = outcome_of(stored, first.edit.changes)
    assert plan(made, base, described).edit.changes == ()
    from_nothing = outcome_of({}, plan({}, base, described).edit.changes)
    assert {i: s for i, s in made.items() if s} == {i: s for i, s in from_nothing.items() if s}
    back = outcome_of(made, first.undo)
    assert {i: s for i, s in back.items() if s} == {i: s for i, s in stored.items() if s}
