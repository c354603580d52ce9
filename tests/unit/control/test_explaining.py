"""The way of a request, as it is told: from the configuration and what is known of the nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.compiling import snapshot as make_snapshot

from pointsman.compiler.compile import compile_plan
from pointsman.compiler.facts import EngineFacts, Facts
from pointsman.control.explaining import certificate_for, explain
from pointsman.control.explanation import Explanation, Known, NoRequest, Request, Step, read_request
from pointsman.schema.condition import Condition
from pointsman.schema.health import NodeHealth, NodeState
from pointsman.schema.problem import ObjectId
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer

FACTS = Facts(EngineFacts((2, 8, 25)), "tm", "/engine")


def server(**basic: Any) -> dict[str, Any]:
    """A virtual server that is on."""
    return {"basic": {"enabled": True, "port": 80, "pool": "app", **basic}}


def pool(*rows: Any, **more: Any) -> dict[str, Any]:
    """A pool of nodes: names, or whole rows."""
    table = [row if isinstance(row, dict) else {"node": row} for row in rows]
    basic = {"nodes_table": table, **more.pop("basic", {})}
    return {"basic": basic, **more}


def known(
    objects: Mapping[str, Any], dead: Mapping[tuple[str, str], str] | None = None, **more: Any
) -> Known:
    """What is known of a configuration that is in force; all nodes are up but the dead."""
    made = snapshot_of(objects)
    plan = compile_plan(made, FACTS)
    conditions: dict[ObjectId, tuple[Condition, ...]] = {}
    for condition in plan.conditions:
        conditions[condition.subject] = (*conditions.get(condition.subject, ()), condition)
    health = {
        (name, row["node"]): NodeHealth(name, row["node"], NodeState.ALIVE, "", 0.0)
        for name, one in objects.get("pools", {}).items()
        for row in one["basic"]["nodes_table"]
    }
    health |= {key: NodeHealth(*key, NodeState.DEAD, why, 0.0) for key, why in (dead or {}).items()}
    return Known(made, plan, conditions, health, "tm", **more)


def snapshot_of(objects: Mapping[str, Any]) -> Snapshot:
    """Objects by type and name."""
    return make_snapshot(
        {f"{kind}/{name}": one for kind, named in objects.items() for name, one in named.items()}
    )


def ask(what: Known, url: str = "http://192.0.2.1/", **more: str) -> Explanation:
    """The answer about a request."""
    return explain(read_request(**{"method": "GET", "url": url, **more}), what)


def step(found: Explanation, title: str) -> Step:
    """The step of a title."""
    return next(one for one in found.steps if one.title == title)


PLAIN = {"virtual_servers": {"web": server()}, "pools": {"app": pool("10.0.0.1:80", "10.0.0.2:80")}}


def test_a_plain_service() -> None:
    found = ask(known(PLAIN))
    assert (found.mark, found.outcome) == (
        "ok",
        "The virtual server web hands it to one of 2 nodes of the pool app.",
    )
    assert [one.title for one in found.steps] == [
        "Where it arrives", "TLS", "What holds for it", "The pool", "Which node", "To the node",
    ]  # fmt: skip
    chances = step(found, "The pool").chances
    assert [(one.node, one.share) for one in chances] == [("10.0.0.1:80", 50.0), ("10.0.0.2:80", 50.0)]
    assert all(one.subject is not None for one in found.steps)


def test_every_setting_that_is_named_exists() -> None:
    from pointsman.schema.registry import BY_PATH

    found = ask(known(PLAIN))
    settings = [(one.subject, one.path) for one in found.steps]
    settings += [(fact.subject, fact.path) for one in found.steps for fact in one.facts]
    for subject, path in settings:
        if subject is not None and len(path) > 1:
            assert BY_PATH[subject.type].key(path[0], path[1]) is not None, path


def test_nobody_listens_and_why() -> None:
    objects = {**PLAIN, "virtual_servers": {"web": server(), "off": server(port=81, enabled=False)}}
    found = ask(known(objects), "http://192.0.2.1:81/")
    assert found.outcome == "The connection is refused."
    assert found.steps[0].facts[0].text == "off has the port, and is disabled."
    other = ask(known(objects), "http://192.0.2.1:8000/")
    assert other.steps[0].facts[0].text == "Ports that are listened on: 80 (web)."
    stopped = ask(known(PLAIN, serving=False))
    assert stopped.outcome == "The connection is refused."


def test_the_address_decides_where_several_listen_on_a_port() -> None:
    def at(address: str) -> dict[str, Any]:
        return server(listen_on_any=False, listen_on_hosts=[address])

    objects = {**PLAIN, "virtual_servers": {"one": at("192.0.2.1"), "two": at("192.0.2.2")}}
    undecided = ask(known(objects), "http://www.example.com/")
    assert dict(undecided.choices) == {"192.0.2.1": "one", "192.0.2.2": "two"}
    decided = ask(known(objects), "http://www.example.com/", to="192.0.2.2")
    assert decided.outcome.startswith("The virtual server two ")
    elsewhere = ask(known(objects), "http://192.0.2.3/")
    assert "on other addresses" in elsewhere.steps[0].facts[0].text


def test_a_traffic_ip_that_another_member_has() -> None:
    group = {"basic": {"ipaddresses": ["192.0.2.9"], "machines": ["tm", "b"], "enabled": True}}
    objects = {
        **PLAIN,
        "virtual_servers": {"web": server(listen_on_any=False, listen_on_traffic_ips=["g"])},
        "traffic_ip_groups": {"g": group},
    }
    what = known(objects, holders={"192.0.2.9": "b"})
    facts = [fact.text for fact in ask(what, "http://192.0.2.9/").steps[0].facts]
    assert any("b has it now" in text for text in facts)
    nobody = ask(replace(what, holders={}), "http://192.0.2.9/")
    assert nobody.steps[0].mark == "error"


def test_nodes_that_cannot_take_it_are_left_out_with_why() -> None:
    rows = (
        "10.0.0.1:80",
        {"node": "10.0.0.2:80", "state": "draining"},
        {"node": "10.0.0.3:80", "state": "disabled"},
    )
    objects = {**PLAIN, "pools": {"app": pool("10.0.0.4:80", *rows)}}
    found = ask(known(objects, {("app", "10.0.0.4:80"): "connection refused"}))
    chances = {one.node: (one.state, one.share) for one in step(found, "The pool").chances}
    assert chances == {
        "10.0.0.1:80": ("up", 100.0),
        "10.0.0.2:80": ("draining", None),
        "10.0.0.3:80": ("disabled", None),
        "10.0.0.4:80": ("down", None),
    }
    assert "the node 10.0.0.1:80" in found.outcome


def test_failure_pools_take_over_one_after_the_other() -> None:
    objects = {
        **PLAIN,
        "pools": {
            "app": pool("10.0.0.1:80", basic={"failure_pool": "spare"}),
            "spare": pool("10.0.1.1:80", basic={"failure_pool": "app"}),
        },
    }
    dead = {("app", "10.0.0.1:80"): "timeout"}
    found = ask(known(objects, dead))
    assert (found.mark, "of the pool spare" in found.outcome) == ("warn", True)
    assert "spare takes over" in step(found, "The pool").text
    none = ask(known(objects, {**dead, ("spare", "10.0.1.1:80"): "timeout"}))
    assert none.outcome.startswith("The client gets the answer 503")


def test_priorities() -> None:
    rows = [{"node": f"10.0.0.{n}:80", "priority": 2 if n < 3 else 1} for n in range(1, 5)]
    balancing = {"priority_enabled": True, "priority_nodes": 2}
    objects = {**PLAIN, "pools": {"app": pool(*rows, load_balancing=balancing)}}
    first = step(ask(known(objects)), "The pool")
    assert [one.share for one in first.chances] == [50.0, 50.0, None, None]
    fewer = step(ask(known(objects, {("app", "10.0.0.1:80"): ""})), "The pool")
    assert len([one for one in fewer.chances if one.share]) == 3


def test_weights_and_open_connections() -> None:
    rows = [{"node": "10.0.0.1:80", "weight": 3}, {"node": "10.0.0.2:80", "weight": 1}]
    by_turn = {**PLAIN, "pools": {"app": pool(*rows, load_balancing={"algorithm": "weighted_round_robin"})}}
    assert [one.share for one in step(ask(known(by_turn)), "The pool").chances] == [75.0, 25.0]
    least = {**PLAIN, "pools": {"app": pool(*rows, load_balancing={"algorithm": "least_connections"})}}
    found = ask(known(least, connections=lambda name, node: 7 if node == "10.0.0.1:80" else 0))
    assert step(found, "The pool").chances[0].why == "it has 7 connections now"


@pytest.mark.parametrize(
    ("persistence", "headers", "client", "words"),
    [
        ({"type": "ip", "subnet_prefix_length_v4": 24}, "", "192.0.2.77", "all of 192.0.2.0/24"),
        ({"type": "ip"}, "", "", "say the client's address"),
        (
            {"type": "cookie", "cookie": "sid"},
            "Cookie: a=b; sid=4711",
            "",
            "goes to the node of that session",
        ),
        ({"type": "cookie", "cookie": "sid"}, "Cookie: a=b", "", "brings none"),
        ({"type": "transparent"}, "", "", "a cookie that stands for their node"),
        ({"type": "j2ee"}, "", "", "not acted on yet"),
    ],
)
def test_session_persistence(persistence: dict[str, Any], headers: str, client: str, words: str) -> None:
    objects = {
        **PLAIN,
        "pools": {"app": pool("10.0.0.1:80", basic={"persistence_class": "stick"})},
        "persistence": {"stick": {"basic": persistence}},
    }
    found = ask(known(objects), headers=headers, client=client)
    assert words in step(found, "Session persistence").text


@pytest.mark.parametrize(
    ("host", "certificate"),
    [
        ("www.example.com", "exact"), ("WWW.Example.com.", "exact"), ("shop.example.com", "wild"),
        ("a.b.example.com", "default"), ("example.com", "default"), ("", "default"),
    ],
)  # fmt: skip
def test_the_certificate_that_a_host_gets(host: str, certificate: str) -> None:
    rows = [
        {"host": "www.example.com", "certificate": "exact"},
        {"host": "*.example.com", "certificate": "wild"},
    ]
    ssl = {"server_cert_default": "default", "server_cert_host_mapping": rows}
    web = {**server(ssl_decrypt=True), "ssl": ssl}
    made = snapshot_of({"virtual_servers": {"web": web}}).get("virtual_servers", "web", VirtualServer)
    assert made is not None
    assert certificate_for(made, host)[0] == certificate


def test_tls_that_does_not_fit_ends_it() -> None:
    wrong = ask(known(PLAIN), "https://192.0.2.1:80/")
    assert (wrong.mark, wrong.steps[-1].title) == ("error", "TLS")
    passed = {**PLAIN, "virtual_servers": {"web": server(protocol="ssl", port=443)}}
    through = ask(known(passed), "https://192.0.2.1/")
    assert (through.mark, "passes through" in step(through, "TLS").text) == ("ok", True)


def test_rules_and_discarding() -> None:
    objects = {**PLAIN, "virtual_servers": {"web": server(request_rules=["a", "/b"])}}
    found = step(ask(known(objects)), "Request rules")
    assert [fact.text for fact in found.facts] == ["a", "b, switched off"]
    gone = ask(known({"virtual_servers": {"web": server(pool="discard")}}))
    assert gone.outcome == "The connection is closed without an answer."


def test_what_is_sent_once() -> None:
    posted = step(ask(known(PLAIN), method="post"), "To the node")
    assert any(fact.text.startswith("POST is sent once") for fact in posted.facts)


def test_a_request_as_it_is_typed() -> None:
    found = read_request(
        method="", url="www.example.com/a?b=c", headers="X: 1\n\nX: 2\nCookie: a=1; b=2", client="::1", to=""
    )
    assert found == Request(
        "GET", "http", "www.example.com", 80, "/a?b=c", {"x": "1, 2", "cookie": "a=1; b=2"}, "::1", ""
    )
    assert found.cookies == {"a": "1", "b": "2"}
    assert read_request(method="GET", url="https://[2001:db8::0:1]:8443").to == "2001:db8::1"


@pytest.mark.parametrize(
    "typed",
    [
        {"url": "ftp://x"}, {"url": "http://"}, {"url": "http://x:99999"}, {"url": "http://[::1"},
        {"method": "GET /", "url": "x"}, {"url": "x", "headers": "no colon"}, {"url": "x", "client": "nobody"},
        {"url": "x", "to": "300.1.1.1"},
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(typed: dict[str, str]) -> None:
    with pytest.raises(NoRequest, match=r"[A-Z].*\.$"):
        read_request(**{"method": "GET", **typed})
