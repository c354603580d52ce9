"""The pages about services: the map, acts on virtual servers and nodes, lists, panels, and why a node is down."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.e2e.reader import Reader, forms_of
from tests.e2e.test_traffic import in_force
from tools.instance import Instance, free_port, wait_for
from tools.traffic import Load, Origin

HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}/..%2f?#"
ADDRESS = "127.61.0.1"
LISTENS = {"listen_on_any": False, "listen_on_hosts": [ADDRESS]}
"""Where nobody else's traffic comes by."""
NODES_ACT = "/services/acts/nodes"
SERVERS_ACT = "/services/acts/virtual-servers"


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A traffic manager with pools that work and pools that are dead, some of them under a hostile name."""
    with Instance(tmp_path_factory.mktemp("services") / "home") as running:
        monitor = {"basic": {"type": "connect", "delay": 1, "timeout": 1, "failures": 1}}
        assert running.put("monitors", "quick", monitor)[0] == 201
        # Nobody listens there, and nobody looks: they count as alive.
        table = [{"node": f"127.0.0.1:{port}"} for port in (3, 4, 5)]
        spare = {"nodes_table": table, "passive_monitoring": False}
        assert running.put("pools", "spare", {"basic": spare})[0] == 201
        dead = {"failure_pool": "spare", "nodes_table": [{"node": "127.0.0.1:1"}], "monitors": ["quick"]}
        assert running.put("pools", "dead", {"basic": dead})[0] == 201
        hostile = {"nodes_table": [{"node": "127.0.0.1:2"}], "monitors": ["quick"], "note": HOSTILE}
        assert running.put("pools", HOSTILE, {"basic": hostile})[0] == 201
        for name, pool, enabled in (
            ("shop", "dead", True),
            ("wiki", "spare", True),
            (HOSTILE, HOSTILE, True),
            ("asleep", "spare", False),
        ):
            basic = {"enabled": enabled, "port": free_port(), "pool": pool, **LISTENS}
            assert running.put("virtual_servers", name, {"basic": basic})[0] == 201
        wait_for("everything is in force", lambda: in_force(running))
        for pool in ("dead", HOSTILE):
            wait_for(f"pool {pool} is dead", lambda pool=pool: is_dead(running, pool))  # type: ignore[misc]
        yield running


def is_dead(instance: Instance, pool: str) -> bool:
    """Whether a node of the pool is found dead."""
    failed = instance.get("status/local_tm/state")["state"]["failed_nodes"]
    return any(pool in node["pools"] for node in failed)


@pytest.fixture(scope="module")
def reader(stocked: Instance) -> Iterator[Reader]:
    """Somebody without JavaScript who is logged in as the administrator."""
    with Reader(stocked) as reader:
        assert reader.log_in().status_code == 200
        yield reader


def nodes_of(instance: Instance, pool: str) -> dict[str, dict[str, Any]]:
    """The rows of a pool, by node."""
    found = instance.get(f"config/active/pools/{quote(pool, safe='')}")
    return {row["node"]: row for row in found["properties"]["basic"]["nodes_table"]}


def is_enabled(instance: Instance, name: str) -> bool:
    """Whether a virtual server is."""
    found = instance.get(f"config/active/virtual_servers/{quote(name, safe='')}")
    return bool(found["properties"]["basic"]["enabled"])


def act(reader: Reader, path: str, action: str, ticked: list[str], button: tuple[str, str]) -> httpx.Response:
    """Ticks boxes of a page's form and presses a button."""
    page = reader.get(path)
    assert page.status_code == 200
    return reader.send(page, reader.form(page, action), {"on": ticked}, button)


def confirm(reader: Reader, page: httpx.Response, action: str, do: str) -> httpx.Response:
    """Answers the question that a page asks."""
    return reader.send(page, reader.form(page, action, "confirm"), {"confirm": "yes"}, ("do", do))


def heading(page: httpx.Response) -> str:
    """The page's h1."""
    found = re.search(r"<h1>(.*?)</h1>", page.text)
    assert found, page.text[:500]
    return found[1]


# The map


