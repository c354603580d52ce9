"""The sequences of requests that published clients of the product make, and the forms in which they send them.

Provisioning tools, cloud drivers, certificate hooks, pollers and shell scripts; written down in our own words.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import urllib.request
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.e2e.rest import CONFIG, JSON, OCTETS, ROOT, STATUS, TOKEN, Client
from tools.instance import Instance, free_port, wait_for

from pointsman.schema.counter import STATISTIC_TYPES

PUBLIC, PRIVATE = self_signed("clients.example")
STATISTICS = f"{STATUS}/local_tm/statistics"


def test_versions_are_found_by_number_and_by_spelling(client: Client) -> None:
    """Clients take the numerically largest name, or the last in spelling, and build on its href."""
    children = client.get("/api/tm")["children"]
    names = [child["name"] for child in children]
    assert max(names) == max(names, key=lambda name: [int(part) for part in name.split(".")]) == "8.3"
    href = next(child["href"] for child in children if child["name"] == "8.3")
    assert client.get(f"{href}config/active/pools/")["children"] == []


def test_a_prober_learns_what_each_collection_takes(client: Client) -> None:
    """It sends JSON to a new name below each directory, then what the refusal asks for."""
    learnt = {}
    for path in (
        "",
        "pools/",
        "virtual_servers/",
        "rules/",
        "extra_files/",
        "ssl/",
        "ssl/server_keys/",
        "ssl/cas/",
    ):
        reply = client.ask("PUT", f"{CONFIG}/{path}Probe", {"properties": {}})
        learnt[path] = reply.status
        if reply.status == 415:
            assert client.ask("PUT", f"{CONFIG}/{path}Probe", PUBLIC.encode()).status == 201
        if reply.status == 400:
            needed = {
                section: {
                    key: {"pool": "discard", "port": 8, "public": PUBLIC, "private": PRIVATE}[key]
                    for key in keys
                }
                for section, keys in reply.json["error_info"].items()
                if all(fault["error_id"] == "property.no_default" for fault in keys.values())
            }
            assert client.put(f"{path}Probe", **needed).status == 201
        if reply.status != 403:
            assert client.ask("DELETE", f"{CONFIG}/{path}Probe").status == 204
    assert learnt == {
        "": 403, "pools/": 201, "virtual_servers/": 400, "rules/": 415, "extra_files/": 415, "ssl/": 403,
        "ssl/server_keys/": 400, "ssl/cas/": 415,
    }  # fmt: skip


def test_a_provisioning_tool_makes_changes_and_removes_a_service(client: Client) -> None:
    """Every section is sent, empty where nothing is set; every answer is read back into the tool's state."""
    empty: dict[str, Any] = {
        name: {}
        for name in ("auto_scaling", "connection", "dns_autoscale", "http", "node", "ssl", "tcp", "udp")
    }
    made = client.put(
        "pools/app", basic={"nodes_table": [{"node": "127.0.0.1:1"}]}, load_balancing={}, **empty
    )
    assert made.status == 201 and made.json == client.get(f"{CONFIG}/pools/app")
    made = client.put(
        "virtual_servers/app", basic={"pool": "app", "port": free_port()}, ssl={}, http={}, tcp={}
    )
    assert made.status == 201
    for protocol in ("client_first", "http"):
        whole = client.get(f"{CONFIG}/virtual_servers/app")
        whole["properties"]["basic"]["protocol"] = protocol
        reply = client.ask("PUT", f"{CONFIG}/virtual_servers/app", whole)
        assert (reply.status, reply.json) == (200, whole)
    whole["properties"]["basic"]["protocol"] = "nonsense"
    assert client.ask("PUT", f"{CONFIG}/virtual_servers/app", whole).status == 400
    # A pool goes after what sends traffic to it.
    reply = client.ask("DELETE", f"{CONFIG}/pools/app")
    assert (reply.status, reply.json["error_id"], reply.json["error_info"]) == (409, "resource.in_use", {})
    assert "virtual_servers/app" in reply.json["error_text"]
    for path in ("virtual_servers/app", "pools/app"):
        assert client.ask("DELETE", f"{CONFIG}/{path}").status == 204
        assert client.ask("GET", f"{CONFIG}/{path}").json["error_id"] == "resource.not_found"


