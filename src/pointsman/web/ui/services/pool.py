"""The nodes of a pool on its page: live, with everything that is done to them from there.

Invariant: a form changes the nodes that it names and no others; what is wrong with what was typed is said beside it,
and what was typed is still there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError
from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.control.error import NotFound
from pointsman.control.node_acts import NodeSetting, with_nodes, with_weights
from pointsman.control.status import NodeView, PoolView
from pointsman.schema.address import split_node
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.store import Put
from pointsman.web.ui.address import listed, segment
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.forms.pasted import pasted
from pointsman.web.ui.marks import BAD, NODE_MARKS, Mark, pool_mark, pool_word
from pointsman.web.ui.objects.extra import Panel
from pointsman.web.ui.services.acts import NODES
from pointsman.web.ui.services.maps import Maps
from pointsman.web.ui.services.panels import ServicePanels
from pointsman.web.ui.services.tree import place, row_id, why_path
from pointsman.web.ui.visit import Refused, Visit

POOLS = "/services/pools"
PAGE_SIZE = 200
MOST_NEW = 1000
_SETTINGS: Mapping[str, NodeSetting] = {"active": "active", "draining": "draining", "disabled": "disabled"}
_WEIGHTS = range(1, 101)
_PRIORITIES = range(2**31)


@dataclass(frozen=True)
class NodeLine:
    """A node of the pool; `number` is unique on the page and names its fields."""

    number: int
    node: NodeView
    mark: Mark
    word: str
    row_id: str
    why: str


@dataclass(frozen=True)
class MonitorLine:
    """A monitor of the pool with how many nodes it finds up and down. `known`: there is such a monitor."""

    name: str
    known: bool
    up: int
    down: int
    native: bool


class PoolPages:
    """Handlers of what a pool's page has besides settings."""

    def __init__(self, desk: Desk, changing: Changing, maps: Maps, panels: ServicePanels) -> None:
        self._desk = desk
        self._control = desk.control
        self._changing = changing
        self._maps = maps
        self._panels = panels

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        one = f"{POOLS}/{{name:object}}"
        return [
            self._desk.get(f"{one}/live", self.live, "Pools"),
            self._desk.get(f"{one}/add-nodes", self.add_form, "Pools!Edit", write=True),
            self._desk.post(f"{one}/add-nodes", self.add, "Pools!Edit"),
            self._desk.post(f"{one}/weights", self.weigh, "Pools!Edit"),
        ]

    async def panel(self, visit: Visit, name: str) -> Sequence[Panel]:
        """The panel of a pool."""
        return (Panel("panel_pool.html", await self._values(visit, name)),)

    async def live(self, visit: Visit) -> Response:
        """GET …/live: its live part."""
        return self._desk.part(visit, "panel_pool_live.html", values=await self._values(visit, visit.name()))

    async def _values(self, visit: Visit, name: str) -> dict[str, Any]:
        found = await self._maps.fresh()
        pool = found.pools.get(name)
        if pool is None:
            raise Refused(f"There is no pool called {name}.", 404)
        path = f"{POOLS}/{segment(name)}"
        nodes = sorted(pool.nodes, key=lambda node: BAD[NODE_MARKS[node.state]])
        page = visit.number("nodes", 1, 1, max(1, -(-len(nodes) // PAGE_SIZE)))
        shown = nodes[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        here = path + listed({"nodes": page if page > 1 else ""})
        return {
            "path": path,
            "here": here,
            "live": f"{path}/live" + listed({"nodes": page if page > 1 else ""}),
            "name": name,
            "pool": pool,
            "mark": pool_mark(pool),
            "word": pool_word(pool),
            "lines": [self._line(name, number, node) for number, node in enumerate(shown)],
            "count": len(nodes),
            "page": page,
            "more": page * PAGE_SIZE < len(nodes),
            "turned": lambda number: path + listed({"nodes": number}),
            "monitors": self._monitors(pool),
            "users": self._users(name),
            "times": self._control.live.response_times(ObjectId("pools", name)),
            "weighted": "weighted" in pool.algorithm,
            "priorities": self._priorities(name),
            "changed": await self._control.last_change(ObjectId("pools", name)),
            "action": NODES,
            "place": place,
            "may_write": visit.may("Pools!Edit", write=True),
        }

    def _line(self, pool: str, number: int, node: NodeView) -> NodeLine:
        return NodeLine(
            number,
            node,
            NODE_MARKS[node.state],
            place(pool, node.node),
            row_id(node.node),
            why_path(pool, node.node),
        )

    def _monitors(self, pool: PoolView) -> list[MonitorLine]:
        plan = self._control.plan
        native = plan.native_monitors.get(pool.name) if plan is not None else None
        known = self._control.snapshot.objects
        lines = []
        for name in pool.monitors:
            results = [self._panels.result(name, pool, number) for number in range(len(pool.nodes))]
            marks = [result.mark for result in results]
            lines.append(
                MonitorLine(
                    name,
                    ObjectId("monitors", name) in known,
                    marks.count("ok"),
                    marks.count("error"),
                    name == native,
                )
            )
        return lines

    def _users(self, name: str) -> list[tuple[str, str, str]]:
        """What sends traffic to the pool: how, its name, its page."""
        found = []
        for user in self._control.users_of(ObjectId("pools", name)):
            if user.type == "virtual_servers":
                found.append(("virtual server", user.name, f"/services/virtual-servers/{segment(user.name)}"))
            elif user.type == "pools":
                found.append(("failure pool of", user.name, f"{POOLS}/{segment(user.name)}"))
        return found

    def _priorities(self, name: str) -> bool:
        pool = self._control.snapshot.get("pools", name, Pool)
        return pool is not None and pool.load_balancing.priority_enabled

    # What is done from there

    async def weigh(self, visit: Visit) -> Response:
        """POST …/weights with, for each number of `row`, `node N`, `weight N` and `priority N`."""
        name = visit.name()
        settings = self._settings(name)
        there = self._control.snapshot.get("pools", name, Pool)
        rows = {row.node: row for row in there.basic.nodes_table} if there is not None else {}
        weights: dict[str, tuple[int, int]] = {}
        for number in visit.form.all("row"):
            node = visit.form.text(f"node {number}")
            row = rows.get(node)
            weight = _whole(visit.form.text(f"weight {number}"), row.weight if row else 1)
            priority = _whole(visit.form.text(f"priority {number}"), row.priority if row else 1)
            if weight not in _WEIGHTS:
                raise Refused(f"The weight of {node} must be a whole number from 1 to 100.")
            if priority not in _PRIORITIES:
                raise Refused(f"The priority of {node} must be a whole number, 0 or more.")
            if row is None or (weight, priority) != (row.weight, row.priority):
                weights[node] = (weight, priority)
        if not weights:
            visit.tell("No weight was changed.", "warn")
        what = "1 node" if len(weights) == 1 else f"{len(weights)} nodes"
        done = f"The weights of {what} were changed." if weights else "Everything is as it was."
        change = with_weights(name, settings, weights)
        return await self._carry_out(visit, name, change, f"Change weights in pool {name}", done)

    async def add_form(self, visit: Visit) -> Response:
        """GET …/add-nodes: the form alone."""
        self._settings(visit.name())
        return await self._add_page(visit, "", "active", ())

    async def add(self, visit: Visit) -> Response:
        """POST …/add-nodes with `nodes`, a list, and `state`."""
        name = visit.name()
        settings = self._settings(name)
        text, state = visit.form.text("nodes"), visit.form.text("state") or "active"
        nodes, faults = _typed(text)
        there = {row["node"] for row in settings.get("basic", {}).get("nodes_table", ())}
        faults += [f"{node} is in the pool already." for node in nodes if node in there]
        if state not in _SETTINGS:
            faults.append("Choose whether the nodes are active, draining or disabled.")
        if not nodes and not faults:
            faults.append("Write at least one node, as host:port.")
        if faults:
            return await self._add_page(visit, text, state, faults)
        what = f"Node {nodes[0]} was" if len(nodes) == 1 else f"{len(nodes)} nodes were"
        change = with_nodes(name, settings, nodes, _SETTINGS[state])
        return await self._carry_out(
            visit, name, change, f"Add nodes to pool {name}", f"{what} added to pool {name}."
        )

    async def _add_page(self, visit: Visit, text: str, state: str, faults: Sequence[str]) -> Response:
        name = visit.name()
        path = f"{POOLS}/{segment(name)}"
        return await self._desk.page(
            visit,
            "add_nodes.html",
            heading=say("Add nodes"),
            crumbs=((name, path),),
            status=400 if faults else 200,
            path=path,
            text=text,
            state=state,
            faults=faults,
        )

    def _settings(self, name: str) -> Mapping[str, Any]:
        found = self._control.settings(ObjectId("pools", name))
        if found is None:
            raise NotFound(ObjectId("pools", name))
        return found

    async def _carry_out(self, visit: Visit, name: str, change: Put, title: str, done: str) -> Response:
        path = f"{POOLS}/{segment(name)}"
        pending = Pending(
            owner=visit.session.csrf,
            changes=(change,),
            base=None,
            title=title,
            done=done,
            back=path,
            onward=path,
        )
        if visit.form.text("act") == "review":
            return self._changing.prepare(visit, pending)
        return await self._changing.carry_out(visit, pending)


def _whole(text: str, default: int) -> int:
    """A whole number; -1 for what is none, `default` for nothing."""
    text = text.strip()
    if not text:
        return default
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else -1


def _typed(text: str) -> tuple[list[str], list[str]]:
    """The nodes of a text, and what is wrong with it."""
    nodes: list[str] = []
    faults: list[str] = []
    words = pasted(text)
    if len(words) > MOST_NEW:
        return [], [f"These are {len(words)} nodes; add at most {MOST_NEW} at once."]
    for number, word in enumerate(words, 1):
        try:
            split_node(word)
        except PydanticCustomError as error:
            faults.append(f"Node {number}, {word[:80]}: {error.message()}.")
            continue
        if word in nodes:
            faults.append(f"Node {number}: {word} is there twice.")
        nodes.append(word)
    return nodes, faults
