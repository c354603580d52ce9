"""The REST API over real sockets, a real store and a real control: what clients of the product rely on."""

from __future__ import annotations

import asyncio
import json
import ssl

import pytest
from tests.engine.management import CONFIG, PASSWORD, STATUS, Instance, place, read_reply

from pointsman.schema.problem import ObjectId
from pointsman.telemetry.counters import Flow

pytestmark = pytest.mark.timeout(60)

NODE = "127.0.0.1:80"


# Login


async def test_a_login_comes_before_everything_but_health(instance: Instance) -> None:
    for target in ("/", "/api", "/blah", place("pools", "x"), "/healthz/", "/%ff"):
        for user, password in ((None, ""), ("admin", "wrong"), ("nobody", PASSWORD)):
            reply = await instance.call("GET", target, user=user, password=password)
            if reply.status == 429:
                continue
            assert reply.status == 401
            assert "auth.invalid" in reply.json["error_id"]
            assert reply.json["error_text"]
            assert reply.headers["www-authenticate"].startswith("Basic realm=")
    assert (await instance.call("GET", "/healthz", user=None)).body == b"ok\n"
    instance.health = "starting"
    reply = await instance.call("GET", "/healthz", user=None)
    assert (reply.status, reply.body) == (503, b"starting\n")


@pytest.mark.parametrize(
    "header",
    ["Bearer x", "Basic", "Basic !!!", "Basic YWRtaW4=", "basic", "Basic \xff", "Negotiate YWRtaW46eA=="],
)
async def test_strange_authorization_headers_are_a_401(instance: Instance, header: str) -> None:
    reply = await instance.call("GET", "/api", user=None, headers={"authorization": header})
    assert (reply.status, reply.json["error_id"]) == (401, "auth.invalid")


async def test_guessing_is_delayed_with_a_hint(instance: Instance) -> None:
    replies = [await instance.call("GET", "/api", password=f"w{n}") for n in range(8)]
    assert [reply.status for reply in replies] == [401] * 5 + [429] * 3
    assert int(replies[-1].headers["retry-after"]) >= 1
    assert "auth.invalid" in replies[-1].json["error_id"]
    spoofed = {"x-forwarded-for": "10.9.9.9", "x-real-ip": "10.9.9.9", "forwarded": "for=10.9.9.9"}
    assert (await instance.call("GET", "/api", password="w", headers=spoofed)).status == 429


async def test_the_local_socket_needs_no_password_and_names_the_unix_user(instance: Instance) -> None:
    reply = await instance.call("PUT", place("rules", "r"), b"text", user=None, unix=True)
    assert reply.status == 201
    history = (await instance.call("GET", f"{STATUS}/local_tm/history")).json["history"]
    assert history[0]["author"]["name"].startswith("local:")


async def test_logins_are_in_the_event_log_without_the_password(instance: Instance) -> None:
    await instance.call("GET", "/api", password="a-wrong-secret")
    await instance.call("GET", "/api")
    await instance.call("GET", "/api")
    async with asyncio.timeout(5):
        while True:
            reply = await instance.call("GET", f"{STATUS}/local_tm/events?section=general&tag=audit")
            events = reply.json["events"]
            if len(events) >= 2:
                break
    assert [event["severity"] for event in events] == ["INFO", "WARN"]
    assert b"a-wrong-secret" not in reply.body


# Browsers


ELSEWHERE = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://["},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


async def test_changes_from_other_sites_are_refused(instance: Instance) -> None:
    for headers in ELSEWHERE:
        for method in ("PUT", "DELETE", "POST"):
            reply = await instance.call(method, place("rules", "r"), b"x", headers=headers)
            assert (reply.status, reply.json["error_id"]) == (403, "auth.cross_origin"), headers
        reply = await instance.call("GET", "/api", headers=headers)
        assert reply.status == 200, headers
        assert not [name for name in reply.headers if name.startswith("access-control-")], headers


async def test_changes_from_the_same_origin_are_accepted(instance: Instance) -> None:
    headers = {"origin": f"http://localhost:{instance.port}", "sec-fetch-site": "same-origin"}
    assert (await instance.call("PUT", place("rules", "r"), b"x", headers=headers)).status == 201


async def test_forms_are_refused(instance: Instance) -> None:
    for media in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        for target in (place("rules", "r"), place("pools", "p")):
            reply = await instance.call("PUT", target, b"{}", headers={"content-type": media})
            assert reply.status == 415
    reply = await instance.call("PUT", place("pools", "p"), b"{}", headers={"content-type": "text/plain"})
    assert reply.status == 415


