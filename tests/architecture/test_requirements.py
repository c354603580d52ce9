"""Each requirement that is met has a test that names it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
REQUIRED = frozenset(f"R{number}" for first, last in ((1, 32), (42, 67)) for number in range(first, last + 1))
"""What is promised: networks, start, joining, documents, console, names, backups, upgrades, clusters, licences."""
ELSEWHERE: dict[str, str] = {}
"""Requirements that no test here can show, and why."""
NAMES = re.compile(r"(R\d+)((?:, | and )R\d+)*")


@cache
def named() -> dict[str, list[str]]:
    """The tests by the requirements that their docstrings begin with, as `R3:` or `R3, R4:`."""
    found: dict[str, list[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for one in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name.startswith("test_"):
                begin = NAMES.match(ast.get_docstring(one) or "")
                for number in re.findall(r"R\d+", begin[0]) if begin else ():
                    found.setdefault(number, []).append(f"{path.relative_to(TESTS)}::{one.name}")
    return found


def test_each_requirement_is_named_by_a_test() -> None:
    tests = named()
    assert sorted(REQUIRED - set(tests) - set(ELSEWHERE)) == []


def test_no_exception_outlives_its_reason() -> None:
    assert sorted(set(ELSEWHERE) & set(named())) == []