def test_a_cloud_driver_deletes_a_monitor_before_the_pool_lets_go_of_it(client: Client) -> None:
    """The vendor's own driver sends the DELETE first and mends the pool after it."""
    client.make("monitors/m1", basic={"type": "http", "delay": 5, "failures": 3}, http={"path": "/"})
    client.make("pools/p1", basic={"nodes_table": [{"node": "127.0.0.1:1", "weight": 1}], "monitors": ["m1"]})
    client.make("virtual_servers/l1", basic={"pool": "p1", "port": free_port(), "enabled": True})
    assert client.ask("DELETE", f"{CONFIG}/monitors/m1").status == 204

    def told() -> bool:
        found = client.get(f"{STATUS}/local_tm/conditions/pools/p1")["conditions"]
        return any("m1" in condition["message"] for condition in found)

    wait_for("the pool says that its monitor is gone", told)
    pool = client.get(f"{CONFIG}/pools/p1")
    assert pool["properties"]["basic"]["monitors"] == ["m1"]
    pool["properties"]["basic"]["monitors"] = []
    assert client.ask("PUT", f"{CONFIG}/pools/p1", pool).status == 200
    server = client.get(f"{CONFIG}/virtual_servers/l1")
    server["properties"]["basic"]["pool"] = "discard"
    assert client.ask("PUT", f"{CONFIG}/virtual_servers/l1", server).status == 200
    for path in ("pools/p1", "virtual_servers/l1"):
        assert client.ask("DELETE", f"{CONFIG}/{path}").status == 204


def test_a_deployment_script_drains_a_node(client: Client, member: str) -> None:
    """It edits the table it read, sends all rows, and waits on the counters of each node."""
    client.make("pools/web", basic={"nodes_table": [{"node": "127.0.0.1:1"}, {"node": "127.0.0.1:2"}]})
    table = client.get(f"{CONFIG}/pools/web")["properties"]["basic"]["nodes_table"]
    table[0]["state"] = "draining"
    client.make("pools/web", basic={"nodes_table": table})
    path = f"{STATUS}/{member}/statistics/nodes/per_pool_node/web-127.0.0.1:1/"
    wait_for("it drains", lambda: client.get(path)["statistics"]["state"] == "draining")
    assert client.get(path)["statistics"]["current_conn"] == 0
    assert client.get(f"{STATISTICS}/pools/web")["statistics"]["draining"] == 1
    assert client.ask("DELETE", f"{CONFIG}/pools/web").status == 204


def test_rules_are_uploaded_inserted_and_switched_off(client: Client) -> None:
    for status in (201, 204):
        reply = client.ask("PUT", f"{CONFIG}/rules/maintenance", b"# nothing yet")
        assert (reply.status, reply.body) == (status, b"")
    client.make("virtual_servers/site", basic={"pool": "discard", "port": 80, "request_rules": ["other"]})
    keys = ("request_rules", "response_rules", "completion_rules")
    basic = client.get(f"{CONFIG}/virtual_servers/site")["properties"]["basic"]
    rules = {key: basic[key] for key in keys}
    rules["request_rules"].insert(0, "maintenance")
    assert client.make("virtual_servers/site", basic=rules)["basic"]["request_rules"] == [
        "maintenance",
        "other",
    ]
    rules["request_rules"][0] = "/maintenance"
    assert client.make("virtual_servers/site", basic=rules)["basic"]["request_rules"] == [
        "/maintenance",
        "other",
    ]
    for path in ("virtual_servers/site", "rules/maintenance"):
        assert client.ask("DELETE", f"{CONFIG}/{path}").status == 204


FILES = [
    ("rules", b"# \xff\x00 text"),
    ("extra_files", bytes(range(256)) * 300),
    ("ssl/cas", PUBLIC.encode()),
]


@pytest.mark.parametrize(("kind", "content"), FILES)
def test_files_are_octets_whatever_they_hold(client: Client, kind: str, content: bytes) -> None:
    path = f"{CONFIG}/{kind}/a%20file"
    for sent_as in (OCTETS, None, "text/plain", "application/octet-stream; charset=binary"):
        reply = client.ask("PUT", path, content, content_type=sent_as)
        assert (reply.status, reply.body) == (201, b"")
        reply = client.ask("PUT", f"{path}/", content, content_type=sent_as)
        assert (reply.status, reply.body) == (204, b"")
        reply = client.ask("GET", path, accept=JSON)
        assert (reply.status, reply.headers["content-type"], reply.body) == (200, OCTETS, content)
        assert client.names(f"{CONFIG}/{kind}") == ["a file"]
        assert client.ask("DELETE", path).status == 204


def test_a_private_key_reads_back_as_the_hash_of_what_was_sent(client: Client) -> None:
    path = f"{CONFIG}/ssl/server_keys/site"
    for private in (PRIVATE, f"{PRIVATE}\n", PRIVATE.rstrip("\n")):
        basic = client.make("ssl/server_keys/site", basic={"public": PUBLIC, "private": private})["basic"]
        assert basic["private"] == base64.b64encode(hashlib.sha256(private.encode()).digest()).decode()
        assert basic["public"] == PUBLIC
    revision = client.revision()
    assert client.ask("PUT", path, client.get(path)).status == 200
    assert client.make("ssl/server_keys/site", basic={"public": PUBLIC})["basic"] == basic
    assert client.revision() == revision
    assert client.ask("DELETE", path).status == 204


