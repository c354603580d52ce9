"""What wizards decide by themselves: ports that are free, answers that are kept and bounded, commands to paste."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.running import running

from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH
from pointsman.schema.validate import build
from pointsman.schema.virtual_server import VirtualServer
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.wizards import ports
from pointsman.web.ui.wizards.asking import Answers, Ask, generally, options_of, placed
from pointsman.web.ui.wizards.registry import WIZARDS
from pointsman.web.ui.wizards.runs import LARGEST, MOST, MOST_OF_ONE, Runs, fits
from pointsman.web.ui.wizards.service import NEW_SERVICE
from pointsman.web.ui.wizards.trying import commands
from pointsman.web.ui.wizards.wizard import World


def server(**basic: Any) -> VirtualServer:
    found = build(BY_PATH["virtual_servers"], "v", {"basic": {"port": 80, "pool": "p", **basic}})
    assert isinstance(found, VirtualServer)
    return found


def objects(**servers: VirtualServer) -> Any:
    return {ObjectId("virtual_servers", name): found for name, found in servers.items()}


def test_a_port_is_taken_by_who_listens_everywhere() -> None:
    found = objects(web=server())
    assert '"web" listens on port 80' in ports.everywhere(found, 80, "http")
    assert ports.everywhere(found, 81, "http") == ""
    assert ports.everywhere(found, 80, "udp") == ""
    assert ports.everywhere(found, 80, "http", "web") == ""


def test_traffic_ips_share_a_port() -> None:
    found = objects(web=server(listen_on_any=False, listen_on_traffic_ips=["one"]))
    assert ports.everywhere(found, 80, "http") == ""
    assert ports.on_groups(found, 80, "http", ["two"]) == ""
    assert "on one" in ports.on_groups(found, 80, "http", ["one"])
    assert "some addresses" in ports.on_groups(found, 80, "http", [])


def test_answers_are_judged_by_their_fields_first() -> None:
    asks = [Ask("name", "Name", needed=True), Ask("kind", "Kind", "select", options=options_of(("a", "b")))]
    assert set(generally(asks, Answers({"name": ("  ",), "kind": ("c",)}))) == {"name", "kind"}
    assert generally(asks, Answers({"name": ("x",), "kind": ("b",)})) == {}
    assert Answers({}).shown(Ask("port", "Port", default=("80",))) == ("80",)
    assert Answers({"port": ("",)}).shown(Ask("port", "Port", default=("80",))) == ("",)


def test_problems_go_to_the_nearest_field() -> None:
    def problem(*path: str) -> Problem:
        return Problem(None, path, "c", "is wrong")

    places = {("basic", "nodes_table"): "nodes", (): "name"}
    assert placed([problem("basic", "nodes_table", "a:1", "node")], places) == {"nodes": "a:1: is wrong"}
    assert placed([problem()], places) == {"name": "is wrong"}
    assert placed([problem("other")], {("basic",): "x"}) == {}
    assert placed([problem("other")], {("basic",): "x"}, "x") == {"x": "is wrong"}


def test_runs_belong_to_their_session_and_are_bounded() -> None:
    runs = Runs()
    token = runs.begin("me", "w")
    assert runs.find(token, "me", "w") is not None
    assert runs.find(token, "you", "w") is None
    assert runs.find(token, "me", "other") is None
    for _ in range(MOST_OF_ONE):
        runs.begin("me", "w")
    assert runs.find(token, "me", "w") is None
    mine = runs.begin("me", "w")
    for number in range(MOST):
        runs.begin(f"somebody {number}", "w")
    assert runs.find(mine, "me", "w") is None
    assert fits(Answers({"nodes": ("x" * LARGEST,)}))
    assert not fits(Answers({"nodes": ("x" * LARGEST, "y")}))


@pytest.mark.parametrize(
    ("basic", "wanted"),
    [
        ({}, "curl http://tm.example:80/"),
        ({"ssl_decrypt": True}, "curl --insecure https://tm.example:80/"),
        ({"protocol": "https"}, "curl --insecure https://tm.example:80/"),
        ({"protocol": "imaps"}, "openssl s_client -connect tm.example:80"),
        ({"protocol": "dns"}, "dig @tm.example -p 80 example.com"),
    ],
)
def test_a_service_can_be_tried(basic: dict[str, Any], wanted: str) -> None:
    assert commands(server(**basic), {}, "tm.example") == (wanted,)


def test_what_is_pasted_means_what_it_says() -> None:
    (command,) = commands(server(), {}, "a$(id)`b`'c")
    assert shlex.split(command) == ["curl", "http://a$(id)`b`'c:80/"]
    assert commands(server(), {}, "[::1]") == ("curl 'http://[::1]:80/'",)
    assert commands(server(protocol="udp"), {}, "h") == ()
    group = build(BY_PATH["traffic_ip_groups"], "g", {"basic": {"ipaddresses": ["192.0.2.9"]}})
    raised = server(listen_on_any=False, listen_on_traffic_ips=["g"])
    found = commands(raised, {ObjectId("traffic_ip_groups", "g"): group}, "h")
    assert found == ("curl http://192.0.2.9:80/",)


def test_every_wizard_either_asks_or_leads() -> None:
    assert len({wizard.slug for wizard in WIZARDS}) == len(WIZARDS) >= 8
    for wizard in WIZARDS:
        assert bool(wizard.leads) != bool(wizard.steps and wizard.outcome)
        assert wizard.permission and wizard.what.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1:80\r\n[2001:db8::1]:80\r\n",
        "10.0.0.1:80,[2001:db8::1]:80",
        " 10.0.0.1:80 ;\t[2001:db8::1]:80,\n",
    ],
)
def test_a_list_is_taken_as_it_is_pasted(text: str) -> None:
    assert Answers({"nodes": (text,)}).words("nodes") == ("10.0.0.1:80", "[2001:db8::1]:80")


def test_an_entry_of_a_list_is_counted_as_people_count() -> None:
    problem = Problem(None, ("basic", "ipaddresses", "0"), "value.invalid", "must be an IP address")
    assert placed([problem], {("basic", "ipaddresses"): "addresses"}) == {
        "addresses": "entry 1: must be an IP address"
    }


async def test_protocols_that_are_not_served_yet_are_called_that(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        world = World(manager.control, Names(manager.control))
        asks = {ask.name: ask for ask in await NEW_SERVICE.steps[0].asks(Answers(), world)}
    labels = {option.value: option.label for option in asks["protocol"].options}
    assert labels["http"] == "http"
    assert labels["smtp"] == "smtp"
    assert labels["udp"] == "udp (not served yet)"
