"""One stem in every layer: a resource's schema, its compiler and its golden files are found by the same name."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import pytest

import pointsman.schema
from pointsman.schema.registry import INTERNAL_TYPES, RESOURCE_TYPES
from pointsman.schema.resource import ResourceType

ROOT = Path(__file__).resolve().parents[2]
COMPILER = ROOT / "src" / "pointsman" / "compiler"
GOLDEN = ROOT / "tests" / "golden"

ELSEWHERE = {
    "certificate_authority": ("node_tls", "authorities are for what TLS to nodes trusts"),
    "server_key": ("tls", "certificates are for TLS with clients"),
    "traffic_manager": ("engine_health", "the engine takes the port of its own health alone"),
}
"""Resources whose effect has another stem, and why."""

WITHOUT_EFFECT = {
    "custom": "lists for scripts and other tools; nothing of the product acts on them",
    "extra_file": "files are for rules and error pages, which are not run yet",
    "license_key": "control.licensing chooses among keys; the compiler gets the limit as a fact",
    "rule": "rules are stored, not run yet",
    "user_group": "control.access answers what users may do; engines know no users",
}
"""Resources that the compiler takes nothing from, and why."""

WITHOUT_GOLDEN = {
    "header": "part of every virtual server's golden files",
    "name": "tests/unit/compiler/test_name.py",
    "quote": "tests/unit/compiler/test_quote.py",
    "route": "part of the golden files of pools, priorities and failure pools",
    "timeout": "part of the golden files of virtual servers and pools",
}
"""Modules of the compiler without golden files of their own, and where they are tested."""

GOLDEN_OF_OTHERS = {
    "effect": "compiler/effect.py",
    "failure_pool": "compiler/haproxy/route.py",
}
"""Golden directories that are not named after a module of compiler/haproxy, and what they show."""


def resources() -> dict[str, ResourceType]:
    """The registered resource types by the module that declares each; not what members keep about themselves."""
    found = {}
    for module in pkgutil.iter_modules(pointsman.schema.__path__):
        declared = vars(importlib.import_module(f"pointsman.schema.{module.name}")).values()
        for value in declared:
            own = isinstance(value, ResourceType) and value.model.__module__.endswith(f".{module.name}")
            if own and value not in INTERNAL_TYPES:
                found[module.name] = value
    return found


def test_every_registered_type_has_a_module_of_its_own() -> None:
    assert sorted(kind.path for kind in resources().values()) == sorted(kind.path for kind in RESOURCE_TYPES)


@pytest.mark.parametrize("stem", sorted(resources()))
def test_a_resource_is_found_in_every_layer(stem: str) -> None:
    if stem in WITHOUT_EFFECT:
        assert not (COMPILER / "haproxy" / f"{stem}.py").exists(), f"take {stem} out of WITHOUT_EFFECT"
        return
    other, _ = ELSEWHERE.get(stem, (stem, ""))
    assert (COMPILER / "haproxy" / f"{other}.py").exists()
    assert list((GOLDEN / other).glob("*.golden"))


@pytest.mark.parametrize("module", sorted(path.stem for path in (COMPILER / "haproxy").glob("[!_]*.py")))
def test_a_compiler_module_has_golden_files(module: str) -> None:
    if module in WITHOUT_GOLDEN:
        assert not (GOLDEN / module).exists(), f"take {module} out of WITHOUT_GOLDEN"
        return
    assert list((GOLDEN / module).glob("*.golden"))


@pytest.mark.parametrize("directory", sorted(path.name for path in GOLDEN.iterdir() if path.is_dir()))
def test_golden_files_are_of_a_module(directory: str) -> None:
    if directory.startswith("__"):
        return
    module = COMPILER / "haproxy" / f"{directory}.py"
    assert module.exists() or (ROOT / "src" / "pointsman" / GOLDEN_OF_OTHERS.get(directory, "-")).exists()


def test_unit_tests_mirror_the_source() -> None:
    """tests/unit has a directory for each package; those of `web` carry their surface in the name."""
    packages = {path.parent.name for path in (ROOT / "src" / "pointsman").glob("*/__init__.py")}
    tested = {path.name for path in (ROOT / "tests" / "unit").iterdir() if path.is_dir()}
    tested = {name.partition("_")[0] for name in tested if not name.startswith("__")}
    assert tested <= packages
    assert packages - tested <= {"console"}, "no unit tests for a package"  # tested through web/ui