def test_the_certificate_hook_sends_what_is_not_quite_json(client: Client) -> None:
    """A shell script pastes the files into the text: raw line breaks in strings, and a comma too many."""
    body = f'''{{
        "properties": {{
            "basic": {{
                "note": "site.example",
                "private": "{PRIVATE.strip()}",
                "public": "{PUBLIC.strip()}",
            }}
        }}
    }}
    '''.encode()
    assert client.ask("PUT", f"{CONFIG}/ssl/server_keys/hook", body, content_type=JSON).status == 201
    assert client.get(f"{CONFIG}/ssl/server_keys/hook")["properties"]["basic"]["public"] == PUBLIC.strip()
    assert client.ask("DELETE", f"{CONFIG}/ssl/server_keys/hook").status == 204


# Status


def test_state_and_information_have_the_products_fields(client: Client, member: str) -> None:
    client.make("pools/seen", basic={"nodes_table": [{"node": "127.0.0.1:1", "state": "disabled"}]})
    assert client.names(STATUS) == ["local_tm", member]
    for name in ("local_tm", member):
        information = client.get(f"{STATUS}/{name}/information")["information"]
        assert set(information) == {"tm_version", "uuid", "platform"} and all(information.values())
        for path in (f"{STATUS}/{name}/state", f"{STATUS}/{name}/state/"):
            state = client.get(path)["state"]
            assert sorted(state) == [
                "error_level", "errors", "failed_nodes", "license", "pools", "tip_errors", "virtual_servers",
            ]  # fmt: skip
            assert state["error_level"] in ("ok", "warn", "error", "fatal")
            assert state["pools"] == [
                {
                    "name": "seen",
                    "active_nodes": [],
                    "disabled_nodes": ["127.0.0.1:1"],
                    "draining_nodes": [],
                    "failure_pool": "",
                }
            ]
    assert client.ask("DELETE", f"{CONFIG}/pools/seen").status == 204


def test_a_poller_reads_every_counter_of_every_leaf(client: Client) -> None:
    """Every leaf answers, with each counter of its declaration: whole numbers, and words for states."""
    nodes = [{"node": "127.0.0.1:1"}, {"node": "[::1]:2", "state": "disabled"}]
    client.make("pools/polled", basic={"nodes_table": nodes})
    client.make("virtual_servers/polled", basic={"pool": "polled", "port": 4711})
    filled = set()
    for leaf in STATISTIC_TYPES:
        path = f"{STATISTICS}/{leaf.path}"
        targets = [child["href"] for child in client.get(path)["children"]] if leaf.per_object else [path]
        for target in targets:
            filled.add(leaf.path)
            for spelling in (target, f"{target}/"):
                figures = client.get(spelling)["statistics"]
                assert list(figures) == sorted(counter.name for counter in leaf.counters), target
                assert all(isinstance(value, (int, str)) for value in figures.values())
    single = {leaf.path for leaf in STATISTIC_TYPES if not leaf.per_object}
    assert filled == single | {
        "network_interface",
        "pools",
        "virtual_servers",
        "nodes/node",
        "nodes/node_inet46",
        "nodes/per_pool_node",
    }
    pool = client.get(f"{STATISTICS}/pools/polled/")["statistics"]
    assert (pool["algorithm"], pool["persistence"], pool["nodes"]) == ("roundrobin", "none", 2)
    node = client.get(f"{STATISTICS}/nodes/node/127.0.0.1:1")["statistics"]
    assert node["state"] in ("alive", "dead", "unknown")
    for path in ("virtual_servers/polled", "pools/polled"):
        assert client.ask("DELETE", f"{CONFIG}/{path}").status == 204


def test_requests_are_counted_within_a_second(client: Client, shared: Instance) -> None:
    origin, port = free_port(), free_port()
    client.make("pools/counted", basic={"nodes_table": [{"node": f"127.0.0.1:{origin}"}]})
    client.make("virtual_servers/counted", basic={"pool": "counted", "port": port, "enabled": True})
    wait_for("in force", lambda: client.get(f"{STATUS}/local_tm/applies")["in_force"] == client.revision())
    for _ in range(7):
        with socket.create_connection(("127.0.0.1", port), 5) as wire:
            wire.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while wire.recv(65536):
                pass
    path = f"{STATISTICS}/virtual_servers/counted"
    wait_for("all counted", lambda: client.get(path)["statistics"]["total_http_requests"] == 7, 3)
    figures = client.get(path)["statistics"]
    assert (figures["port"], figures["protocol"]) == (port, "http")
    for name in ("virtual_servers/counted", "pools/counted"):
        assert client.ask("DELETE", f"{CONFIG}/{name}").status == 204


# The wire

