"""What is exported loads again as the same settings, and differences never show a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.document.shapes import REGISTRY

from pointsman.document.difference import KeyChange, ObjectChange, compare
from pointsman.document.export import Format, export
from pointsman.document.fault import UNSHOWN, Faulty
from pointsman.document.load import load
from pointsman.document.secret_hash import Hasher, resolve_hashes, salt_of
from pointsman.schema.problem import ObjectId
from pointsman.schema.validate import Invalid, check_name

Objects = Mapping[ObjectId, Mapping[str, Any]]


def acceptable(name: str) -> bool:
    try:
        check_name(ObjectId("pools", name))
    except Invalid:
        return False
    return True


WORDS = st.text(
    st.characters(codec="utf-8", min_codepoint=0x20, exclude_characters="\x7f\x85\u2028\u2029"), max_size=12
)
AWKWARD = (
    "a\n", "a\nb\n", "a\n\n", "\na\n", " a\n", "a \nb\n", "a\r\nb\r\n", "# a\nb\n", "- a\n b\n", "a: b\n",
    "---\n",
    "a\n\n\nb\n", "a\n  b\n\tc\n", "a\n\t\n", "%A\n", "'\n", "true", "1", "", "a\x85b\n",
    "a\u2028b\n",
)  # fmt: skip
TEXTS = st.text(
    st.characters(codec="utf-8", min_codepoint=0x20) | st.sampled_from("\t\r\n -#:'\""), max_size=30
) | st.sampled_from(AWKWARD)
NAMES = st.text(min_size=1, max_size=8).filter(acceptable) | st.sampled_from(
    ["true", "1", "-", "a: b", "# x", "null"]
)


def _node(row: Any) -> str:
    return str(row["node"])


def _settings(keys: dict[str, Any]) -> dict[str, Any]:
    return {"basic": keys} if keys else {}


POOLS = st.fixed_dictionaries(
    {},
    optional={
        "note": TEXTS,
        "monitors": st.lists(WORDS, unique=True, max_size=3),
        "nodes_table": st.lists(
            st.fixed_dictionaries({"node": WORDS}, optional={"weight": st.integers(1, 100), "token": WORDS}),
            unique_by=_node,
            max_size=3,
        ),
    },
).map(_settings)
CONFIGURATIONS = st.dictionaries(NAMES.map(lambda name: ObjectId("pools", name)), POOLS, max_size=3).flatmap(
    lambda pools: st.dictionaries(
        NAMES.map(lambda name: ObjectId("rules", name)),
        (st.binary(max_size=20) | TEXTS.map(str.encode)).map(lambda content: {"content": content}),
        max_size=3,
    ).map(lambda rules: {**pools, **rules})
)


@pytest.mark.parametrize("form", get_args(Format))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(objects=CONFIGURATIONS)
def test_export_then_load_is_no_change(tmp_path: Path, form: Format, objects: Objects) -> None:
    path = tmp_path / f"document.{form}"
    path.write_text(export(objects, REGISTRY, form, secrets="include").text, encoding="utf-8")
    loaded = load(path, REGISTRY).objects
    assert {identity: dict(values) for identity, values in loaded.items()} == objects
    assert compare(objects, loaded, REGISTRY) == ()


OBJECTS: Objects = {
    ObjectId("global_settings", ""): {"web_cache": {"size": "10%"}},
    ObjectId("pools", "a pool"): {
        "basic": {
            "monitors": ["Ping"],
            "nodes_table": [{"node": "10.0.0.1:80", "token": "t"}, {"node": "b:1"}],
        }
    },
    ObjectId("rules", "r"): {"content": b"one();\n\n  two();\n"},
    ObjectId("ssl/server_keys", "k"): {"basic": {"private": "P\nQ\n", "public": "C"}},
    ObjectId("virtual_servers", "v"): {
        "basic": {"pool": "yes", "port": 80},
        "connection": {"password": "x y"},
    },
    ObjectId("of_a_newer_version", "n"): {},
}


def test_the_shape_of_an_export() -> None:
    assert (
        export(OBJECTS, REGISTRY).text
        == """\
# Secrets that are left out here: 3. They stay as they are where this is applied.
version: 8.3
global_settings:
  properties:
    web_cache:
      size: "10%"
pools:
- name: "a pool"
  properties:
    basic:
      monitors:
      - Ping
      nodes_table:
      - node: "10.0.0.1:80"
      - node: "b:1"
rules:
- name: r
  content: |
    one();

      two();
ssl:
  server_keys:
  - name: k
    properties:
      basic:
        public: C
virtual_servers:
- name: v
  properties:
    basic:
      pool: "yes"
      port: 80