async def test_answers_forbid_caching_sniffing_and_framing(instance: Instance) -> None:
    for target, user in (("/api", "admin"), ("/api", None), ("/blah", "admin"), ("/healthz", None)):
        headers = (await instance.call("GET", target, user=user)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers


# The tree


async def test_the_roots_lead_to_the_tree(instance: Instance) -> None:
    async def children(target: str) -> list[tuple[str, str]]:
        reply = await instance.call("GET", target)
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
        assert list(reply.json) == ["children"]
        return [(child["name"], child["href"]) for child in reply.json["children"]]

    assert await children("/") == [("api", "/api/")]
    assert await children("/api") == [("tm", "/api/tm/")]
    assert await children("/api/tm/") == [("8.3", "/api/tm/8.3/")]
    assert await children("/api/tm/8.3") == [
        ("config", "/api/tm/8.3/config/"),
        ("status", "/api/tm/8.3/status/"),
    ]
    assert await children("/api/tm/8.3/config/") == [("active", f"{CONFIG}/")]
    active = dict(await children(CONFIG))
    assert active["pools"] == f"{CONFIG}/pools/"
    assert active["global_settings"] == f"{CONFIG}/global_settings"
    assert active["ssl"] == f"{CONFIG}/ssl/"
    assert dict(await children(f"{CONFIG}/ssl")) == {
        "cas": f"{CONFIG}/ssl/cas/",
        "server_keys": f"{CONFIG}/ssl/server_keys/",
    }
    assert await children(f"{CONFIG}/pools/") == []
    assert (await instance.put("pools", "Web Pool/1", {})).status == 201
    expected = [("Web Pool/1", f"{CONFIG}/pools/Web%20Pool%2F1")]
    assert await children(f"{CONFIG}/pools") == await children(f"{CONFIG}/pools/") == expected
    assert (await instance.call("GET", expected[0][1])).status == 200


MISSING = [
    "/blah",
    "/API",
    "/api/tm/9.9",
    "/api/tm/8.3/config/other",
    f"{CONFIG}/nonsense",
    f"{CONFIG}/nonsense/x",
    f"{CONFIG}/Pools",
    f"{CONFIG}/ssl/nonsense",
    f"{CONFIG}/pools/missing",
    f"{CONFIG}/pools/a/b",
    f"{CONFIG}//pools",
    f"{CONFIG}/pools//",
    f"{CONFIG}/global_settings/x",
    f"{CONFIG}/../active/pools",
    f"{CONFIG}/pools/%00",
    f"{CONFIG}/pools/{'x' * 5000}",
    f"{STATUS}/elsewhere",
    f"{STATUS}/local_tm/nonsense",
    f"{STATUS}/local_tm/state/x",
    f"{STATUS}/local_tm/statistics/nonsense",
    f"{STATUS}/local_tm/statistics/pools/missing",
    f"{STATUS}/local_tm/conditions/pools/missing",
]


async def test_what_does_not_exist_is_a_404(instance: Instance) -> None:
    for target in MISSING:
        reply = await instance.call("GET", target)
        assert (reply.status, reply.json["error_id"]) == (404, "resource.not_found"), target
        assert "error_info" not in reply.json, target


async def test_paths_that_are_no_utf8_are_a_400(instance: Instance) -> None:
    assert (await instance.call("GET", f"{CONFIG}/pools/%ff")).status == 400
    assert (await instance.call("GET", "/api?" + "&".join(f"a{n}" for n in range(500)))).status == 400


METHODS = ["POST", "PATCH", "OPTIONS", "TRACE", "INFO"]


async def test_other_methods_are_not_implemented(instance: Instance) -> None:
    for method in METHODS:
        for target in ("/", place("pools", "p"), f"{STATUS}/local_tm/state"):
            reply = await instance.call(method, target)
            assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, PUT, DELETE"), (method, target)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_what_cannot_be_made_is_forbidden(instance: Instance, method: str) -> None:
    targets = [
        CONFIG,
        f"{CONFIG}/ssl",
        f"{CONFIG}/pools",
        f"{CONFIG}/pools/",
        "/api",
        f"{STATUS}/local_tm/state",
    ]
    if method == "PUT":
        targets += [f"{CONFIG}/ssl/X", f"{CONFIG}/global_settings/x", place("traffic_managers", "unknown")]
        targets += [f"{CONFIG}/pools/a/b"]
    else:
        targets += [f"{CONFIG}/global_settings"]
    for target in targets:
        reply = await instance.call(method, target, {"properties": {}})
        assert reply.status == 403, target
        assert reply.json["error_info"] == {}
    assert (await instance.call(method, "/blah", {"properties": {}})).status == 404


async def test_head_is_get_without_the_body(instance: Instance) -> None:
    reply = await instance.call("HEAD", CONFIG)
    assert reply.status == 200 and int(reply.headers["content-length"]) > 0
    assert (await instance.call("HEAD", place("pools", "x"))).status == 404


# Status


async def test_the_configuration_as_a_document(instance: Instance) -> None:
    """Importer 7: REST hands the configuration out as a document, to the administrator alone, and remembers it."""
    await instance.put("pools", "p", {"basic": {"note": "x"}})
    path = f"{STATUS}/local_tm/config_document"
    as_yaml = await instance.call("GET", path)
    assert (as_yaml.status, as_yaml.headers["content-type"]) == (200, "application/yaml")
    assert as_yaml.headers["content-disposition"] == 'attachment; filename="configuration.yaml"'
    assert b"- name: p\n" in as_yaml.body
    as_json = await instance.call("GET", f"{path}?format=json&differences=true&secrets=hash")
    assert as_json.headers["content-type"] == "application/json"
    assert as_json.json["pools"] == [{"name": "p", "properties": {"basic": {"note": "x"}}}]
    for wrong in ("format=xml", "secrets=all", "differences=2"):
        assert (await instance.call("GET", f"{path}?{wrong}")).json["error_id"] == "query.invalid"
    assert (await instance.call("PUT", path, {})).status in (403, 405)
    assert (await instance.call("GET", path, user=None)).status == 401
    deadline = asyncio.get_running_loop().time() + 10
    while asyncio.get_running_loop().time() < deadline:
        events = (await instance.call("GET", f"{STATUS}/local_tm/events?tag=audit&text=exported")).json[
            "events"
        ]
        if len(events) == 2:
            break
        await asyncio.sleep(0.05)
    assert [event["reason"] for event in events] == [
        "exported the differences from the base with its secrets as hashes at REST to 127.0.0.1",
        "exported the configuration without secrets at REST to 127.0.0.1",
    ]
    assert {event["author"] for event in events} == {"admin"}


async def test_information_and_state(instance: Instance) -> None:
    names = [child["name"] for child in (await instance.call("GET", STATUS)).json["children"]]
    assert names == ["local_tm", "tm1"]
    await instance.put(
        "pools",
        "p",
        {"basic": {"nodes_table": [{"node": NODE}, {"node": "127.0.0.1:81", "state": "disabled"}]}},
    )
    await instance.put("virtual_servers", "v", {"basic": {"pool": "p", "port": 8080, "enabled": True}})
    for member in names:
        information = (await instance.call("GET", f"{STATUS}/{member}/information")).json["information"]
        assert information == {
            "tm_version": "0.2.0",
            "uuid": "11111111-2222-3333-4444-555555555555",
            "platform": "test",
        }
        state = (await instance.call("GET", f"{STATUS}/{member}/state/")).json["state"]
        assert sorted(state) == [
            "error_level", "errors", "failed_nodes", "license", "pools", "tip_errors", "virtual_servers",
        ]  # fmt: skip
        assert state["pools"] == [
            {
                "name": "p",
                "active_nodes": [NODE],
                "disabled_nodes": ["127.0.0.1:81"],
                "draining_nodes": [],
                "failure_pool": "",
            }
        ]
        (server,) = state["virtual_servers"]
        assert (server["name"], server["pool"], server["port"]) == ("v", "p", 8080)


async def test_throughput_is_the_traffic_of_the_last_seconds(instance: Instance) -> None:
    await instance.put("virtual_servers", "v", {"basic": {"pool": "discard", "port": 8080}})
    subject = ObjectId("virtual_servers", "v")
    for total in (0, 5_000_000):
        instance.history.record({subject: Flow(total, total, 1, 0, 0)})
        await instance.call("GET", "/api")
    state = (await instance.call("GET", f"{STATUS}/local_tm/state")).json["state"]
    assert state["virtual_servers"][0]["throughput"] > 0


async def test_statistics(instance: Instance) -> None:
    base = f"{STATUS}/local_tm/statistics"
    await instance.put("pools", "p", {})
    top = {child["name"]: child["href"] for child in (await instance.call("GET", base)).json["children"]}
    assert top["virtual_servers"] == f"{base}/virtual_servers/"
    assert top["globals"] == f"{base}/globals"
    assert top["nodes"] == f"{base}/nodes/"
    below = (await instance.call("GET", f"{base}/nodes")).json["children"]
    assert "per_pool_node" in [child["name"] for child in below]
    reply = await instance.call("GET", f"{base}/pools/p")
    assert (reply.status, reply.json["error_id"]) == (400, "statistics.no_counters")
    instance.control.live.figures = {
        ("globals", ""): {"total_conn": 3, "unknown to the declaration": 1},
        ("nodes/per_pool_node", "p-127.0.0.1:80"): {"state": "alive", "total_conn": 7},
        ("pools", "p"): {"algorithm": "roundrobin", "total_conn": 2**40},
    }
    assert (await instance.call("GET", f"{base}/globals")).json == {"statistics": {"total_conn": 3}}
    for target in (f"{base}/pools/p", f"{base}/pools/p/"):
        assert (await instance.call("GET", target)).json["statistics"]["total_conn"] == 2**40
    listed = (await instance.call("GET", f"{base}/nodes/per_pool_node/")).json["children"]
    assert [child["name"] for child in listed] == ["p-127.0.0.1:80"]
    assert (await instance.call("GET", listed[0]["href"])).json["statistics"]["state"] == "alive"


async def test_conditions_tell_what_is_not_in_force(instance: Instance) -> None:
    await instance.put("pools", "p", {})
    await instance.put("virtual_servers", "v", {"basic": {"pool": "p", "port": 8080, "enabled": True}})
    async with asyncio.timeout(10):
        await instance.control.wait_in_force(instance.control.revision, 5)
    reply = (await instance.call("GET", f"{STATUS}/local_tm/conditions/virtual_servers/v")).json
    assert reply["revision"] == reply["in_force"] == 2
    everything = (await instance.call("GET", f"{STATUS}/local_tm/conditions")).json
    assert {entry["object"] for entry in everything["conditions"]} >= {
        entry["object"] for entry in reply["conditions"]
    }


async def test_history_and_applies(instance: Instance) -> None:
    await instance.put("pools", "a/b", {"basic": {"note": "one"}})
    await instance.put("pools", "a/b", {"basic": {"note": "two"}})
    await instance.put("pools", "c", {})
    history = (await instance.call("GET", f"{STATUS}/local_tm/history?object=pools/a/b&limit=5")).json[
        "history"
    ]
    assert [record["revision"] for record in history] == [2, 1]
    assert history[0]["author"] == {"name": "admin", "address": "127.0.0.1", "surface": "rest"}
    (change,) = history[0]["changes"]
    assert (change["object"], change["path"], change["before"], change["after"]) == (
        "pools/a/b", ["basic", "note"], "one", "two",
    )  # fmt: skip
    await instance.control.wait_in_force(3, 5)
    applies = (await instance.call("GET", f"{STATUS}/local_tm/applies")).json["applies"]
    assert applies[0]["revision"] == 3
    for query in ("limit=x", "limit=-1", "before=1.5", "object=nonsense", "object=pools"):
        assert (await instance.call("GET", f"{STATUS}/local_tm/history?{query}")).status == 400
    assert (await instance.call("GET", f"{STATUS}/local_tm/events?severity=bad")).status == 400


# The cluster port


async def test_the_cluster_port_serves_members_only(instance: Instance) -> None:
    context = ssl.create_default_context(cafile=str(instance.home / "identity" / "admin.public"))
    for target, status, text in ((b"/healthz", 200, b"ok\n"), (b"/", 403, b"only members of the cluster")):
        reader, writer = await asyncio.open_connection("127.0.0.1", instance.cluster_port, ssl=context)
        writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        reply = await read_reply(reader)
        assert reply.status == status and text in reply.body
        writer.close()


async def test_requests_are_fast_once_the_password_is_known(instance: Instance) -> None:
    await instance.call("GET", "/api")
    begin = asyncio.get_running_loop().time()
    for _ in range(20):
        assert (await instance.call("GET", "/api")).status == 200
    assert (asyncio.get_running_loop().time() - begin) / 20 < 0.1
    assert json.loads((await instance.call("GET", "/api")).body)