LOGIN = f"Authorization: Basic {TOKEN}\r\n".encode()
EMPTY = b'{"properties":{}}'
PUT = f"PUT {CONFIG}/pools/wired HTTP/1.1\r\nHost: h\r\nConnection: close\r\n".encode() + LOGIN

REQUESTS: list[tuple[bytes, int]] = [
    (b"GET /api HTTP/1.0\r\n" + LOGIN + b"\r\n", 200),
    (b"GET /api HTTP/1.0\r\nConnection: Keep-Alive\r\n" + LOGIN + b"\r\n", 200),
    (b"GET /api HTTP/1.1\r\nhost: h\r\nconnection: close\r\n" + b"a" + LOGIN[1:] + b"\r\n", 200),
    (b"GET http://h:9070/api/tm HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + LOGIN + b"\r\n", 200),
    (b"GET /api HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n" + LOGIN + b"\r\n", 200),
    (PUT + b"Content-Length: 17\r\n\r\n" + EMPTY, 201),
    (PUT + b"Content-Type: application/json; charset=UTF-8\r\nContent-Length: 17\r\n\r\n" + EMPTY, 200),
    (PUT + b"Transfer-Encoding: chunked\r\n\r\n8\r\n" + EMPTY[:8] + b"\r\n9\r\n" + EMPTY[8:] + b"\r\n0\r\n\r\n", 200),
    (PUT + b"Content-Length: 20\r\n\r\n\xef\xbb\xbf" + EMPTY, 200),
    (PUT + b"Content-Length: 0\r\n\r\n", 400),
    (b"DELETE " + PUT[4:] + b"\r\n", 204),
    (b"HEAD /api HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + LOGIN + b"\r\n", 200),
    (b"GET /api HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 401),
]  # fmt: skip


def test_requests_in_the_forms_that_clients_send(client: Client) -> None:
    for data, status in REQUESTS:
        head, _, body = client.raw(data).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d" % status), (data, head)
        assert bool(body) is (status != 204 and not data.startswith(b"HEAD")), data
        if status >= 400:
            assert set(json.loads(body)) == {"error_id", "error_text", "error_info"}


@pytest.mark.parametrize("name", ["ü".encode(), b"two words"])
def test_a_name_that_is_not_encoded_is_refused_with_what_to_do(client: Client, name: bytes) -> None:
    head, _, body = client.raw(
        f"GET {CONFIG}/pools/".encode() + name + b" HTTP/1.1\r\nHost: h\r\n" + LOGIN + b"\r\n"
    ).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert "percent signs" in json.loads(body)["error_text"]


def test_a_body_waits_for_100_continue(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), 10) as wire:
        wire.sendall(PUT + b"Expect: 100-continue\r\nContent-Length: 17\r\n\r\n")
        assert wire.recv(65536).startswith(b"HTTP/1.1 100")
        wire.sendall(EMPTY)
        assert wire.recv(65536).startswith(b"HTTP/1.1 201")
    assert client.ask("DELETE", f"{CONFIG}/pools/wired").status == 204


@pytest.mark.parametrize("accept", ["*/*", JSON, "text/html, image/gif, */*; q=.2", "application/xml", ""])
def test_what_a_client_accepts_makes_no_difference(client: Client, accept: str) -> None:
    reply = client.ask("GET", f"{CONFIG}/pools", accept=accept, accept_encoding="gzip, deflate")
    assert reply.status == 200 and list(reply.json) == ["children"]
    assert "content-encoding" not in reply.headers


def test_a_tool_that_never_closes_a_connection_is_served_on(client: Client) -> None:
    """A published library makes a connection for each object it touches, and leaves it open."""
    wires = []
    try:
        for _ in range(300):
            wire = socket.create_connection(("127.0.0.1", client.port), 10)
            wires.append(wire)
            wire.sendall(b"GET /api HTTP/1.1\r\nHost: h\r\n" + LOGIN + b"\r\n")
            assert wire.recv(65536).startswith(b"HTTP/1.1 200")
    finally:
        for wire in wires:
            wire.close()


def test_tls_and_plain_http_on_one_port_and_the_fingerprint_that_was_told(
    client: Client, shared: Instance
) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(
        f"https://127.0.0.1:{client.port}{ROOT}/", headers={"Authorization": f"Basic {TOKEN}"}
    )
    with urllib.request.urlopen(request, context=context, timeout=10) as answer:
        secure: Any = json.load(answer)
    assert secure == client.get(f"{ROOT}/")
    served = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", client.port), timeout=10))
    told = shared.output.read_text()
    for name, digest in (("SHA-1", hashlib.sha1(served)), ("SHA-256", hashlib.sha256(served))):
        line = next(line for line in told.splitlines() if line.split()[:1] == [name])
        assert line.split()[1] == ":".join(f"{byte:02X}" for byte in digest.digest())
