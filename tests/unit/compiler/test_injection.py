"""Hostile text in every key that takes text: it is refused, or it stays inside one word of one line of the engine's
files, and never becomes a command of its own at run time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.compiling import FACTS, snapshot
from tests.each import each

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.facts import Interface
from pointsman.compiler.memory import Memory
from pointsman.compiler.plan import Plan
from pointsman.schema.registry import BY_PATH, RESOURCE_TYPES
from pointsman.schema.resource import Key, Kind, ResourceType, ValueKind
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.validate import Invalid

MARK = "pwned"
BREAKS = ("\n", "\r", "\r\n", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029")
HOSTILE = (
    *(f"x{end}{MARK} on{end}" for end in BREAKS),
    f"x {MARK} x",
    f"x\t{MARK}\tx",
    f"x' {MARK} '",
    f'x" {MARK} "',
    f"x\\ {MARK} \\",
    f"x\\' {MARK} \\",
    f"x # {MARK} ",
    f"x;{MARK} ;",
    f"${{{MARK}}}",
    f"%[{MARK}]",
    f"x\\n{MARK} x",
    f"x <<\\n{MARK}",
    f"{MARK} {MARK}",
    f"\u00a0{MARK}\u3000{MARK}",
    f"../../{MARK} ",
    f"x) {MARK} (",
    f"x}} {MARK} {{",
)


@cache
def certificate() -> tuple[str, str]:
    return self_signed("a.example")


@cache
def base() -> dict[str, Any]:
    """A configuration in which everything that is compiled occurs."""
    public, private = certificate()
    nodes = [{"node": "192.0.2.1:80"}, {"node": "node.example:80", "source_ip": "192.0.2.9"}]
    pool = {"nodes_table": nodes, "monitors": ["m"], "failure_pool": "spare"}
    tls = {"enable": True, "strict_verify": True, "server_name": True, "common_name_match": ["n.example"]}
    mapping = [{"host": "b.example", "certificate": "k"}]
    secure = {"server_cert_default": "k", "server_cert_host_mapping": mapping}
    return {
        "ssl/server_keys/k": {"basic": {"public": public, "private": private}},
        "ssl/cas/ca": {"content": public.encode()},
        "monitors/m": {
            "basic": {"type": "http", "back_off": False, "delay": 6, "use_ssl": True},
            "http": {"host_header": "h.example"},
        },
        "monitors/t": {
            "basic": {"type": "tcp_transaction", "back_off": False, "delay": 6},
            "tcp": {"write_string": "a", "response_regex": "b", "close_string": "c"},
        },
        "bandwidth/b": {"basic": {"sharing": "connection"}},
        "pools/p": {"basic": {**pool, "bandwidth_class": "b"}, "ssl": tls},
        "pools/q": {"basic": {"nodes_table": nodes, "monitors": ["t"]}},
        "pools/spare": {"basic": {"nodes_table": nodes, "persistence_class": "ours"}},
        "pools/cookies": {"basic": {"nodes_table": nodes, "persistence_class": "theirs"}},
        "persistence/ours": {
            "basic": {"type": "transparent", "failure_mode": "url", "url": "https://x.example/"}
        },
        "persistence/theirs": {"basic": {"type": "cookie", "cookie": "session"}},
        "custom/lists": {},
        "user_groups/g": {"basic": {"permissions": [{"access_level": "ro", "name": "Pools"}]}},
        "virtual_servers/v": {
            "basic": {"enabled": True, "port": 443, "pool": "p", "ssl_decrypt": True},
            "ssl": secure,
        },
        "virtual_servers/w": {
            "basic": {"enabled": True, "port": 25, "pool": "q", "protocol": "stream", "bandwidth_class": "b"},
        },
        "virtual_servers/x": {"basic": {"enabled": True, "port": 81, "pool": "spare"}},
        "virtual_servers/y": {"basic": {"enabled": True, "port": 82, "pool": "cookies"}},
        "global_settings": {},
        "traffic_managers/tm.example": {
            "basic": {
                "trafficip": [
                    {"name": f"x {MARK}", "networks": ["192.0.2.0/24"]},
                    {"name": "eth0", "networks": ["192.0.2.0/24"]},
                ]
            }
        },
        "traffic_ip_groups/g": {
            "basic": {
                "ipaddresses": ["192.0.2.101", "2001:db8::101"],
                "machines": ["tm.example"],
                "ip_mapping": [{"ip": "192.0.2.101", "traffic_manager": "tm.example"}],
            }
        },
        "rules/r": {"content": b""},
        "extra_files/f": {"content": b""},
    }


HERE = replace(
    FACTS,
    addresses={"node.example": ("192.0.2.2",)},
    interfaces=(
        Interface("eth0", ("192.0.2.11/24", "2001:db8::11/64")),
        Interface(f"x {MARK}", ("192.0.2.12/24", "2001:db8::12/64")),
    ),
)


def words(line: str) -> tuple[str, ...]:
    """The words of a line as HAProxy reads them: quotes, escapes, comments."""
    found: list[str] = []
    word: list[str] | None = None
    position, quoting = 0, ""
    while position < len(line):
        character = line[position]
        if quoting == "'":
            if character == "'":
                quoting = ""
            else:
                word = [*(word or ()), character]
        elif character in "'\"":
            word = word or []
            quoting = "" if quoting else character
        elif character == "\\":
            position += 1
            word = [*(word or ()), line[position : position + 1]]
        elif not quoting and character == "#":
            break
        elif not quoting and character.isspace():
            if word is not None:
                found.append("".join(word))
            word = None
        else:
            if character == "$":
                word = [*(word or ()), f" {MARK} "]  # would be replaced by a variable
            word = [*(word or ()), character]
        position += 1
    assert not quoting, line
    return tuple(found) if word is None else (*found, "".join(word))


def lines_of(plan: Plan) -> Iterator[str]:
    yield from re.split("[\0\n\r\x0b\x0c\x1c\x85\u2028\u2029]", plan.text())
    for entries in plan.certificate_lists.values():
        yield from (part for entry in entries for part in re.split(r"[\r\n\0]", entry))


@cache  # nearly all lines are those of the other plans
def assert_line_harmless(line: str) -> None:
    """Of HAProxy's configuration."""
    found = words(line)
    assert MARK not in found, line
    assert not found or re.fullmatch(r"[a-z0-9._-]*|certs/[a-z0-9.-]+\.pem", found[0]), line


