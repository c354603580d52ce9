"""Configurations and what they are compiled to, one file for each case in the folder of its feature.

A file holds the input in YAML (`objects`, and if wanted `facts`, `certificates` to make: name -> host, `authorities`),
with `cluster` as name -> address and `certified` for members that know one another by certificates,
a line of ten hyphens, and the expected output: the sections that an empty configuration does not have, lists, files,
checks, traffic IPs, conditions. Each output also passes through the real `haproxy -c`, and keepalived's part through
`keepalived -t` where that is installed.

To write the expected outputs anew, after looking at why they differ: POINTSMAN_UPDATE_GOLDEN=1 pytest tests/golden
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.certificates import self_signed
from tests.compiling import FACTS, complaints, keepalived_complaints, snapshot

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.facts import Facts, Interface, Member
from pointsman.compiler.plan import Plan
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot

FOLDER = Path(__file__).parent
SEPARATOR = "----------\n"
UPDATE = "POINTSMAN_UPDATE_GOLDEN" in os.environ
CASES = sorted(FOLDER.glob("*/*.golden"))


def _facts(wanted: Mapping[str, Any]) -> Facts:
    values = dict(wanted)
    if "addresses" in values:
        values["addresses"] = {name: tuple(addresses) for name, addresses in values["addresses"].items()}
    if "refused" in values:
        values["refused"] = {ObjectId(*path.split("/", 1)): why for path, why in values["refused"].items()}
    if "interfaces" in values:
        values["interfaces"] = tuple(
            Interface(name, tuple(networks)) for name, networks in values["interfaces"].items()
        )
    for name, made in (("serving", frozenset), ("own_ports", frozenset), ("demo_ports", tuple)):
        if name in values:
            values[name] = made(values[name])
    if "cluster" in values:
        values["cluster"] = tuple(Member(name, address) for name, address in values["cluster"].items())
    if values.pop("certified", False):
        public, private = self_signed("member")
        values |= {"cluster_certificate": f"{public}{private}".encode(), "cluster_authority": public.encode()}
    return replace(FACTS, **values)


def _objects(case: Mapping[str, Any]) -> dict[str, Any]:
    objects = dict(case.get("objects") or {})
    for name, host in case.get("certificates", {}).items():
        public, private = self_signed(host)
        objects[f"ssl/server_keys/{name}"] = {"basic": {"public": public, "private": private}}
    for name in case.get("authorities", ()):
        objects[f"ssl/cas/{name}"] = {"content": self_signed(name)[0].encode()}
    return objects


def _show(plan: Plan, empty: Plan) -> str:
    known = {section.header.text: section for section in empty.sections}
    shown = [section for section in plan.sections if known.get(section.header.text) != section]
    out = [replace(plan, sections=tuple(shown)).text()]
    for path, entries in sorted(plan.certificate_lists.items()):
        out.append(f"list {path}\n" + "".join(f"    {entry}\n" for entry in entries))
    if files := sorted([*plan.certificates, *plan.files]):
        out.append("files\n" + "".join(f"    {path}\n" for path in files))
    if plan.checks:
        out.append("checks\n" + "".join(f"    {check}\n" for check in plan.checks))
    if plan.failover.addresses:
        order = (f"    {ip.address} {' '.join(ip.order)}\n" for ip in plan.failover.addresses)
        out.append("traffic IPs, and who takes them in which order\n" + "".join(order))
    if plan.failover.configuration:
        out.append(f"keepalived\n{plan.failover.configuration}")
    if plan.conditions:
        out.append(
            "conditions\n" + "".join(f"    {_condition(condition)}\n" for condition in plan.conditions)
        )
    return "\n".join(part.rstrip("\n") + "\n" for part in out if part)


def _condition(condition: Any) -> str:
    where = ".".join(condition.path)
    return f"{condition.subject} {condition.standing.value} {condition.code} [{where}] {condition.message}"


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_compiles_to_what_is_expected(path: Path, tmp_path: Path) -> None:
    given, _, expected = path.read_text().partition(SEPARATOR)
    case = yaml.safe_load(given) or {}
    facts = _facts(case.get("facts", {}))
    claims = {ObjectId(*path.split("/", 1)): at for path, at in case.get("claims", {}).items()}
    plan = compile_plan(replace(snapshot(_objects(case)), claims=claims), facts)
    shown = _show(plan, compile_plan(Snapshot(), FACTS))
    said = complaints(plan, tmp_path) + keepalived_complaints(plan, tmp_path)
    assert not said, f"{said}\n{plan.text()}\n{plan.failover.configuration}"
    if UPDATE:
        path.write_text(given + SEPARATOR + shown)
    assert shown == (expected if not UPDATE else shown)


def test_there_are_cases() -> None:
    assert len(CASES) > 20


def test_an_empty_configuration_is_accepted(tmp_path: Path) -> None:
    plan = compile_plan(Snapshot(), FACTS)
    assert complaints(plan, tmp_path) == ""
    assert plan.listeners == ()
    assert plan.conditions == ()
