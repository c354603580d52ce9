"""The text and the fingerprint of a generation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pointsman.compiler.plan import ConfigSection, Line, Plan
from pointsman.engine.haproxy.generation import digest_of, files_of, text_of


def plan(generation: int) -> Plan:
    return Plan(
        (ConfigSection(Line("global"), (Line(f"description generation-{generation}"), Line("noreuseport"))),),
        certificates={"certs/a.pem": b"A"},
        certificate_lists={"lists/web.list": ("certs/a.pem !*",)},
        maps={"maps/m.map": (("a", "1"), ("b", "2"))},
    )


def test_the_text_names_its_own_generation() -> None:
    assert text_of(plan(0), 7) == "global\n    description generation-7\n    noreuseport\n\n"


def test_the_same_plan_has_the_same_fingerprint_in_every_generation() -> None:
    assert digest_of(plan(1)) == digest_of(plan(2))


def test_any_other_content_has_another_fingerprint() -> None:
    assert digest_of(plan(1)) != digest_of(replace(plan(1), certificates={"certs/a.pem": b"B"}))
    assert digest_of(plan(1)) != digest_of(replace(plan(1), maps={}))


def test_lists_and_maps_are_files() -> None:
    assert files_of(plan(1)) == {
        "certs/a.pem": b"A",
        "lists/web.list": b"certs/a.pem !*\n",
        "maps/m.map": b"a 1\nb 2\n",
    }


def test_a_plan_that_cannot_be_recognised_is_a_bug() -> None:
    with pytest.raises(ValueError, match="description"):
        text_of(Plan((ConfigSection(Line("global")),)), 1)
