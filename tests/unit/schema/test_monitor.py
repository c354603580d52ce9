"""Monitors: patterns and the objects that exist from the start."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.schema.monitor import FACTORY, MONITOR, PATTERN_LIMIT, Monitor
from pointsman.schema.validate import Invalid, build

PATTERNS = [
    ("http", "body_regex"),
    ("http", "status_regex"),
    ("rtsp", "body_regex"),
    ("rtsp", "status_regex"),
    ("sip", "body_regex"),
    ("sip", "status_regex"),
    ("tcp", "response_regex"),
]


def monitor(**sections: Any) -> Monitor:
    built = build(MONITOR, "one", sections)
    assert isinstance(built, Monitor)
    return built


def test_the_declaration_is_whole() -> None:
    assert len(MONITOR.keys) == 33
    assert [key.path for key in MONITOR.keys if key.required] == []
    assert [key.path for key in MONITOR.keys if key.hidden] == [
        "basic.can_edit_ssl",
        "basic.can_use_ssl",
        "basic.editable_keys",
        "basic.factory",
    ]


@pytest.mark.parametrize(("section", "name"), PATTERNS)
def test_patterns_must_compile(section: str, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        monitor(**{section: {name: "(open"}})
    (problem,) = refused.value.problems
    assert (problem.path, problem.code) == ((section, name), "value.invalid")
    assert problem.message == (
        "is not a valid regular expression: missing ), unterminated subpattern at position 0; "
        "correct that part, or escape it with a backslash"
    )


@pytest.mark.parametrize(("section", "name"), PATTERNS)
def test_patterns_have_a_limit(section: str, name: str) -> None:
    monitor(**{section: {name: "x" * PATTERN_LIMIT}})
    with pytest.raises(Invalid, match="shorten it to 1000 characters at most"):
        monitor(**{section: {name: "x" * (PATTERN_LIMIT + 1)}})


@pytest.mark.parametrize(
    "pattern", ["(" * 1000, "(" * 500 + ")" * 500, "a{99999999999999999999}", "[[", "(?P<n", "\\"]
)
def test_patterns_that_break_the_parser_are_explained(pattern: str) -> None:
    with pytest.raises(Invalid, match="is not a valid regular expression"):
        monitor(http={"body_regex": pattern})


def test_a_pattern_of_doubtful_meaning_is_accepted_without_a_warning() -> None:
    assert monitor(http={"body_regex": "[[a]"}).http.body_regex == "[[a]"


def test_credentials_are_secret_but_read_back() -> None:
    key = MONITOR.key("http", "authentication")
    assert key is not None and key.secret is not None
    assert key.secret.readback == "clear"


@pytest.mark.parametrize("machine", ["", "db1", "db1:5432", "10.0.0.1", "::1", "[::1]:80"])
def test_a_machine_is_a_host_with_or_without_port(machine: str) -> None:
    assert monitor(basic={"machine": machine}).basic.machine == machine


def test_a_bad_machine_is_refused() -> None:
    with pytest.raises(Invalid, match="correct the port"):
        monitor(basic={"machine": "db1:99999"})


@pytest.mark.parametrize("name", FACTORY)
def test_factory_monitors_are_valid_and_sparse(name: str) -> None:
    made = build(MONITOR, name, FACTORY[name])
    assert isinstance(made, Monitor)
    assert made.basic.note.endswith(".")
    for section, keys in FACTORY[name].items():
        for key_name, value in keys.items():
            key = MONITOR.key(section, key_name)
            assert key is not None and key.default != value


def test_factory_monitors_keep_their_escapes() -> None:
    assert len(FACTORY) == 16
    pop = build(MONITOR, "POP", FACTORY["POP"])
    assert isinstance(pop, Monitor)
    assert pop.tcp.close_string == "QUIT\\r\\n"
    assert pop.tcp.response_regex == "^\\+OK [^\\n]+\\n"