def test_the_map_shows_what_is_in_trouble_first(reader: Reader) -> None:
    page = reader.get("/services").text
    places = [
        page.index(f'href="/services/virtual-servers/{quote(name, safe="")}"')
        for name in (HOSTILE, "shop", "wiki", "asleep")
    ]
    assert places == sorted(places)
    assert "its failure pool serves: no node of pool &#34;dead&#34; can answer" in page
    assert 'href="/services/why/dead/127.0.0.1%3A1"' in page
    assert "<img" not in page.replace('<img src="/static', "")
    assert HOSTILE not in page


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [
        ("?q=127.0.0.1:1", ("shop",), ("wiki",)),
        ("?q=SPARE%20wiki", ("wiki",), ("shop",)),
        ("?state=trouble", ("shop",), ("wiki", "asleep")),
        ("?state=disabled", ("asleep",), ("shop", "wiki")),
        ("?state=well", ("wiki",), ("shop", "asleep")),
        ("?q=nothing-fits", (), ("shop", "wiki", "asleep")),
        ("?page=99999999999&state=%3Cimg%3E&q=%00", (), ("<img>",)),
    ],
)
def test_the_map_is_filtered_on_the_server(
    reader: Reader, query: str, shown: tuple[str, ...], hidden: tuple[str, ...]
) -> None:
    for path in ("/services", "/services/live"):
        page = reader.get(f"{path}{query}")
        assert page.status_code == 200
        for name in shown:
            assert f">{name}</a>" in page.text
        for name in hidden:
            assert f">{name}</a>" not in page.text


def test_virtual_servers_are_started_and_stopped_together(stocked: Instance, reader: Reader) -> None:
    """Stopping asks first, names what it means, and is one transaction."""
    before = stocked.get("status/local_tm/applies?limit=1")["revision"]
    asked = act(reader, "/services", SERVERS_ACT, ["wiki", "shop"], ("do", "disable"))
    assert heading(asked).startswith("Disable 2 virtual servers")
    assert "stops listening on port" in asked.text
    assert is_enabled(stocked, "wiki"), "it must not be done before the answer"
    done = confirm(reader, asked, SERVERS_ACT, "disable")
    assert "were disabled" in done.text
    assert not is_enabled(stocked, "wiki") and not is_enabled(stocked, "shop")
    assert stocked.get("status/local_tm/applies?limit=1")["revision"] == before + 1
    done = act(reader, "/services/virtual-servers", SERVERS_ACT, ["wiki", "shop"], ("do", "enable"))
    assert "were enabled" in done.text
    assert is_enabled(stocked, "wiki") and is_enabled(stocked, "shop")
    nothing = act(reader, "/services", SERVERS_ACT, [], ("do", "disable"))
    assert "so nothing was done" in nothing.text


def test_a_hostile_name_can_be_switched(stocked: Instance, reader: Reader) -> None:
    asked = act(reader, "/services", SERVERS_ACT, [HOSTILE], ("do", "disable"))
    assert HOSTILE not in asked.text
    confirm(reader, asked, SERVERS_ACT, "disable")
    assert not is_enabled(stocked, HOSTILE)
    act(reader, "/services", SERVERS_ACT, [HOSTILE], ("do", "enable"))
    assert is_enabled(stocked, HOSTILE)


# Nodes


def test_nodes_are_drained_disabled_and_activated_by_one_button(stocked: Instance, reader: Reader) -> None:
    for do, state in (("drain", "draining"), ("disable", "disabled"), ("activate", "active")):
        page = reader.get("/services")
        form = replace(reader.form(page, SERVERS_ACT), action=NODES_ACT)
        assert ("one", f"{do} spare/127.0.0.1%3A3") in form.buttons
        done = reader.send(page, form, {"on": None}, ("one", f"{do} spare/127.0.0.1%3A3"))
        assert done.status_code == 200
        rows = nodes_of(stocked, "spare")
        assert rows["127.0.0.1:3"]["state"] == state
        assert rows["127.0.0.1:4"]["state"] == rows["127.0.0.1:5"]["state"] == "active"