"""
    )


def test_secrets_are_there_when_asked_for() -> None:
    assert '"private": "P\\nQ\\n"' in export(OBJECTS, REGISTRY, "json", secrets="include").text
    assert "private: |\n          P\n          Q\n" in export(OBJECTS, REGISTRY, secrets="include").text


def test_secrets_as_hashes(tmp_path: Path) -> None:
    """Importer 7: a hash stands for the stored secret of that object and key, and for nothing else."""
    text = export(OBJECTS, REGISTRY, secrets="hash", seed="pm1").text
    assert not any(secret in text for secret in ("x y", "P\\n", "token: t"))
    assert text == export(OBJECTS, REGISTRY, secrets="hash", seed="pm1").text
    assert text != export(OBJECTS, REGISTRY, secrets="hash", seed="pm2").text
    path = tmp_path / "export.yaml"
    path.write_text(text)
    loaded = load(path, REGISTRY).objects
    assert resolve_hashes(loaded, OBJECTS, REGISTRY) == load_included(tmp_path)
    key, server = ObjectId("ssl/server_keys", "k"), ObjectId("virtual_servers", "v")
    changed = {**OBJECTS, key: {"basic": {"private": "other", "public": "C"}}}
    with pytest.raises(Invalid) as caught:
        resolve_hashes(loaded, changed, REGISTRY)
    assert str(caught.value).startswith("ssl/server_keys/k: basic.private: is the hash of another secret")
    with pytest.raises(Invalid) as caught:
        resolve_hashes(loaded, {}, REGISTRY)
    assert [problem.path for problem in caught.value.problems] == [
        ("basic", "nodes_table", "10.0.0.1:80", "token"), ("basic", "private"), ("connection", "password"),
    ]  # fmt: skip
    assert "no secret is stored here" in str(caught.value)
    forged: Objects = {server: {"basic": {}, "connection": {"password": {"secretHash": "x"}}}}
    with pytest.raises(Invalid, match="is not a hash that an export wrote"):
        resolve_hashes(forged, OBJECTS, REGISTRY)


def load_included(tmp_path: Path) -> Objects:
    """What an export with its secrets says."""
    path = tmp_path / "included.yaml"
    path.write_text(export(OBJECTS, REGISTRY, secrets="include").text)
    return load(path, REGISTRY).objects


def test_a_hash_belongs_to_its_object_and_key() -> None:
    hasher, salt = Hasher(), salt_of("pm1")
    one, two = ObjectId("virtual_servers", "v"), ObjectId("virtual_servers", "w")
    path = ("connection", "password")
    written = hasher.hash("s", salt, one, path)
    assert hasher.matches(written, "s", one, path)
    assert not hasher.matches(written, "s", two, path)
    assert not hasher.matches(written, "s", one, ("connection", "passwords"))
    assert not hasher.matches(written, "t", one, path)
    assert written.startswith("scrypt-")
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 10
    assert hasher.hash(key, salt, one, path).startswith("sha256-")
    assert hasher.hash(key[:60], salt, one, path).startswith("scrypt-")


def test_a_hash_stands_for_secrets_only(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("pools: [{name: p, properties: {basic: {note: {secretHash: x}}}}]")
    with pytest.raises(Faulty, match="has the wrong type"):
        load(path, REGISTRY)


def test_the_text_of_an_export_cannot_move_a_cursor() -> None:
    """Importer 7: an export is read on terminals and in reviews, whatever a note holds."""
    hostile = "a\x1b[31m\x7f\x9b\u202etxt\u2066\u200f\ufeff\u2028\n  b\n"
    objects: Objects = {
        ObjectId("pools", "p\u202e"): {"basic": {"note": hostile}},
        ObjectId("rules", "r"): {"content": hostile.encode()},
    }
    for form in get_args(Format):
        text = export(objects, REGISTRY, form, base={ObjectId("pools", "\u202egone"): {}}).text
        assert not re.search(f"(?!\n)[{UNSHOWN}]", text)


DEFAULTED: Objects = {
    ObjectId("pools", "p"): {"basic": {"nodes_table": [{"node": "a:1"}], "note": "x", "algorithm": "random"}},
    ObjectId("pools", "same"): {"basic": {"note": "y"}},
    ObjectId("rules", "gone"): {"content": b"x"},
    ObjectId("rules", "r"): {"content": b"x"},
    ObjectId("global_settings", ""): {"web_cache": {"size": "1"}},
}


def test_differences_from_a_base() -> None:
    """Importer 7: differences name what differs, defaults included; what they cannot say is said beside them."""
    now: Objects = {
        ObjectId("pools", "p"): {"basic": {"note": "x", "algorithm": "random", "monitors": ["Ping"]}},
        ObjectId("pools", "same"): {"basic": {"note": "y", "algorithm": "round_robin"}},
        ObjectId("pools", "new"): {},
        ObjectId("rules", "r"): {"content": b"x"},
        ObjectId("virtual_servers", "v"): {
            "basic": {"pool": "p", "port": 80},
            "connection": {"password": "s"},
        },
    }
    exported = export(now, REGISTRY, base=DEFAULTED)
    assert (
        exported.text
        == """\
