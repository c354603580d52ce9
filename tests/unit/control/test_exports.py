"""A configuration of any types, exported and applied again, is the same configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.schema.generated import settings_of
from tests.unit.store.opening import rounds

from pointsman.control.described import always_there, plan_edit
from pointsman.control.exports import Wish, read_wish
from pointsman.control.merge import canonical
from pointsman.document.export import Format, Secrets, export
from pointsman.document.load import load
from pointsman.document.secret_hash import resolve_hashes
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH, RESOURCE_TYPES
from pointsman.schema.resource import Kind, ResourceType
from pointsman.schema.validate import build
from pointsman.store import Put

Stored = dict[ObjectId, Mapping[str, Any]]
NAMES = st.sampled_from(["a", "b c", "d/e", "true", "7", "é日", "- x: y", "\u202ereversed"])


def objects_of(kind: ResourceType) -> st.SearchStrategy[Stored]:
    """A few objects of a type, as they are stored."""
    held: st.SearchStrategy[Mapping[str, Any]]
    if kind.kind is Kind.FILE:
        held = st.binary(max_size=12).map(lambda content: {"content": content})
    else:
        held = settings_of(kind)
    names = st.just("") if kind.kind is Kind.SINGLETON else NAMES
    found = st.dictionaries(names.map(lambda name: ObjectId(kind.path, name)), held, max_size=2)
    return found.map(lambda objects: {i: canonical(kind, build(kind, i.name, s)) for i, s in objects.items()})


def merged(parts: tuple[Stored, ...]) -> Stored:
    return {identity: values for part in parts for identity, values in part.items()}


CONFIGURATIONS = st.tuples(*(objects_of(kind) for kind in RESOURCE_TYPES)).map(merged)
FACTORY: Stored = {
    identity: canonical(BY_PATH[identity.type], build(BY_PATH[identity.type], identity.name, values))
    for identity, values in always_there().items()
}
QUIETLY = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=rounds(8),  # for each notation and each handling of secrets
)


@pytest.mark.parametrize("form", get_args(Format))
@pytest.mark.parametrize("secrets", get_args(Secrets))
@QUIETLY
@given(made=CONFIGURATIONS)
def test_export_then_import_is_no_change(
    tmp_path: Path, form: Format, secrets: Secrets, made: Stored
) -> None:
    """Importer 7: an export can be put back unchanged, in each notation and with each handling of secrets."""
    stored = {**FACTORY, **made}
    path = tmp_path / f"export.{form}"
    path.write_text(export(stored, BY_PATH, form, secrets=secrets, seed="pm1").text, encoding="utf-8")
    loaded = load(path, BY_PATH, complete=secrets == "include")
    described = resolve_hashes(loaded.objects, stored, BY_PATH)
    for replace in (False, True):
        assert plan_edit(stored, described, replace=replace).changes == ()


@pytest.mark.parametrize("form", get_args(Format))
@QUIETLY
@given(made=CONFIGURATIONS)
def test_differences_from_a_new_instance_make_one_the_same(
    tmp_path: Path, form: Format, made: Stored
) -> None:
    """Importer 7: differences, laid over their base, are the configuration again."""
    stored = {**FACTORY, **made}
    path = tmp_path / f"differences.{form}"
    exported = export(stored, BY_PATH, form, secrets="include", base=FACTORY)
    path.write_text(exported.text, encoding="utf-8")
    described = load(path, BY_PATH, complete=False).objects
    own = {identity: stored[identity] for identity in stored if not BY_PATH[identity.type].creatable}
    result = {**FACTORY, **own}  # a traffic manager is never made by a document
    for change in plan_edit(result, described, replace=False).changes:
        assert isinstance(change, Put)
        result[change.identity] = change.settings
    assert result == stored


def test_arguments_of_an_export() -> None:
    assert read_wish({}) == Wish("yaml", "exclude", False)
    assert read_wish({"format": "json", "secrets": "hash", "differences": ""}) == Wish("json", "hash", True)
    for wrong in ({"format": "xml"}, {"secrets": "all"}, {"differences": "maybe"}):
        with pytest.raises(ValueError, match="the argument"):
            read_wish(wrong)