def test_the_last_node_is_not_taken_without_a_question(stocked: Instance, reader: Reader) -> None:
    ticked = [f"spare/127.0.0.1%3A{port}" for port in (3, 4, 5)]
    for do in ("drain", "disable"):
        asked = act(reader, "/services/pools/spare", NODES_ACT, ticked, ("do", do))
        assert "left without a node that takes new requests" in asked.text
        assert {row["state"] for row in nodes_of(stocked, "spare").values()} == {"active"}
    done = confirm(reader, asked, NODES_ACT, "disable")
    assert "were disabled" in done.text
    assert {row["state"] for row in nodes_of(stocked, "spare").values()} == {"disabled"}
    act(reader, "/services/nodes", NODES_ACT, ticked, ("do", "activate"))
    assert {row["state"] for row in nodes_of(stocked, "spare").values()} == {"active"}


def test_nodes_of_several_pools_at_once_and_a_review_first(stocked: Instance, reader: Reader) -> None:
    ticked = ["spare/127.0.0.1%3A3", "dead/127.0.0.1%3A1"]
    asked = act(reader, "/services/nodes", NODES_ACT, ticked, ("do", "disable"))
    form = reader.form(asked, NODES_ACT, "confirm")
    review = reader.send(asked, form, {}, ("review", "disable"))
    assert "nodes_table" in review.text and "disabled" in review.text
    assert nodes_of(stocked, "spare")["127.0.0.1:3"]["state"] == "active"
    confirm(reader, asked, NODES_ACT, "disable")
    assert nodes_of(stocked, "spare")["127.0.0.1:3"]["state"] == "disabled"
    assert nodes_of(stocked, "dead")["127.0.0.1:1"]["state"] == "disabled"
    act(reader, "/services/nodes", NODES_ACT, ticked, ("do", "activate"))
    assert nodes_of(stocked, "dead")["127.0.0.1:1"]["state"] == "active"
    gone = act(reader, "/services/nodes", NODES_ACT, ["spare/127.0.0.1%3A99"], ("do", "drain"))
    assert gone.status_code == 409
    assert "has no node 127.0.0.1:99" in gone.text


def test_nodes_are_added_weighed_and_removed(stocked: Instance, reader: Reader) -> None:
    assert stocked.put("pools", "other", {"basic": {"nodes_table": [{"node": "127.0.0.1:21"}]}})[0] == 201
    path = "/services/pools/other/add-nodes"
    page = reader.get(path)
    wrong = reader.send(page, reader.form(page, path), {"nodes": "127.0.0.1:22\r\nnonsense\r\n127.0.0.1:21"})
    assert wrong.status_code == 400
    assert "Node 2, nonsense" in wrong.text
    assert "127.0.0.1:21 is in the pool already" in wrong.text
    assert "127.0.0.1:22\r\nnonsense\r\n" in wrong.text, "what was typed is still there"
    text = "127.0.0.1:22;\r\n\r\n [::1]:23, \r\n"
    added = reader.send(page, reader.form(page, path), {"nodes": text, "state": "disabled"}, ("act", "apply"))
    assert "2 nodes were added" in added.text
    assert nodes_of(stocked, "other")["[::1]:23"]["state"] == "disabled"
    form = replace(reader.form(added, NODES_ACT), action="/services/pools/other/weights")
    number = next(name.split()[1] for name, value in form.fields if value == "127.0.0.1:22")
    refused = reader.send(added, form, {f"weight {number}": "101"})
    assert "whole number from 1 to 100" in refused.text
    assert "of 1 node" in reader.send(added, form, {f"weight {number}": "7"}).text
    rows = nodes_of(stocked, "other")
    assert (rows["127.0.0.1:22"]["weight"], rows["127.0.0.1:21"]["weight"]) == (7, 1)
    asked = act(reader, "/services/pools/other", NODES_ACT, ["other/127.0.0.1%3A21"], ("do", "remove"))
    assert heading(asked) == "Remove node 127.0.0.1:21?"
    assert ("do", "drain") in reader.form(asked, NODES_ACT, "confirm").buttons
    confirm(reader, asked, NODES_ACT, "remove")
    # A disabled node has nothing to lose, so nothing is asked.
    act(reader, "/services/pools/other", NODES_ACT, ["other/%5B%3A%3A1%5D%3A23"], ("do", "remove"))
    assert set(nodes_of(stocked, "other")) == {"127.0.0.1:22"}


def test_acts_take_the_token(stocked: Instance, reader: Reader) -> None:
    for path, on in (
        (NODES_ACT, "spare/127.0.0.1%3A3"),
        (SERVERS_ACT, "wiki"),
        ("/activity/draining/wish", "x/y"),
    ):
        answer = reader.client.post(path, data={"do": "disable", "on": on, "confirm": "yes"})
        assert answer.status_code == 403
    assert is_enabled(stocked, "wiki")