# Secrets that are left out here: 1. They stay as they are where this is applied.
# A document cannot say that an object is deleted. These were, since the base:
# - rules/gone
version: 8.3
pools:
- name: new
  properties: {}
- name: p
  properties:
    basic:
      monitors:
      - Ping
      nodes_table: []
virtual_servers:
- name: v
  properties:
    basic:
      pool: p
      port: 80
"""
    )
    assert (exported.left_out, exported.deleted) == (1, (ObjectId("rules", "gone"),))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(base=CONFIGURATIONS, now=CONFIGURATIONS)
def test_differences_on_their_base_give_the_configuration(
    tmp_path: Path, base: Objects, now: Objects
) -> None:
    """Importer 7: the differences, imported on the same base, give the configuration again, but for deletions."""
    path = tmp_path / "differences.yaml"
    exported = export(now, REGISTRY, secrets="include", base=base)
    path.write_text(exported.text, encoding="utf-8")
    found = {**base, **now}
    for identity, described in load(path, REGISTRY, complete=False).objects.items():
        merged = {
            section: dict(keys)
            for section, keys in base.get(identity, {}).items()
            if identity.type == "pools"
        }
        for section, keys in described.items():
            merged[section] = {**merged.get(section, {}), **keys} if identity.type == "pools" else keys
        found[identity] = merged
    for identity in exported.deleted:
        del found[identity]
    assert compare(now, found, REGISTRY) == ()


def test_differences() -> None:
    pool, server, key = (
        ObjectId("pools", "p"),
        ObjectId("virtual_servers", "v"),
        ObjectId("ssl/server_keys", "k"),
    )
    before: Objects = {
        pool: {
            "basic": {"nodes_table": [{"node": "a"}, {"node": "b", "token": "old"}], "algorithm": "random"}
        },
        ObjectId("rules", "gone"): {"content": b"x"},
        ObjectId("rules", "r"): {"content": b"x"},
        key: {"basic": {"private": "secret one", "public": "C"}},
        ObjectId("global_settings", ""): {"web_cache": {"size": "1"}},
    }
    after: Objects = {
        pool: {"basic": {"nodes_table": [{"node": "b", "token": "new"}, {"node": "c"}], "note": ""}},
        server: {"basic": {"pool": "p", "port": 80}},
        ObjectId("rules", "r"): {"content": b"yy"},
        key: {"basic": {"private": "secret two", "public": "C"}},
    }
    found = {change.subject: change for change in compare(before, after, REGISTRY)}
    assert [(c.act, str(s)) for s, c in found.items()] == [
        ("changed", "global_settings"), ("changed", "pools/p"), ("deleted", "rules/gone"),
        ("changed", "rules/r"), ("changed", "ssl/server_keys/k"), ("created", "virtual_servers/v"),
    ]  # fmt: skip
    keys = {change.path: change for change in found[pool].keys}
    assert keys["basic", "algorithm"] == KeyChange(("basic", "algorithm"), "random", "round_robin")
    assert keys["basic", "nodes_table", "a"].after is None
    assert keys["basic", "nodes_table", "c"].after == {"node": "c", "weight": 1, "token": ""}
    assert ("basic", "note") not in keys
    shown = repr(found)
    assert not any(secret in shown for secret in ("'old'", "'new'", "secret one", "secret two"))
    assert keys["basic", "nodes_table", "b"].before != keys["basic", "nodes_table", "b"].after


def test_the_order_of_rows_is_a_change() -> None:
    pool = ObjectId("pools", "p")
    first: Objects = {pool: {"basic": {"nodes_table": [{"node": "a"}, {"node": "b"}]}}}
    second: Objects = {pool: {"basic": {"nodes_table": [{"node": "b", "weight": 1}, {"node": "a"}]}}}
    assert compare(first, second, REGISTRY) == (
        ObjectChange(pool, "changed", (KeyChange(("basic", "nodes_table"), ["a", "b"], ["b", "a"]),)),
    )
    assert compare(first, first, REGISTRY) == ()
