"""What existing clients of the product rely on in its REST API: statement by statement, on one running instance."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest
from tests.certificates import self_signed
from tests.e2e.rest import CONFIG, JSON, OCTETS, ROOT, STATUS, Client
from tools.instance import wait_for

from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.schema.resource import Kind, ResourceType, ValueKind

PUBLIC, PRIVATE = self_signed("rest.example")


# The tree

DIRECTORIES = {
    "/": {"api": "/api/"},
    "/api": {"tm": "/api/tm/"},
    "/api/tm": {"8.3": "/api/tm/8.3/"},
    ROOT: {"config": f"{ROOT}/config/", "status": f"{ROOT}/status/"},
    f"{ROOT}/config": {"active": f"{CONFIG}/"},
    f"{CONFIG}/ssl": {"cas": f"{CONFIG}/ssl/cas/", "server_keys": f"{CONFIG}/ssl/server_keys/"},
}


@pytest.mark.parametrize("path", DIRECTORIES)
def test_directories_list_their_children_with_and_without_a_slash(client: Client, path: str) -> None:
    for target in (path, path.rstrip("/") + "/"):
        listed = client.get(target)
        assert list(listed) == ["children"]
        assert all(list(child) == ["name", "href"] for child in listed["children"])
        found = {child["name"]: child["href"] for child in listed["children"]}
        assert DIRECTORIES[path].items() <= found.items()


def test_hrefs_are_encoded_paths_and_names_are_decoded(client: Client) -> None:
    for name in ("Pool 1", "grün/rot", "50%", "a+b?c#d", "[::1]:80"):
        client.make(f"pools/{quote(name, safe='')}", basic={"note": name})
        hrefs = {child["name"]: child["href"] for child in client.get(f"{CONFIG}/pools")["children"]}
        assert hrefs[name] == f"{CONFIG}/pools/{quote(name, safe='')}"
        assert client.get(hrefs[name])["properties"]["basic"]["note"] == name
        assert client.ask("DELETE", hrefs[name]).status == 204


def test_a_walker_reaches_everything_by_hrefs_alone(client: Client, member: str) -> None:
    assert client.ask("PUT", f"{CONFIG}/rules/walked", b"# text").status in (201, 204)
    client.make("ssl/server_keys/walked", basic={"public": PUBLIC, "private": PRIVATE})
    leaves: dict[str, str] = {}
    waiting = ["/"]
    while waiting:
        reply = client.ask("GET", path := waiting.pop())
        assert reply.status == 200, (path, reply)
        kind = reply.headers["content-type"]
        children = reply.json.get("children") if kind == JSON else None
        if children is None:
            leaves[path] = kind
            assert not path.endswith("/"), path
        else:
            waiting += [child["href"] for child in children]
    assert leaves[f"{CONFIG}/rules/walked"] == OCTETS
    assert leaves[f"{CONFIG}/ssl/server_keys/walked"] == JSON
    for path in ("global_settings", f"traffic_managers/{member}", "monitors/Ping", "monitors/Full%20HTTP"):
        assert leaves[f"{CONFIG}/{path}"] == JSON
    for name in ("local_tm", member):
        assert f"{STATUS}/{name}/information" in leaves
        assert f"{STATUS}/{name}/statistics/globals" in leaves


# Requests that are refused: method, path, body, status, error_id
REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/blah", None, 404, "resource.not_found"),
    ("GET", "/API/TM", None, 404, "resource.not_found"),
    ("GET", "/api/tm/1.0", None, 404, "resource.not_found"),
    ("GET", "/api/tm/6.1/config/active/pools", None, 404, "resource.not_found"),
    ("PUT", "/api/tm/6.1/config/active/pools/x", {"properties": {}}, 404, "resource.not_found"),
    ("GET", f"{CONFIG}/pools/none", None, 404, "resource.not_found"),
    ("GET", f"{CONFIG}/nonsense", None, 404, "resource.not_found"),
    ("GET", f"{STATUS}/elsewhere/information", None, 404, "resource.not_found"),
    ("GET", f"{STATUS}/local_tm/statistics/pools/none", None, 404, "resource.not_found"),
    ("DELETE", f"{CONFIG}/pools/none", None, 404, "resource.not_found"),
    ("DELETE", f"{CONFIG}/rules/none", None, 404, "resource.not_found"),
    ("DELETE", f"{CONFIG}/global_settings", None, 403, "resource.forbidden"),
    ("DELETE", f"{CONFIG}/pools", None, 403, "resource.forbidden"),
    ("PUT", f"{CONFIG}/probe", {"properties": {}}, 403, "resource.forbidden"),
    ("PUT", f"{CONFIG}/ssl/probe", {"properties": {}}, 403, "resource.forbidden"),
    ("PUT", f"{CONFIG}/ssl", {"properties": {}}, 403, "resource.forbidden"),
    ("PUT", f"{CONFIG}/global_settings/probe", {"properties": {}}, 403, "resource.forbidden"),
    ("PUT", f"{CONFIG}/traffic_managers/probe", {"properties": {}}, 403, "resource.forbidden"),
    ("PUT", f"{STATUS}/local_tm/information", {"information": {}}, 403, "resource.forbidden"),
    ("PUT", f"{STATUS}/local_tm/state", {"state": {}}, 403, "resource.forbidden"),
    ("PUT", f"{STATUS}/local_tm/statistics/globals", {}, 403, "resource.forbidden"),
    ("PUT", f"{CONFIG}/rules/probe", {"properties": {}}, 415, "http.unsupported_media_type"),
    ("PUT", f"{CONFIG}/extra_files/probe", {"properties": {}}, 415, "http.unsupported_media_type"),
    ("PUT", f"{CONFIG}/ssl/cas/probe", {"properties": {}}, 415, "http.unsupported_media_type"),
    ("PUT", f"{CONFIG}/pools/probe", b"{}", 415, "http.unsupported_media_type"),
    ("POST", f"{CONFIG}/pools/probe", {"properties": {}}, 405, "http.method_not_allowed"),
    ("PATCH", f"{CONFIG}/pools/probe", {"properties": {}}, 405, "http.method_not_allowed"),
    ("PUT", f"{CONFIG}/pools/discard", {"properties": {}}, 400, "resource.validation_error"),
    ("PUT", f"{CONFIG}/pools/builtin_dns", {"properties": {}}, 400, "resource.validation_error"),
    ("PUT", f"{CONFIG}/ssl/cas/probe", b"foo\tbar\n", 400, "resource.validation_error"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSED)
def test_refusals_have_the_products_codes_and_shape(
    client: Client, method: str, path: str, body: Any, status: int, code: str
) -> None:
    revision = client.revision()
    reply = client.ask(method, path, body)
    assert (reply.status, reply.json["error_id"]) == (status, code)
    assert reply.json["error_text"]
    # Some clients read it after each failed PUT without looking whether it is there.
    assert method == "GET" or isinstance(reply.json["error_info"], dict)
    assert client.revision() == revision


def test_a_member_of_the_cluster_cannot_be_deleted(client: Client, member: str) -> None:
    assert client.ask("DELETE", f"{CONFIG}/traffic_managers/{member}").status == 403
    assert client.names(f"{CONFIG}/traffic_managers") == [member]


def test_bad_credentials_come_before_the_path(client: Client) -> None:
    wrong = base64.b64encode(b"admin:wrong").decode()
    for path in ("/api", "/api/tm", "/blah", f"{CONFIG}/pools"):
        reply = client.ask("GET", path, authorization=None)
        assert reply.status == 401 and "auth.invalid" in reply.json["error_id"]
        assert reply.headers["www-authenticate"].startswith("Basic ")
    reply = client.ask("PUT", f"{CONFIG}/pools/x", {"properties": {}}, authorization=f"Basic {wrong}")
    assert reply.status == 401 and "auth.invalid" in reply.json["error_id"] and reply.json["error_text"]
    assert client.ask("GET", "/api").status == 200


# Objects

LEAST: dict[str, dict[str, Any]] = {
    "bandwidth": {},
    "custom": {},
    "persistence": {},
    "pools": {},
    "monitors": {},
    "traffic_ip_groups": {},
    "user_groups": {},
    "virtual_servers": {"basic": {"pool": "discard", "port": 1}},
    "ssl/server_keys": {"basic": {"public": PUBLIC, "private": PRIVATE}},
}
"""The least that makes an object of each collection."""

OBJECTS = [kind for kind in RESOURCE_TYPES if kind.kind is not Kind.FILE]


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.path)
def test_an_object_shows_every_key_in_order_and_can_be_put_back(
    client: Client, member: str, kind: ResourceType
) -> None:
    name = {"global_settings": "", "traffic_managers": f"/{member}"}.get(kind.path, "/whole")
    path = f"{kind.path}{name}"
    if name == "/whole":
        reply = client.put(path, **LEAST[kind.path])
        assert (reply.status, reply.headers["content-type"]) == (201, JSON)
    whole = client.get(f"{CONFIG}/{path}")
    shown = whole["properties"]
    assert list(whole) == ["properties"]
    assert list(shown) == sorted(shown, key=lambda section: (section != "basic", section))
    assert {(s, k) for s in shown for k in shown[s]} == {
        (key.section, key.name) for key in kind.keys if not key.hidden
    }
    for section, keys in shown.items():
        assert list(keys) == sorted(keys)
        for key_name, value in keys.items():
            key = kind.key(section, key_name)
            assert key is not None and isinstance(value, SHAPES[key.kind]), (section, key_name, value)
            if name == "/whole" and key_name not in LEAST[kind.path].get(section, {}):
                assert value == key.default, (section, key_name)
    revision = client.revision()
    for target in (path, f"{path}/"):
        reply = client.ask("PUT", f"{CONFIG}/{target}", whole)
        assert (reply.status, reply.json) == (200, whole)
    sections = client.make(path, **{section: {} for section in shown})
    assert sections == shown
    assert client.revision() == revision
    if name == "/whole":
        reply = client.ask("DELETE", f"{CONFIG}/{path}")
        assert (reply.status, reply.body) == (204, b"")


SHAPES: dict[ValueKind, type | tuple[type, ...]] = {
    ValueKind.STRING: str,
    ValueKind.INTEGER: int,
    ValueKind.NUMBER: (int, float),
    ValueKind.BOOLEAN: bool,
    ValueKind.LIST: list,
    ValueKind.TABLE: list,
}

HIDDEN = [
    ("global_settings", "fault_tolerance/multicast_version"),
    ("global_settings", "telemetry/autotest_schedule"),
    ("global_settings", "remote_licensing/server_certificate_secondary"),
    ("traffic_managers/{member}", "basic/community_edition_accepted"),
    ("monitors/Ping", "editable_keys"),
    ("monitors/Ping", "can_use_ssl"),
    ("monitors/Ping", "can_edit_ssl"),
]


@pytest.mark.parametrize(("path", "expert"), HIDDEN)
def test_hidden_keys_show_when_they_are_named(client: Client, member: str, path: str, expert: str) -> None:
    target = f"{CONFIG}/{path.format(member=member)}"
    section, _, key = expert.rpartition("/")
    section = section or "basic"
    assert key not in client.get(target)["properties"][section]
    named = client.get(f"{target}?expert_keys={expert},nonsense/unknown")
    assert key in named["properties"][section]
    reply = client.ask("PUT", f"{target}?expert_keys={expert}", named)
    assert reply.status == 200 and key in reply.json["properties"][section]
    assert client.get(f"{target}?expert_keys={expert}&metadata&show=all") == named


def test_a_put_merges_keys_and_replaces_lists_and_tables(client: Client) -> None:
    rows = [{"node": "127.0.0.1:1", "weight": 7, "priority": 3}, {"node": "127.0.0.1:2"}]
    client.make("pools/merged", basic={"nodes_table": rows, "note": "kept"})
    client.make("pools/merged", load_balancing={"algorithm": "random"}, ssl={})
    partial = [{"node": "127.0.0.1:2", "state": "draining"}, {"node": "127.0.0.1:1", "state": "disabled"}]
    basic = client.make("pools/merged", basic={"nodes_table": partial})["basic"]
    assert basic["note"] == "kept"
    assert basic["nodes_table"] == [
        {"node": node, "priority": 1, "source_ip": "", "state": state, "weight": 1}
        for node, state in (("127.0.0.1:2", "draining"), ("127.0.0.1:1", "disabled"))
    ]
    shown = client.get(f"{CONFIG}/pools/merged")["properties"]
    assert shown["load_balancing"]["algorithm"] == "random"
    assert client.make("pools/merged", basic={"nodes_table": []})["basic"]["nodes_table"] == []
    assert client.ask("DELETE", f"{CONFIG}/pools/merged").status == 204


def test_lists_keep_order_and_repeats_and_sets_do_not_repeat(client: Client) -> None:
    rules = ["rule1", "/rule2", "rule1"]
    client.make("virtual_servers/listed", basic={"pool": "discard", "port": 1, "request_rules": rules})
    assert client.get(f"{CONFIG}/virtual_servers/listed")["properties"]["basic"]["request_rules"] == rules
    assert client.make("virtual_servers/listed", basic={"request_rules": []})["basic"]["request_rules"] == []
    monitors = client.make("pools/listed", basic={"monitors": ["Ping", "Connect", "Ping"]})["basic"][
        "monitors"
    ]
    assert monitors == ["Ping", "Connect"]
    for path in ("virtual_servers/listed", "pools/listed"):
        assert client.ask("DELETE", f"{CONFIG}/{path}").status == 204


def test_singletons_and_members_take_single_keys(client: Client, member: str) -> None:
    for path, section, key in (
        ("global_settings", "connection", "listen_queue_size"),
        (f"traffic_managers/{member}", "admin", "hsts_max_age"),
    ):
        before = client.get(f"{CONFIG}/{path}")["properties"][section][key]
        assert client.make(path, **{section: {key: before + 1}})[section][key] == before + 1
        assert client.make(path, **{section: {key: before}})[section][key] == before
    rows = [{"name": "eth0"}]
    assert (
        client.make(f"traffic_managers/{member}", appliance={"if": rows})["appliance"]["if"][0]["name"]
        == "eth0"
    )
    wait_for(
        "it is applied", lambda: client.get(f"{STATUS}/local_tm/applies")["in_force"] == client.revision()
    )
    client.make(f"traffic_managers/{member}", appliance={"if": []})


# Mistakes: object, settings, path in error_info, error_id
MISTAKES: list[tuple[str, dict[str, Any], tuple[str, ...], str]] = [
    ("virtual_servers", {}, ("basic", "pool"), "property.no_default"),
    ("virtual_servers", {}, ("basic", "port"), "property.no_default"),
    ("virtual_servers", {"basic": {"pool": "discard", "port": 0}}, ("basic", "port"), "num.out_of_range"),
    ("virtual_servers", {"basic": {"pool": "discard", "port": 70000}}, ("basic", "port"), "num.out_of_range"),
    ("virtual_servers", {"basic": {"pool": 5, "port": 1}}, ("basic", "pool"), "json.wrong_type"),
    ("virtual_servers", {"basic": {"pool": "discard", "port": "80"}}, ("basic", "port"), "json.wrong_type"),
    ("virtual_servers", {"basic": {"request_rules": "r"}}, ("basic", "request_rules"), "json.wrong_type"),
    ("virtual_servers", {"basic": {"request_rules": ["r", 5]}}, ("basic", "request_rules"), "json.wrong_type"),
    ("pools", {"basic": {"nonsense": 1}}, ("basic", "nonsense"), "json.unknown_property"),
    ("pools", {"nonsense": {}}, ("nonsense",), "json.unknown_property"),
    ("pools", {"basic": []}, ("basic",), "json.wrong_type"),
    ("pools", {"basic": {"note": None}}, ("basic", "note"), "json.wrong_type"),
    ("pools", {"basic": {"passive_monitoring": "true"}}, ("basic", "passive_monitoring"), "json.wrong_type"),
    ("pools", {"basic": {"nodes_table": "x"}}, ("basic", "nodes_table"), "json.invalid_table"),
    (
        "pools",
        {"basic": {"nodes_table": [{"node": "foo.example.com:123", "weight": -1}]}},
        ("basic", "nodes_table", "foo.example.com:123", "weight"),
        "num.out_of_range",
    ),
    (
        "pools",
        {"basic": {"nodes_table": [{"node": "foo.example.com:123", "wait": 1}]}},
        ("basic", "nodes_table", "foo.example.com:123", "wait"),
        "json.unknown_property",
    ),
    (
        "pools",
        {"basic": {"nodes_table": [{"state": "active"}]}},
        ("basic", "nodes_table", "0", "node"),
        "property.no_default",
    ),
    ("ssl/server_keys", {}, ("basic", "public"), "property.no_default"),
    ("ssl/server_keys", {}, ("basic", "private"), "property.no_default"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "settings", "path", "code"), MISTAKES)
def test_mistakes_are_told_at_their_place(
    client: Client, kind: str, settings: dict[str, Any], path: tuple[str, ...], code: str
) -> None:
    reply = client.put(f"{kind}/wrong", **settings)
    assert (reply.status, reply.json["error_id"]) == (400, "resource.validation_error")
    found = reply.json["error_info"]
    for part in path:
        found = found[part]
    assert found["error_id"] == code and found["error_text"]
    assert client.ask("GET", f"{CONFIG}/{kind}/wrong").status == 404


def test_keys_beside_properties_are_named(client: Client) -> None:
    reply = client.ask("PUT", f"{CONFIG}/pools/wrong", {"properties": {}, "property": {}})
    assert reply.json["error_info"]["property"]["error_id"] == "json.field_unknown"
