"""Every resource type is declared completely: help, valid defaults, references that lead somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.each import each

from pointsman.schema.registry import BY_PATH, RESOURCE_TYPES
from pointsman.schema.resource import Key, ResourceType, ValueKind
from pointsman.schema.validate import Invalid, build

# Types that objects refer to already and that are not declared yet.
LATER_TYPES = (
    "appliance/nat",
    "aptimizer/profiles",
    "aptimizer/scopes",
    "cloud_api_credentials",
    "dns_server/zones",
    "glb_services",
    "kerberos/principals",
    "locations",
    "log_export",
    "monitor_scripts",
    "protection",
    "rate",
    "saml/trustedidps",
    "service_level_monitors",
    "servicediscovery",
    "ssl/admin_cas",
    "ssl/client_keys",
    "ssl/ticket_keys",
    "user_authenticators",
)


def declared() -> Iterator[tuple[ResourceType, Key]]:
    """Every key and every column."""
    for kind in RESOURCE_TYPES:
        for key in kind.keys:
            yield kind, key
            for column in key.columns:
                yield kind, column


KEYS = each(declared(), lambda kind, key: f"{kind.path}.{key.path}")
TYPES = pytest.mark.parametrize("kind", RESOURCE_TYPES, ids=lambda kind: kind.path)


@KEYS
def test_help_is_a_sentence(kind: ResourceType, key: Key) -> None:
    assert len(key.help) >= 15
    assert key.help.endswith(".")
    assert key.help[0].isupper() or not key.help[0].isalpha()
    assert "\n" not in key.help


@KEYS
def test_defaults_satisfy_their_own_bounds(kind: ResourceType, key: Key) -> None:
    if key.required:
        assert key.default is None
        return
    match key.kind:
        case ValueKind.BOOLEAN:
            assert isinstance(key.default, bool)
        case ValueKind.INTEGER | ValueKind.NUMBER:
            assert key.minimum is None or key.default >= key.minimum
            assert key.maximum is None or key.default <= key.maximum
        case ValueKind.STRING:
            assert isinstance(key.default, str)
            assert not key.choices or key.default in key.choices
        case ValueKind.LIST | ValueKind.TABLE:
            assert isinstance(key.default, list)


@KEYS
def test_references_lead_to_a_type(kind: ResourceType, key: Key) -> None:
    if key.reference is not None:
        assert key.reference.type in BY_PATH or key.reference.type in LATER_TYPES
        assert key.kind in (ValueKind.STRING, ValueKind.LIST)


@KEYS
def test_tables_name_the_column_that_identifies_a_row(kind: ResourceType, key: Key) -> None:
    if key.kind is ValueKind.TABLE:
        (column,) = [column for column in key.columns if column.name == key.row_key]
        assert column.kind is ValueKind.STRING


@TYPES
def test_a_type_says_what_it_is_for(kind: ResourceType) -> None:
    assert len(kind.help) >= 15
    assert kind.help.endswith(".")
    assert kind.title and kind.plural


@TYPES
def test_defaults_are_valid_values(kind: ResourceType) -> None:
    """Building an object does not validate its defaults; so that is done here once, by setting them all."""
    settings: dict[str, dict[str, Any]] = {}
    for key in kind.keys:
        if not key.required:
            settings.setdefault(key.section, {})[key.name] = key.default
    try:
        build(kind, "one", settings)
    except Invalid as refusal:
        assert {problem.code for problem in refusal.problems} == {"property.no_default"}


@TYPES
def test_factory_objects_are_valid(kind: ResourceType) -> None:
    for name, settings in kind.factory.items():
        build(kind, name, settings)


def test_later_types_are_later() -> None:
    assert not set(LATER_TYPES) & set(BY_PATH)
    assert list(LATER_TYPES) == sorted(LATER_TYPES)


def test_paths_are_unique() -> None:
    assert len(BY_PATH) == len(RESOURCE_TYPES)
