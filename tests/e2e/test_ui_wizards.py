"""Wizards and people in a hurry: two clicks on Finish, no tick, the last node of a service, no right to finish."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.e2e.reader import Reader, forms_of
from tests.e2e.test_ui_access import WORDS, make_user
from tools.instance import Instance, free_port

NODES = ("127.0.0.1:1", "127.0.0.1:2")
Changes = dict[str, str | list[str] | None]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A traffic manager with two pools, one of them in use."""
    with Instance(tmp_path_factory.mktemp("w") / "home") as running:
        for name in ("farm", "spare"):
            rows = [{"node": node} for node in NODES]
            assert running.put("pools", name, {"basic": {"nodes_table": rows}})[0] == 201
        basic = {
            "port": free_port(),
            "pool": "farm",
            "listen_on_any": False,
            "listen_on_hosts": ["127.0.0.1"],
        }
        assert running.put("virtual_servers", "shop", {"basic": basic})[0] == 201
        yield running


@pytest.fixture(scope="module")
def reader(instance: Instance) -> Iterator[Reader]:
    """Somebody without JavaScript who is logged in as the administrator."""
    with Reader(instance) as reader:
        assert reader.log_in().status_code == 200
        yield reader


def step(reader: Reader, page: httpx.Response, changes: Changes, act: str = "next") -> httpx.Response:
    """Answers the wizard's page."""
    form = next(form for form in forms_of(page.text) if form.action.startswith("/wizards/"))
    return reader.send(page, form, changes, ("act", act))


def nodes_of(instance: Instance, pool: str) -> list[str]:
    """The nodes of a pool."""
    rows = instance.get(f"config/active/pools/{pool}")["properties"]["basic"]["nodes_table"]
    return [row["node"] for row in rows]


def test_nothing_is_chosen_for_who_did_not_choose(reader: Reader) -> None:
    page = reader.get("/wizards/remove-node")
    form = next(form for form in forms_of(page.text) if form.action.startswith("/wizards/"))
    assert ("pool", "") in form.fields
    refused = step(reader, page, {})
    assert refused.status_code == 400
    assert "a value is needed here" in refused.text


def test_the_last_nodes_of_a_service_are_warned_of(reader: Reader, instance: Instance) -> None:
    """The review says what the service loses; without the tick it says so there, and nothing is done."""
    page = step(reader, reader.get("/wizards/remove-node"), {"pool": "farm"})
    review = step(reader, page, {"nodes": list(NODES)})
    assert "without a node that takes new requests" in review.text
    again = step(reader, review, {}, "finish")
    assert again.status_code == 400
    assert "Nothing was done yet: tick the box" in again.text
    assert nodes_of(instance, "farm") == list(NODES)
    back = step(reader, again, {}, "back")
    review = step(reader, back, {"nodes": [NODES[1]]})
    assert "without a node" not in review.text
    done = step(reader, review, {"confirm": "yes"}, "finish")
    assert f"Node {NODES[1]} of pool &#34;farm&#34; was removed." in done.text
    assert nodes_of(instance, "farm") == [NODES[0]]


def test_a_second_click_on_finish_shows_what_came_of_the_first(reader: Reader, instance: Instance) -> None:
    page = step(reader, reader.get("/wizards/new-service"), {"name": "twice", "port": str(free_port())})
    page = step(reader, page, {"nodes": "127.0.0.1:1"})
    review = step(reader, page, {})
    assert str(review.url).endswith("/review")
    before = instance.get("status/local_tm/applies?limit=1")["revision"]
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: step(reader, review, {}, "finish"), range(2)))
    assert [str(one.url).endswith("/done") for one in found] == [True, True], [one.text for one in found]
    assert instance.get("status/local_tm/applies?limit=1")["revision"] == before + 1


def test_a_wizard_that_cannot_be_finished_is_not_offered(reader: Reader, instance: Instance) -> None:
    """Its own permission opens a wizard; what it changes takes another one."""
    permissions = [
        {"name": name, "access_level": "full"} for name in ("Wizard", "Wizard!DrainNode", "Wizard!Backup")
    ]
    group = {"basic": {"description": "half", "permissions": permissions}}
    assert instance.put("user_groups", "half", group)[0] == 201
    assert make_user(reader, "half", "half").status_code == 200
    with Reader(instance) as other:
        assert other.log_in("half", WORDS, "/wizards").status_code == 200
        assert "/wizards/drain-node" not in other.get("/wizards").text
        assert other.get("/wizards/drain-node").status_code == 403
