"""A document written for another version: what is unknown in it is left out and told, what is wrong is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.document.shapes import REGISTRY
from tests.unit.document.test_load import faults, write

from pointsman.document.family import FAMILY
from pointsman.document.fault import Faulty
from pointsman.document.load import load
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import BY_PATH

STRAY = """\
pools:
- name: p
  properties:
    basic:
      algoritm: random
      note: kept
      nodes_table:
      - {node: "a:80", wait: 5}
    futur: {a: {valueFrom: {fileRef: {name: missing}}}}
global_settings:
  properties:
    web_cache: {siz: 0}
"""


def test_unknown_names_are_left_out_and_told(tmp_path: Path) -> None:
    """R28: unknown keys are applied, that is left out, and reported on the object, with file and line."""
    document = load(write(tmp_path, {"a": STRAY}), REGISTRY, tolerant=True)
    assert document.objects == {
        ObjectId("pools", "p"): {"basic": {"note": "kept", "nodes_table": [{"node": "a:80"}]}},
        ObjectId("global_settings", ""): {"web_cache": {}},
    }
    assert [str(remark).removeprefix(f"{tmp_path}/") for remark in document.remarks] == [
        'a:5:7: pools/p: basic.algoritm: is left out: no such key; remove it, or did you mean "algorithm"?',
        "a:8:24: pools/p: basic.nodes_table.a:80.wait: is left out: no such column; remove it, or did you mean "
        '"weight"?',
        "a:9:5: pools/p: futur: is left out: no such section; remove it",
        'a:12:17: global_settings: web_cache.siz: is left out: no such key; remove it, or did you mean "size"?',
    ]
    assert len(faults(tmp_path)) == 5  # strict, each is a fault, and so is the missing file


@pytest.mark.parametrize(
    "text",
    [
        "pool: []",
        "pools: [{name: p, properties: {basic: {note: 1, monitors: x}}}]",
        "pools: [{name: p, properties: {basic: {nodes_table: [{node: a, weight: 500}]}}}]",
        "pools: [{name: p, propertees: {}}]",
        "pools: [",
        "rules: [{name: r, content: {valueFrom: {fileRef: {name: missing}}}}]",
        "virtual_servers: [{name: w}]",
        "version: 8.4",
    ],
)
def test_what_is_wrong_is_refused_all_the_same(tmp_path: Path, text: str) -> None:
    """R28: syntax errors, wrong types and ranges, unknown resource types and missing files name file and line."""
    assert faults(write(tmp_path, {"a": text}), tolerant=True)[0].startswith("a:1:")


def test_types_of_the_family_are_not_called_unknown(tmp_path: Path) -> None:
    """R28: a resource type that this version does not have yet is refused in words that say so."""
    text = "persistence: [{name: x}]\nkerberos: {keytabs: []}\npersistance: []\n"
    assert faults(write(tmp_path, {"a": text}), tolerant=True) == [
        'a:1:1: objects of the type "persistence" are not built into this version yet; remove them',
        'a:2:12: objects of the type "kerberos/keytabs" are not built into this version yet; remove them',
        'a:3:1: there is no resource type "persistance"; remove it',
    ]
    assert set(BY_PATH) <= FAMILY


@pytest.mark.parametrize("tolerant", [True, False])
def test_keys_are_read_by_the_names_they_had_before(tmp_path: Path, tolerant: bool) -> None:
    """With a remark; a value under the new name wins, wherever it stands."""
    text = """\
traffic_managers:
- name: one
  properties:
    basic: {engine_health_port: 9081}
- name: two
  properties:
    engine_health: {port: 9082}
    basic: {location: here, engine_health_port: 9081}
- name: three
  properties:
    basic: {engine_health_port: 9081}
    engine_health: {port: 9083}
"""
    document = load(write(tmp_path, {"a": text}), BY_PATH, tolerant=tolerant)
    assert document.objects == {
        ObjectId("traffic_managers", "one"): {"engine_health": {"port": 9081}},
        ObjectId("traffic_managers", "two"): {"basic": {"location": "here"}, "engine_health": {"port": 9082}},
        ObjectId("traffic_managers", "three"): {"engine_health": {"port": 9083}},
    }
    assert len(document.remarks) == 3
    assert str(document.remarks[0]).endswith(
        "traffic_managers/one: basic.engine_health_port: is read as engine_health.port, as it is called since level 2 "
        "of the schema; use that name"
    )


def test_a_fault_under_the_name_of_before_has_its_place(tmp_path: Path) -> None:
    text = """\
traffic_managers:
- name: one
  properties:
    basic: {engine_health_port: 99999}
"""
    with pytest.raises(Faulty) as refused:
        load(write(tmp_path, {"a": text}), BY_PATH)
    (fault,) = refused.value.faults
    assert (fault.line, fault.problem.path) == (4, ("engine_health", "port"))
