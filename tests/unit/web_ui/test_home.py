"""What Home and the diagnosis say of members is about the machines, and nothing is said twice."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.control.test_status import WEB, pool, service, status

from pointsman.cluster.view import ClusterView, MemberView
from pointsman.control.troubles import Around, find_troubles
from pointsman.schema.problem import ObjectId
from pointsman.web.ui.diagnose.members import read_state
from pointsman.web.ui.home_view import home_view
from pointsman.web.ui.overview import overview

MEMBER = MemberView("1", "b", "alive", "10.0.0.2", 9080, 9070, 9090, "1", 1, "", "", "", 0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("state", "tells", "mark", "word"),
    [
        ("alive", {"serving": True, "left_out": 0}, "ok", "well"),
        ("alive", {"serving": True}, "ok", "well"),
        ("here", {"serving": True, "left_out": 2}, "error", "2 services left out"),
        ("alive", {"serving": True, "left_out": 1}, "error", "1 service left out"),
        ("alive", {"serving": False, "left_out": 1}, "error", "engine is down"),
        ("unreachable", {"serving": True}, "error", "unreachable"),
        ("alive", {"left_out": "strange"}, "ok", "well"),
    ],
)
def test_a_members_light_is_about_the_machine(
    state: str, tells: dict[str, Any], mark: str, word: str
) -> None:
    """A dead node is in the list of what is wrong, and no fault of this machine more than of the others."""
    seen = status({WEB: service(), ObjectId("pools", "app"): pool("a:1")}, {("app", "a:1"): "refused"})
    cluster = ClusterView("c", (replace(MEMBER, state=state, tells=tells),), "", False, False, "", 0)
    (row,) = home_view(overview(seen, 1.0, None, 0.0), cluster).members
    assert (row.mark, row.word) == (mark, word)


def test_what_is_told_here_is_not_told_again_for_each_member() -> None:
    told = ["pools/app: node a:1 is down: refused", "virtual_servers/web: the address is not here"]
    body = json.dumps({"state": {"error_level": "error", "errors": told}}).encode()
    alone, beside = read_state("b", body), read_state("b", body, told[:1])
    assert (alone.errors, alone.same) == (tuple(told), 0)
    assert (beside.errors, beside.same, beside.mark) == ((told[1],), 1, "error")


def test_a_service_that_lost_a_node_is_impaired_here_too() -> None:
    """As on the map of services, and not called well by the count above it."""
    seen = status({WEB: service(), ObjectId("pools", "app"): pool("a:1", "b:1")}, {("app", "a:1"): "refused"})
    view = home_view(overview(seen, 1.0, None, 0.0), None)
    (row,) = view.services
    assert (row.state.mark, row.state.word) == ("warn", "impaired")
    assert row.state.why == '1 of 2 nodes of pool "app" are down'
    assert view.tiles[0].parts == (("warn", "impaired", 1),)


def test_many_dead_nodes_of_a_pool_are_one_trouble() -> None:
    """And nothing else hides behind them."""
    rack = [f"10.0.0.{number}:80" for number in range(20)]
    objects = {
        WEB: service(),
        ObjectId("pools", "app"): pool(*rack),
        ObjectId("pools", "few"): pool("a:1", "b:1", "c:1"),
    }
    dead = {("app", node): "refused" for node in rack[1:]} | {("few", "a:1"): "slow", ("few", "b:1"): "slow"}
    seen = status(objects, dead)
    view = home_view(overview(seen, 1.0, None, 0.0, find_troubles(seen, Around(1.0))), None)
    first, *others = view.troubles
    assert first.about == "Pool app"
    assert (
        first.trouble.what == "19 nodes are down (refused): 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80 and 16 more"
    )
    assert first.links[0] == ("Which and why", "/services/nodes?q=app&state=trouble")
    assert [one.trouble.path[-1] for one in others] == ["a:1", "b:1"]
    assert [one.links[0][0] for one in others] == ["Why", "Why"]
    assert "21 nodes are down" in view.overview.headline
    assert not view.more_troubles
