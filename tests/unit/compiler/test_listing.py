"""The difference of two plans as text: it leads from one to the other, and is the same however it is found."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from tests.compiling import FACTS, snapshot

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.listing import compare_listings, compare_plans, listing
from pointsman.compiler.plan import ConfigSection, Line, Plan

HUNK = re.compile(r"@@ -([0-9]+)(?:,([0-9]+))? \+[0-9]+(?:,[0-9]+)? @@")


def plan(*names: str, note: str = "") -> Plan:
    objects = {
        f"pools/{name}": {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}], "note": note}} for name in names
    }
    return compile_plan(snapshot({**objects, "global_settings": {}}), FACTS)


def section(word: str, lines: int = 4) -> ConfigSection:
    return ConfigSection(Line(f"backend {word}"), tuple(Line(f"{word} {number}") for number in range(lines)))


def patched(before: list[str], difference: str) -> list[str]:
    """What a unified diff makes of lines."""
    out: list[str] = []
    at = 0
    for line in difference.splitlines()[2:]:
        if found := HUNK.fullmatch(line):
            start = int(found[1]) - (0 if found[2] == "0" else 1)
            out += before[at:start]
            at = start
        elif line.startswith("+"):
            out.append(line[1:])
        else:
            assert before[at] == line[1:], line
            at += 1
            if line.startswith(" "):
                out.append(line[1:])
    return out + before[at:]


@pytest.mark.parametrize("seed", range(30))
def test_the_difference_leads_from_one_plan_to_the_other(seed: int) -> None:
    chance = random.Random(seed)
    base = plan("p")
    sections = [section(f"s{number}", chance.randrange(4)) for number in range(60)]
    changed = list(sections)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(changed))
        match chance.randrange(3):
            case 0:
                del changed[at]
            case 1:
                changed.insert(at, section(f"new{chance.random()}"))
            case _:
                changed[at] = section(f"other{chance.random()}", chance.randrange(6))
    old, new = (replace(base, sections=(*base.sections, *found)) for found in (sections, changed))
    difference = compare_plans(old, new)
    assert patched(list(listing(old)["haproxy.cfg"]), difference) == list(listing(new)["haproxy.cfg"])


def test_one_change_reads_as_when_everything_is_compared() -> None:
    old, new = plan("a", "c"), plan("a", "b", "c")
    assert compare_plans(old, new) == compare_listings(listing(old), listing(new))
    assert compare_plans(new, new) == ""


def test_secrets_are_covered() -> None:
    base = plan("p")
    new = replace(base, sections=(*base.sections, section("hidden-word")))
    assert "hidden-word" in compare_plans(base, new)
    difference = compare_plans(base, new, ["hidden-word"])
    assert "hidden-word" not in difference
    assert "<secret " in difference