# Why


def test_why_a_node_is_down(stocked: Instance, reader: Reader) -> None:
    path = "/services/why/dead/127.0.0.1%3A1"
    down = "Why is 127.0.0.1:1 down?"
    page = wait_for("it is dead", lambda: heading(page := reader.get(path)) == down and page)
    assert "connection refused" in page.text
    assert "nothing listens on port 1" in page.text
    assert "ss -ltnp &#39;sport = :1&#39;" in page.text
    assert "a TCP connection to 127.0.0.1:1" in page.text
    assert "has failed" in page.text, "the event log's word"
    assert "admin" in page.text
    checked = reader.send(page, reader.form(page, f"{path}/check"))
    assert "Checked just now" in checked.text
    assert checked.text.count("connection refused") > page.text.count("connection refused")


def test_why_with_names_that_mean_harm(reader: Reader) -> None:
    page = reader.get(f"/services/why/{quote(HOSTILE, safe='')}/127.0.0.1%3A2")
    assert page.status_code == 200
    assert HOSTILE not in page.text and "&lt;img" in page.text
    for path in ("/services/why/nowhere/127.0.0.1%3A2", "/services/why/dead/%3Cimg%3E"):
        assert reader.get(path).status_code == 404


def test_a_check_that_succeeds_and_one_without_a_monitor(stocked: Instance, reader: Reader) -> None:
    rest = stocked.ready["rest"].rpartition(":")[2].strip("/")
    node = f"127.0.0.1:{rest}"
    assert stocked.put("pools", "self", {"basic": {"nodes_table": [{"node": node}]}})[0] == 201
    page = reader.get(f"/services/why/self/{quote(node, safe='')}")
    checked = reader.send(page, reader.form(page, f"/services/why/self/{quote(node, safe='')}/check"))
    assert "succeeded" in checked.text
    assert "no monitor that can run" in checked.text


# Lists and panels


def test_lists_are_live_sorted_and_filtered(reader: Reader) -> None:
    page = reader.get("/services/pools").text
    assert page.index(">dead</a>") < page.index(">spare</a>"), "in trouble first"
    assert 'href="/services/why/dead/127.0.0.1%3A1"' in page
    falling = reader.get("/services/pools?sort=name&order=falling").text
    assert falling.index(">spare</a>") < falling.index(">dead</a>")
    assert 'aria-sort="descending"' in falling
    by_nodes = reader.get("/services/pools?sort=0&order=falling").text
    assert by_nodes.index(">spare</a>") < by_nodes.index(">dead</a>")
    assert ">spare</a>" not in reader.get("/services/pools?state=trouble").text
    servers = reader.get("/services/virtual-servers?state=disabled").text
    assert ">asleep</a>" in servers and ">wiki</a>" not in servers
    for odd in ("?sort=99", "?sort=-1", "?sort=x&order=y", "?sort=%3Cimg%3E"):
        assert reader.get(f"/services/virtual-servers{odd}").status_code == 200
    assert reader.get("/catalogs/monitors?sort=1").status_code == 200


def test_columns_can_be_left_out_of_a_list(reader: Reader) -> None:
    page = reader.get("/services/virtual-servers?sort=0")
    assert ">Protocol</a>" in page.text and 'data-label="Protocol"' in page.text
    form = next(form for form in forms_of(page.text) if ("hide", "1") in form.boxes)
    fewer = reader.send(page, form, {"hide": ["1", "2"]})
    assert ">Protocol</a>" not in fewer.text and 'data-label="Protocol"' not in fewer.text
    assert 'data-label="Port"' in fewer.text and 'aria-sort="ascending"' in fewer.text
    assert "hide=1.2" in fewer.text, "links of the page keep it"
    for odd in ("?hide=99", "?hide=-1.x..1", "?hide=" + "1." * 400):
        assert reader.get(f"/services/virtual-servers{odd}").status_code == 200


