"""The service map: each virtual server with the pools that its traffic can reach and their nodes.

Pure. Invariant: what is in trouble comes first; what a page does not show is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pointsman.control.status import NodeView, PoolView, ServiceView, Status
from pointsman.schema.health import NodeState
from pointsman.schema.pool import SPECIAL_POOLS
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer
from pointsman.web.ui.address import segment
from pointsman.web.ui.marks import BAD, NODE_MARKS, Mark, pool_mark, pool_word
from pointsman.web.ui.service_state import answers, service_state

Choice = Literal["", "trouble", "disabled", "well"]
CHOICES: tuple[tuple[Choice, str], ...] = (
    ("", "All"),
    ("trouble", "In trouble"),
    ("disabled", "Disabled"),
    ("well", "Working"),
)
SHOWN_LIGHTS = 40
"""Nodes of a pool that the map shows; the pool's page has all."""
_TROUBLE = frozenset({"error", "warn"})


@dataclass(frozen=True)
class Light:
    """A node as a light that leads to its story, or to its row in its pool."""

    node: NodeView
    mark: Mark
    word: str
    path: str


@dataclass(frozen=True)
class Branch:
    """A pool that traffic of a virtual server can reach: `role` says how. `pool` is None where there is no such pool;
    `more` nodes are not in `lights`. `serves`: this is the one that gets the traffic now.
    """

    role: str
    name: str
    pool: PoolView | None
    mark: Mark
    word: str
    lights: tuple[Light, ...]
    more: int
    serves: bool


@dataclass(frozen=True)
class RuleUse:
    """A rule that a virtual server runs, and when; `on` is false for one that is switched off there."""

    name: str
    when: str
    on: bool


@dataclass(frozen=True)
class Service:
    """A virtual server of the map, without its branches."""

    view: ServiceView
    mark: Mark
    word: str
    why: str


@dataclass(frozen=True)
class Tree:
    """A service with everything that the map shows of it."""

    service: Service
    rules: tuple[RuleUse, ...]
    branches: tuple[Branch, ...]


@dataclass(frozen=True)
class Tally:
    """How many there are of something, by mark."""

    ok: int = 0
    warn: int = 0
    error: int = 0
    off: int = 0

    @property
    def all(self) -> int:
        """All together."""
        return self.ok + self.warn + self.error + self.off


class ServiceMap:
    """The map of one status."""

    def __init__(self, status: Status) -> None:
        self.status = status
        self.pools: Mapping[str, PoolView] = {pool.name: pool for pool in status.pools}
        self._pool_marks = {pool.name: pool_mark(pool) for pool in status.pools}
        services = [self._service(view) for view in status.services]
        self.services: Sequence[Service] = sorted(services, key=lambda one: BAD[one.mark])
        self.service_tally = _tally(one.mark for one in self.services)
        self.pool_tally = _tally(self._pool_marks.values())
        self.node_tally = _tally(NODE_MARKS[node.state] for pool in status.pools for node in pool.nodes)

    def chosen(self, choice: str, words: str) -> Sequence[Service]:
        """The services of a choice in whose name, pools, nodes or port all the words occur."""
        wanted = words.lower().split()
        return [
            one
            for one in self.services
            if is_of(one.mark, choice) and (not wanted or self._holds(one, wanted))
        ]

    def tree(self, service: Service, snapshot: Snapshot) -> Tree:
        """A service with its rules and branches."""
        branches = []
        serving = True
        for number, name in enumerate(self.chain(service.view.pool)):
            role = "" if number == 0 else "failure pool"
            pool = self.pools.get(name)
            can = pool is not None and answers(pool)
            branches.append(self._branch(role, name, pool, serves=serving and can and service.view.serving))
            serving = serving and not can
        server = snapshot.get("virtual_servers", service.view.name, VirtualServer)
        return Tree(service, rules_of(server) if server is not None else (), tuple(branches))

    def chain(self, name: str) -> list[str]:
        """A pool with its failure pools, in the order in which they are tried; none for a special name."""
        found: list[str] = []
        while name and name not in found and name not in SPECIAL_POOLS:
            found.append(name)
            pool = self.pools.get(name)
            name = pool.failure_pool if pool is not None else ""
        return found

    def _branch(self, role: str, name: str, pool: PoolView | None, *, serves: bool) -> Branch:
        if pool is None:
            return Branch(role, name, None, "error", "there is no such pool", (), 0, False)
        nodes = sorted(pool.nodes, key=lambda node: BAD[NODE_MARKS[node.state]])
        lights = tuple(light(name, node) for node in nodes[:SHOWN_LIGHTS])
        return Branch(
            role, name, pool, pool_mark(pool), pool_word(pool), lights, len(nodes) - len(lights), serves
        )

    def _service(self, view: ServiceView) -> Service:
        state = service_state(view, self.pools)
        return Service(view, state.mark, state.word, state.why)

    def _holds(self, service: Service, wanted: Iterable[str]) -> bool:
        view = service.view
        names = self.chain(view.pool)
        nodes = (node.node for name in names if name in self.pools for node in self.pools[name].nodes)
        text = " ".join((view.name, view.protocol, str(view.port), *names, *nodes)).lower()
        return all(word in text for word in wanted)


def is_of(mark: Mark, choice: str) -> bool:
    """Whether something with a mark belongs to a choice of a list."""
    match choice:
        case "trouble":
            return mark in _TROUBLE
        case "disabled":
            return mark == "off"
        case "well":
            return mark == "ok"
        case _:
            return True


def light(pool: str, node: NodeView) -> Light:
    """A node as a light."""
    mark = NODE_MARKS[node.state]
    down = node.state in (NodeState.DEAD, NodeState.UNKNOWN)
    where = why_path(pool, node.node) if down else f"/services/pools/{segment(pool)}#{row_id(node.node)}"
    return Light(node, mark, node.state.value, where)


def why_path(pool: str, node: str) -> str:
    """The page that says why a node is in its state."""
    return f"/services/why/{segment(pool)}/{segment(node)}"


def row_id(node: str) -> str:
    """The id of a node's row on its pool's page."""
    return f"node-{segment(node)}"


def place(pool: str, node: str) -> str:
    """A node of a pool as one word of a form."""
    return f"{segment(pool)}/{segment(node)}"


def rules_of(server: VirtualServer) -> tuple[RuleUse, ...]:
    """The rules of a virtual server, in the order in which they run."""
    basic = server.basic
    lists = (
        ("request", basic.request_rules),
        ("response", basic.response_rules),
        ("completion", basic.completion_rules),
    )
    return tuple(
        RuleUse(name.removeprefix("/"), when, not name.startswith("/"))
        for when, names in lists
        for name in names
    )


def _tally(marks: Iterable[Mark]) -> Tally:
    counted = {"ok": 0, "warn": 0, "error": 0, "off": 0}
    for mark in marks:
        counted[mark] += 1
    return Tally(**counted)