@cache
def assert_failover_harmless(text: str) -> None:
    """Of keepalived's configuration."""
    for line in text.splitlines():
        assert MARK not in line.split(), line
        assert re.fullmatch(r'[A-Za-z0-9 ._:/"{}-]*', line), line


def assert_harmless(plan: Plan) -> None:
    for line in lines_of(plan):
        assert_line_harmless(line)
    assert_failover_harmless(plan.failover.configuration)
    paths = [*plan.certificates, *plan.certificate_lists, *plan.maps, *plan.files]
    assert all(re.fullmatch(r"[a-z]+/[a-z0-9.-]+", path) and ".." not in path for path in paths), paths
    servers = [server for section in plan.sections for server in section.servers]
    assert all(re.fullmatch(r"[a-z0-9.-]+", server.name) for server in servers)


def object_of(kind: ResourceType) -> str:
    return next(
        (path for path in base() if path == kind.path or path.rpartition("/")[0] == kind.path), kind.path
    )


def textual(kind: ResourceType) -> Iterator[tuple[Key, Key | None]]:
    """Keys that take text, with the column where the key is a table."""
    for key in kind.keys:
        if key.kind is ValueKind.TABLE:
            yield from ((key, column) for column in key.columns if takes_text(column))
        elif takes_text(key):
            yield key, None


def takes_text(key: Key) -> bool:
    return key.kind in (ValueKind.STRING, ValueKind.LIST) and not key.choices


@cache
def built_base() -> Snapshot:
    return snapshot(base())


def edited(path: str, key: Key, column: Key | None, text: str) -> Snapshot:
    """The configuration with `text` in one place of one object. Raises `Invalid`."""
    settings = deepcopy(base()[path])
    section = settings.setdefault(key.section, {})
    value: Any = [text] if (column or key).kind is ValueKind.LIST else text
    if column is None:
        section[key.name] = value
    else:
        rows = section.setdefault(key.name, [{}])
        rows[0] = {**{c.name: "x" for c in key.columns if c.required}, **rows[0], column.name: value}
    return Snapshot({**built_base().objects, **snapshot({path: settings}).objects}, revision=1)


def place(kind: ResourceType, key: Key, column: Key | None) -> str:
    return f"{kind.path}-{key.path}" + (f"-{column.name}" if column else "")


MEMORY = Memory()
"""Of what the places have in common: only what one changes is compiled anew, as in the product."""
PLACES = (
    (kind, key, column)
    for kind in RESOURCE_TYPES
    if kind.kind is not Kind.FILE
    for key, column in textual(kind)
)


@each(PLACES, place)
def test_no_text_becomes_a_line_or_a_word(kind: ResourceType, key: Key, column: Key | None) -> None:
    for text in HOSTILE:
        try:
            made = edited(object_of(kind), key, column, text)
        except Invalid as refused:
            for problem in refused.problems:
                assert str(problem).isprintable(), problem
            continue
        assert_harmless(compile_plan(made, HERE, MEMORY))


@pytest.mark.parametrize("text", [*HOSTILE, "it's", "a#b", "a$b", "a(b", "a,b", 'a"b'])
def test_no_name_of_a_cookie_becomes_a_word(text: str) -> None:
    objects = {**deepcopy(base()), "persistence/theirs": {"basic": {"type": "cookie", "cookie": text}}}
    try:
        made = snapshot(objects)
    except Invalid:
        return
    plan = compile_plan(made, HERE)
    assert_harmless(plan)
    assert text not in plan.text()


NAMED = (
    "virtual_servers",
    "pools",
    "monitors",
    "persistence",
    "ssl/server_keys",
    "ssl/cas",
    "traffic_ip_groups",
)


@each(product(NAMED, HOSTILE), "{} {!r}".format)
def test_no_name_becomes_a_line_or_a_word(kind: str, text: str) -> None:
    objects = deepcopy(base())
    old = object_of(BY_PATH[kind])
    objects[f"{kind}/{text}"] = objects.pop(old)
    was = old.removeprefix(f"{kind}/")
    for settings in objects.values():
        for section in settings.values():
            if isinstance(section, dict):
                rename(section, was, text)
    try:
        made = snapshot(objects)
    except Invalid:
        return
    assert_harmless(compile_plan(made, HERE))


def rename(section: dict[str, Any], was: str, name: str) -> None:
    """Lets references follow a renamed object."""
    for key in ("pool", "failure_pool", "server_cert_default", "monitors", "persistence_class"):
        if section.get(key) == was:
            section[key] = name
        elif section.get(key) == [was]:
            section[key] = [name]
    for row in section.get("server_cert_host_mapping", ()):
        if row["certificate"] == was:
            row["certificate"] = name