def test_panels_tell_what_is_in_force(stocked: Instance, reader: Reader) -> None:
    path = "/services/virtual-servers/shop"
    shop = wait_for("the failure pool serves", lambda: "serves now" in (p := reader.get(path).text) and p)
    assert f"{ADDRESS}:" in shop
    assert "admin" in shop
    # Requests may find a node dead before its monitor does.
    place = "/services/pools/dead"
    pool = wait_for("the monitor says so, too", lambda: "1 down" in (p := reader.get(place).text) and p)
    assert "failure pool" in pool
    assert 'href="/services/virtual-servers/shop"' in pool
    monitor = "/catalogs/monitors/quick"
    why = 'href="/services/why/dead/127.0.0.1%3A1"'
    wait_for("the monitor's page names the node", lambda: why in reader.get(monitor).text)
    for name in ("virtual-servers", "pools"):
        path = f"/services/{name}/{quote(HOSTILE, safe='')}"
        for one in (path, f"{path}/live"):
            page = reader.get(one)
            assert page.status_code == 200
            assert HOSTILE not in page.text
    assert reader.get("/services/pools/nowhere/live").status_code == 404


def test_a_traffic_ip_group_that_nobody_can_hold(stocked: Instance, reader: Reader) -> None:
    group = {"basic": {"ipaddresses": ["192.0.2.77"], "enabled": True, "note": HOSTILE}}
    assert stocked.put("traffic_ip_groups", HOSTILE, group)[0] == 201
    path = f"/services/traffic-ip-groups/{quote(HOSTILE, safe='')}"
    page = reader.get(path)
    assert "192.0.2.77" in page.text and "not raised" in page.text
    assert "no virtual server listens on this group" in page.text
    action = "/services/acts/traffic-ip-groups"
    asked = reader.send(page, reader.form(page, action), {}, ("do", "disable"))
    assert "Nobody answers on 192.0.2.77" in asked.text
    done = confirm(reader, asked, action, "disable")
    assert "its addresses are raised nowhere" in done.text.lower() or "the group is disabled" in done.text
    back = act(reader, "/services/traffic-ip-groups", action, [HOSTILE], ("do", "fail-back"))
    assert "went back where they belong" in back.text


def test_a_pool_is_renamed_wherever_it_is_used(stocked: Instance, reader: Reader) -> None:
    new = f"new {HOSTILE}"
    table = {"basic": {"nodes_table": [{"node": "127.0.0.1:31"}], "note": "kept"}}
    assert stocked.put("pools", "old", table)[0] == 201
    assert stocked.put("pools", "user", {"basic": {"failure_pool": "old"}})[0] == 201
    page = reader.get("/services/pools/old")
    form = reader.form(page, "/services/pools/old/rename")
    taken = reader.send(page, form, {"new_name": "spare"})
    assert taken.status_code == 409
    assert reader.send(page, form, {"new_name": ".."}).status_code == 400
    assert "old" in stocked.get("config/active/pools/user")["properties"]["basic"]["failure_pool"]
    review = reader.send(page, form, {"new_name": new}, ("act", "review"))
    text = unescape(review.text)
    assert "renamed" in text and f"<del>old</del> <ins>{new}</ins>" in text and HOSTILE not in review.text
    assert "pools/user" in text and "basic.failure_pool" in text and "deleted" not in text
    assert stocked.get("config/active/pools/user")["properties"]["basic"]["failure_pool"] == "old"
    done = reader.send(review, reader.form(review, f"{review.url.path}/apply"), {})
    assert done.status_code == 200 and "also wherever it is used" in done.text
    assert HOSTILE not in done.text
    assert stocked.get("config/active/pools/user")["properties"]["basic"]["failure_pool"] == new
    renamed = stocked.get(f"config/active/pools/{quote(new, safe='')}")
    assert renamed["properties"]["basic"]["note"] == "kept"
    former = reader.get("/services/pools/old")
    assert former.url.path == f"/services/pools/{new}", "the former address leads there"


# Draining, with traffic


