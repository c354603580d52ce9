"""Objects over REST, by real sockets, a real store and a real control: what can be written, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.engine.management import CONFIG, STATUS, Instance, place

from pointsman.schema.registry import BY_PATH
from pointsman.schema.resource import ValueKind

pytestmark = pytest.mark.timeout(60)

NODE = "127.0.0.1:80"


# Objects


async def test_a_new_object_answers_201_with_every_key_in_order(instance: Instance) -> None:
    reply = await instance.put("pools", "p", {"basic": {"nodes_table": [{"node": NODE}]}, "ssl": {}})
    assert (reply.status, reply.headers["content-type"]) == (201, "application/json")
    sections = reply.json["properties"]
    assert list(sections) == sorted(sections, key=lambda name: (name != "basic", name))
    for keys in sections.values():
        assert list(keys) == sorted(keys)
    (row,) = sections["basic"]["nodes_table"]
    assert row["node"] == NODE and row["weight"] == 1 and row["state"] == "active"
    assert await instance.get("pools", "p") == sections


async def test_a_put_merges_keys_and_replaces_lists_and_tables(instance: Instance) -> None:
    rows = [{"node": NODE, "weight": 5}, {"node": "127.0.0.2:80"}]
    await instance.put("pools", "p", {"basic": {"nodes_table": rows, "note": "n", "monitors": []}})
    reply = await instance.put("pools", "p", {"load_balancing": {"algorithm": "random"}})
    assert reply.status == 200
    assert reply.json["properties"]["basic"]["note"] == "n"
    assert reply.json["properties"]["load_balancing"]["algorithm"] == "random"
    reply = await instance.put("pools", "p", {"basic": {"nodes_table": [{"node": NODE}]}})
    assert [(row["node"], row["weight"]) for row in reply.json["properties"]["basic"]["nodes_table"]] == [
        (NODE, 1)
    ]
    assert reply.json["properties"]["load_balancing"]["algorithm"] == "random"


async def test_writing_back_what_was_read_changes_nothing(instance: Instance) -> None:
    public, private = self_signed("a.example")
    settings = {"basic": {"public": public, "private": private, "note": "x"}}
    assert (await instance.put("ssl/server_keys", "k", settings)).status == 201
    await instance.put("pools", "p", {"basic": {"nodes_table": [{"node": NODE}]}})
    await instance.put("monitors", "m", {"basic": {"type": "http"}, "http": {"authentication": "user:pw"}})
    await instance.put("global_settings", "", {"remote_licensing": {"owner_secret": "hush"}})
    stored = dict(instance.control.snapshot.objects)
    revision = instance.control.revision
    for kind, name in (("ssl/server_keys", "k"), ("pools", "p"), ("monitors", "m"), ("global_settings", "")):
        target = place(kind, name).rstrip("/")
        body = (await instance.call("GET", target)).json
        assert (await instance.call("PUT", target, body)).status == 200
    assert instance.control.revision == revision
    assert instance.control.snapshot.objects == stored


async def test_a_private_key_reads_back_as_its_hash(instance: Instance) -> None:
    public, private = self_signed("a.example")
    reply = await instance.put("ssl/server_keys", "k", {"basic": {"public": public, "private": private}})
    digest = base64.b64encode(hashlib.sha256(private.encode()).digest()).decode()
    assert reply.json["properties"]["basic"]["private"] == digest
    for target in (place("ssl/server_keys", "k"), f"{STATUS}/local_tm/history"):
        assert private.splitlines()[1].encode() not in (await instance.call("GET", target)).body
    # A hash that is not the stored key's is no key.
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    assert (await instance.put("ssl/server_keys", "k", {"basic": {"private": wrong}})).status == 400


async def test_the_hook_with_raw_newlines_and_a_trailing_comma_works(instance: Instance) -> None:
    public, private = self_signed("a.example")
    body = f'{{"properties": {{ "basic": {{ "public": "{public}", "private": "{private}", }} }} }}'.encode()
    reply = await instance.call(
        "PUT", place("ssl/server_keys", "k"), body, headers={"content-type": "application/json"}
    )
    assert reply.status == 201, reply
    assert reply.json["properties"]["basic"]["public"] == public


async def test_singletons_can_be_read_and_changed(instance: Instance) -> None:
    target = f"{CONFIG}/global_settings"
    before = (await instance.call("GET", target)).json["properties"]
    keys = BY_PATH["global_settings"].keys
    key = next(key for key in keys if key.kind is ValueKind.BOOLEAN and not key.hidden)
    change = {"properties": {key.section: {key.name: not key.default}}}
    reply = await instance.call("PUT", target, change)
    assert reply.status == 200
    before[key.section][key.name] = not key.default
    assert reply.json["properties"] == before


async def test_hidden_keys_show_and_change_only_when_named(instance: Instance) -> None:
    kind = BY_PATH["global_settings"]
    key = next(key for key in kind.keys if key.hidden)
    target = f"{CONFIG}/global_settings"
    plain = (await instance.call("GET", target)).json["properties"]
    assert key.name not in plain[key.section]
    query = f"?expert_keys={key.section}/{key.name},nonsense,other/thing&unknown=1"
    shown = (await instance.call("GET", target + query)).json["properties"]
    assert shown[key.section][key.name] == key.default
    change = {"properties": {key.section: {key.name: shown[key.section][key.name]}}}
    refused = await instance.call("PUT", target, change)
    assert refused.status == 400
    assert refused.json["error_info"][key.section][key.name]["error_id"] == "json.unknown_property"
    accepted = await instance.call("PUT", target + query, change)
    assert accepted.status == 200
    assert key.name in accepted.json["properties"][key.section]


async def test_deleting(instance: Instance) -> None:
    await instance.put("pools", "p", {})
    await instance.put("virtual_servers", "v", {"basic": {"pool": "p", "port": 8080}})
    reply = await instance.call("DELETE", place("pools", "p"))
    assert reply.status == 409 and "virtual_servers/v" in reply.json["error_text"]
    for kind, name in (("virtual_servers", "v"), ("pools", "p")):
        reply = await instance.call("DELETE", place(kind, name))
        assert (reply.status, reply.body) == (204, b"")
        assert "content-length" not in reply.headers
    reply = await instance.call("DELETE", place("pools", "p"))
    assert (reply.status, reply.json["error_id"]) == (404, "resource.not_found")


async def test_files_are_bytes(instance: Instance) -> None:
    content = bytes(range(256)) * 10
    target = place("extra_files", "page.html")
    assert (await instance.call("PUT", target, content)).status == 201
    reply = await instance.call("GET", target)
    assert (reply.status, reply.headers["content-type"], reply.body) == (
        200,
        "application/octet-stream",
        content,
    )
    reply = await instance.call("PUT", target, b"")
    assert (reply.status, reply.body) == (204, b"")
    assert (await instance.call("GET", target)).body == b""
    assert (await instance.call("PUT", target, {"properties": {}})).status == 415
    assert (await instance.call("DELETE", target)).status == 204


# Mistakes


def error(reply: Any, *path: str) -> Any:
    assert reply.status == 400, reply
    assert reply.json["error_id"] == "resource.validation_error"
    found = reply.json["error_info"]
    for part in path:
        found = found[part]
    assert found["error_text"]
    return found["error_id"]


async def test_faults_are_named_all_at_once_and_nothing_is_stored(instance: Instance) -> None:
    reply = await instance.put("virtual_servers", "v", {"basic": {"enabled": "yes"}, "nonsense": {"a": 1}})
    assert error(reply, "basic", "pool") == "property.no_default"
    assert error(reply, "basic", "port") == "property.no_default"
    assert error(reply, "basic", "enabled") == "json.wrong_type"
    assert error(reply, "nonsense") == "json.unknown_property"
    assert "basic.port" in reply.json["error_text"]
    rows = [{"node": "foo.bar.com:123", "weight": 1000}, {"node": NODE, "color": "red"}]
    reply = await instance.put("pools", "p", {"basic": {"nodes_table": rows, "monitors": ["ok", 5]}})
    assert error(reply, "basic", "nodes_table", "foo.bar.com:123", "weight") == "num.out_of_range"
    assert error(reply, "basic", "nodes_table", NODE, "color") == "json.unknown_property"
    assert error(reply, "basic", "monitors") == "json.wrong_type"
    reply = await instance.put("pools", "p", {"basic": {"nodes_table": "x"}})
    assert error(reply, "basic", "nodes_table") == "json.invalid_table"
    assert instance.control.revision == 0


WRONG = [
    (b"", "json.syntax_error"),
    (b"{", "json.syntax_error"),
    (b"\xff", "json.syntax_error"),
    (b'{"properties": {"basic": {"note": NaN}}}', "json.syntax_error"),
    (b'{"properties": {"basic": {"note": 1e999}}}', "json.syntax_error"),
    (b'{"properties": {"basic": {"note": "a", "note": "b"}}}', "json.syntax_error"),
    (b'{"properties": ' + b"[" * 100_000, "json.syntax_error"),
    (b'{"properties": {"basic": ' + b'{"a":' * 50 + b"1" + b"}" * 52, "json.syntax_error"),
    (b'{"properties": {"basic": {"note": ' + b"9" * 10_000 + b"}}}", "json.syntax_error"),
    (b"[]", "resource.validation_error"),
    (b"5", "resource.validation_error"),
    (b"{}", "resource.validation_error"),
    (b'{"properties": []}', "resource.validation_error"),
    (b'{"properties": {}, "x": 1}', "resource.validation_error"),
    (b'{"properties": {"basic": null}}', "resource.validation_error"),
    (b'{"properties": {"basic": {"note": null}}}', "resource.validation_error"),
    (b'{"properties": {"basic": {"note": "\\ud800"}}}', "resource.validation_error"),
    (b'{"properties": {"\\ud800": {}}}', "resource.validation_error"),
    (b'{"properties": {"basic": {"note": 123456789012345678901234567890}}}', "resource.validation_error"),
]


async def test_bodies_that_are_wrong_are_a_400(instance: Instance) -> None:
    for body, code in WRONG:
        reply = await instance.call(
            "PUT", place("pools", "p"), body, headers={"content-type": "application/json"}
        )
        assert (reply.status, reply.json["error_id"]) == (400, code), body[:100]
        assert isinstance(reply.json["error_info"], dict), body[:100]
        assert instance.control.revision == 0, body[:100]


async def test_huge_bodies_are_a_413(instance: Instance) -> None:
    for size in (9_000_000, 40_000_000):
        headers = {"content-type": "application/json"}
        reply = await instance.call("PUT", place("pools", "p"), b" " * size, headers=headers)
        assert (reply.status, reply.json["error_id"]) == (413, "http.body_too_large")


NAMES = [
    "a/b", "with space", 'quo"te', "it's", "hash#tag", "ünïcödé", "日本語", "back\\slash", "${HOME}", "%{x}", "%2F",
    "-v", "a;b", "?query", "a&b=c", "+plus", "<img src=x onerror=alert(1)>", "con", ".hidden", "😀", "x" * 255,
]  # fmt: skip


async def test_names_of_any_characters_work(instance: Instance) -> None:
    for name in NAMES:
        assert (await instance.put("pools", name, {"basic": {"note": name}})).status == 201, name
        assert (await instance.call("PUT", place("extra_files", name), name.encode())).status == 201
        assert (await instance.get("pools", name))["basic"]["note"] == name
    for kind in ("pools", "extra_files"):
        children = (await instance.call("GET", f"{CONFIG}/{kind}")).json["children"]
        assert sorted(child["name"] for child in children) == sorted(NAMES)
        for child in children:
            reply = await instance.call("GET", child["href"])
            assert reply.status == 200
            assert (await instance.call("DELETE", child["href"])).status == 204


UNUSABLE = ["a\nb", "a\rb", "a\0b", "x" * 2000, "..", ".", " a", "é\n", "e\u0301", "\u2028"]


async def test_names_no_surface_could_carry_are_refused(instance: Instance) -> None:
    for name in UNUSABLE:
        for reply in (
            await instance.put("pools", name, {}),
            await instance.call("PUT", place("rules", name), b"x"),
        ):
            assert reply.status == 400, (name, reply)
            assert reply.json["error_text"] and reply.json["error_info"] == {}, name
        assert (await instance.call("GET", place("pools", name))).status == 404, name
        assert instance.control.revision == 0, name


EVIL = ["a\r\nSet-Cookie: x=y", "a\nb", "a\0b", "a\x1b[2J", "\u2028"]


async def test_line_breaks_and_controls_in_lines_are_refused(instance: Instance) -> None:
    for evil in EVIL:
        reply = await instance.put("monitors", "m", {"basic": {"type": "http"}, "http": {"path": evil}})
        assert error(reply, "http", "path") == "string.illegal_character", evil
        assert (await instance.call("GET", f"/api/{evil.encode().hex()}%0d%0aSet-Cookie:%20x")).status == 404


async def test_writes_at_the_same_time_all_count(instance: Instance) -> None:
    await instance.put("pools", "p", {})
    changes = [
        {"basic": {"note": "n"}},
        {"load_balancing": {"algorithm": "random"}},
        {"basic": {"transparent": True}},
    ]
    replies = await asyncio.gather(*(instance.put("pools", "p", change) for change in changes * 5))
    assert {reply.status for reply in replies} == {200}
    shown = await instance.get("pools", "p")
    assert shown["basic"]["note"] == "n" and shown["basic"]["transparent"] is True
    assert shown["load_balancing"]["algorithm"] == "random"
    made = await asyncio.gather(*(instance.put("pools", "one", {}) for _ in range(10)))
    assert sorted(reply.status for reply in made) == [200] * 9 + [201]
