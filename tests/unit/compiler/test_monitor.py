"""Which monitors the engine runs itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pointsman.compiler.haproxy.monitor import runs_natively
from pointsman.schema.monitor import FACTORY, MONITOR, Monitor
from pointsman.schema.validate import build


def monitor(settings: dict[str, Any]) -> Monitor:
    built = build(MONITOR, "m", settings)
    assert isinstance(built, Monitor)
    return built


def http(**keys: Any) -> dict[str, Any]:
    return {"basic": {"type": "http", "back_off": False}, "http": {"host_header": "www.example", **keys}}


def tcp(**keys: Any) -> dict[str, Any]:
    return {"basic": {"type": "tcp_transaction", "back_off": False}, "tcp": keys}


@pytest.mark.parametrize(
    "settings",
    [
        {"basic": {"type": "connect", "back_off": False}},
        {"basic": {"type": "connect", "back_off": False, "use_ssl": True}},
        http(),
        http(path="/a?b=c&d=%20'\"#", status_regex=r"^(200|204)$"),
        tcp(),
        tcp(response_regex=r"^220 [^\n]+\n", write_string=r"EHLO x\r\n"),
        tcp(response_regex=""),
        tcp(response_regex=".+"),
        tcp(response_regex=r"2\+2|4"),
        tcp(response_regex=r"(^|\n)250 [^\n]+\n"),
    ],
)
def test_plain_monitors_are_the_engines(settings: dict[str, Any]) -> None:
    assert runs_natively(monitor(settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"basic": {"type": "ping", "back_off": False}},
        {"basic": {"type": "connect"}},
        {"basic": {"type": "connect", "back_off": False, "verbose": True}},
        {"basic": {"type": "connect", "back_off": False, "scope": "poolwide", "machine": "a.example:1"}},
        http(host_header=""),
        http(host_header="www.example evil"),
        http(path="no-slash"),
        http(path="/two words"),
        http(path="/é"),
        http(authentication="a:b"),
        http(body_regex="ok"),
        http(status_regex="(?i)ok"),
        http(status_regex=r"(2)\1"),
        http(status_regex="2{2}"),
        http(status_regex="(2+)+"),
        http(status_regex="[[:digit:]]"),
        tcp(max_response_len=10),
        tcp(write_string="x" * 3000),
        tcp(response_regex=".*a.*b.*c.*d"),
        tcp(response_regex="a*a*b"),
        tcp(response_regex="a.*b"),
        tcp(response_regex=".+b"),
        tcp(response_regex="^a|.+b"),
        tcp(response_regex=r"(^|\n)a|.+b"),
        tcp(response_regex=r"(^|\n)[^x]+b"),
    ],
)
def test_anything_more_is_ours(settings: dict[str, Any]) -> None:
    assert not runs_natively(monitor(settings))


def test_factory_monitors_back_off_and_so_are_ours() -> None:
    assert not any(runs_natively(monitor(dict(settings))) for settings in FACTORY.values())


def test_greetings_of_the_factory_could_be_the_engines() -> None:
    patterns = [s["tcp"]["response_regex"] for s in FACTORY.values() if "tcp" in s]
    assert len(patterns) >= 3
    for pattern in patterns:
        re.compile(pattern)
        assert runs_natively(monitor(tcp(response_regex=pattern)))