async def test_draining_and_removal_lose_no_request(stocked: Instance, reader: Reader) -> None:
    """Drain, wait until it is empty, remove, add again and remove at once, all of it under load."""
    origins = [await Origin(name).start() for name in "abc"]
    port = free_port()
    words = {origin.name: f"loaded/{quote(origin.node, safe='')}" for origin in origins}

    def begin() -> None:
        table = [{"node": origin.node} for origin in origins]
        assert stocked.put("pools", "loaded", {"basic": {"nodes_table": table}})[0] == 201
        basic = {"enabled": True, "port": port, "pool": "loaded", **LISTENS}
        assert stocked.put("virtual_servers", "loaded", {"basic": basic})[0] == 201
        wait_for("it is in force", lambda: in_force(stocked))

    def drain_and_remove() -> None:
        done = act(reader, "/services/pools/loaded", NODES_ACT, [words["c"]], ("do", "drain"))
        assert "was set to drain" in done.text
        wait_for("c is at rest", lambda: at_rest("c"))
        page = wait_for(
            "it is empty", lambda: "empty now" in (p := reader.get("/activity/draining")).text and p
        )
        assert ("one", f"remove {words['c']}") in reader.form(page, NODES_ACT).buttons
        gone = reader.send(page, reader.form(page, NODES_ACT), {}, ("one", f"remove {words['c']}"))
        assert "was removed" in gone.text
        # Without draining first somebody is asked; and nothing is lost then either.
        asked = act(reader, "/services/pools/loaded", NODES_ACT, [words["b"]], ("do", "remove"))
        assert "Draining first" in asked.text
        confirm(reader, asked, NODES_ACT, "remove")
        wait_for("b is at rest", lambda: at_rest("b"))
        assert set(nodes_of(stocked, "loaded")) == {origins[0].node}

    def at_rest(name: str) -> bool:
        origin = next(origin for origin in origins if origin.name == name)
        seen, others = origin.requests, origins[0].requests
        wait_for("a gets more", lambda: origins[0].requests > others + 200)
        return origin.requests == seen

    await asyncio.to_thread(begin)
    load = Load(port, clients=8, address=ADDRESS)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(60))
        await asyncio.to_thread(wait_for, "traffic flows", lambda: load.report.requests > 200)
        await asyncio.to_thread(drain_and_remove)
        await asyncio.to_thread(wait_for, "more traffic", lambda: origins[0].requests > 1000)
        load.stop()
    report = running.result()
    for origin in origins:
        await origin.stop()
    assert not report.failed, report.failed
    assert set(report.answered) == {"a", "b", "c"}


async def test_a_node_is_disabled_once_it_is_empty(stocked: Instance, reader: Reader) -> None:
    """As long as a connection is in use the wish waits; removal is not offered."""
    origin = await Origin("held").start()
    port = free_port()
    word = f"held/{quote(origin.node, safe='')}"
    stream = {"enabled": True, "port": port, "pool": "held", "protocol": "client_first", **LISTENS}

    def begin() -> None:
        assert stocked.put("pools", "held", {"basic": {"nodes_table": [{"node": origin.node}]}})[0] == 201
        assert stocked.put("virtual_servers", "held", {"basic": stream})[0] == 201
        wait_for("it is in force", lambda: in_force(stocked))

    def wish() -> None:
        asked = act(reader, "/services/pools/held", NODES_ACT, [word], ("do", "drain"))
        confirm(reader, asked, NODES_ACT, "drain")
        in_use = 'data-label="In use"><strong>1</strong>'
        page = wait_for(
            "the connection is counted", lambda: in_use in (p := reader.get("/activity/draining")).text and p
        )
        form = reader.form(page, NODES_ACT)
        assert ("one", f"remove {word}") not in form.buttons
        assert ("one", f"disable-when-empty {word}") in form.buttons
        done = reader.send(
            page, replace(form, action="/activity/draining/wish"), {}, ("one", f"disable-when-empty {word}")
        )
        assert "will be disabled when empty" in done.text

    await asyncio.to_thread(begin)
    streams, writer = await asyncio.open_connection(ADDRESS, port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"held" in await streams.readuntil(b"held")
    await asyncio.to_thread(wish)
    assert (await asyncio.to_thread(nodes_of, stocked, "held"))[origin.node]["state"] == "draining"
    writer.close()

    def disabled() -> bool:
        return bool(nodes_of(stocked, "held")[origin.node]["state"] == "disabled")

    await asyncio.to_thread(wait_for, "it is disabled", disabled)
    await origin.stop()
    why = await asyncio.to_thread(reader.get, f"/services/why/{word}")
    assert "is empty and was disabled, as admin asked on" in why.text
