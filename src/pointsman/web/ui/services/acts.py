"""What is done with services and nodes by a button: start and stop virtual servers; drain, disable, activate, remove
nodes, one or many at once.

Invariant: what would take the last node from a service, stop one, or cut a removal short of draining is asked about
first, on a page that names what it means; several things at once are one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.login import local_path
from pointsman.control.error import NotFound
from pointsman.control.node_acts import switched, takes_last, with_state, without_nodes
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.traffic_ip_group import TrafficIpGroup
from pointsman.schema.virtual_server import VirtualServer
from pointsman.store import Change, Put
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk, back_to
from pointsman.web.ui.services.tree import place
from pointsman.web.ui.visit import Refused, Visit

NODES = "/services/acts/nodes"
SERVERS = "/services/acts/virtual-servers"
GROUPS = "/services/acts/traffic-ip-groups"
_STATES: Mapping[str, Literal["active", "draining", "disabled"]] = {
    "activate": "active",
    "drain": "draining",
    "disable": "disabled",
}
_DONE = {"activate": "activated", "drain": "set to drain", "disable": "disabled", "remove": "removed"}
_NAMED = 8
"""Things that a sentence names before it counts the others."""

Place = tuple[str, str]


@dataclass(frozen=True)
class Ask:
    """A question before an act: what it means (`points`), and what may be done instead ((value, label) of `do`)."""

    title: str
    points: tuple[str, ...]
    label: str
    instead: tuple[str, str] = ("", "")


class Acts:
    """Handlers of the buttons."""

    def __init__(self, desk: Desk, changing: Changing) -> None:
        self._desk = desk
        self._control = desk.control
        self._changing = changing

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            self._desk.post(NODES, self.nodes, "Pools!Edit"),
            self._desk.post(SERVERS, self.servers, "Virtual_Servers!Edit"),
            self._desk.post(GROUPS, self.groups, "Traffic_IP_Groups!Edit"),
        ]

    # Nodes

    async def nodes(self, visit: Visit) -> Response:
        """POST with `do` and `on` (each "pool/node", of path segments), or with `one` ("do pool/node")."""
        do, places = _wanted(visit)
        if do not in _DONE:
            raise Refused("The form says nothing that can be done. Open the page again.")
        if not places:
            return self._nothing(visit, "node")
        if not _sure(visit) and (ask := self._node_question(do, places)) is not None:
            return await self._asked(visit, NODES, ask, do, [place(*one) for one in places])
        changes = [self._pool_change(do, pool, nodes) for pool, nodes in _by_pool(places).items()]
        what = _list([node for _, node in places], "node")
        pools = _list(list(_by_pool(places)), "pool")
        return await self._carry_out(
            visit,
            changes,
            title=f"{do.capitalize()} {what} of {pools}",
            done=f"{what.capitalize()} of {pools} {'was' if len(places) == 1 else 'were'} {_DONE[do]}.",
        )

    def _pool_change(self, do: str, pool: str, nodes: Iterable[str]) -> Put:
        settings = self._settings(ObjectId("pools", pool))
        if do == "remove":
            return without_nodes(pool, settings, nodes)
        return with_state(pool, settings, nodes, _STATES[do])

    def _node_question(self, do: str, places: Sequence[Place]) -> Ask | None:
        """What somebody should know first; None when there is nothing to ask."""
        if do == "activate":
            return None
        points = []
        for pool, nodes in _by_pool(places).items():
            if self._takes_last(pool, frozenset(nodes)):
                points.append(
                    f'Pool "{pool}" is then left without a node that takes new requests: what it serves fails, or '
                    "goes to its failure pool."
                )
        word = _list([node for _, node in places], "node")
        if do != "remove":
            verb = do.capitalize()
            return Ask(f"{verb} {word}?", tuple(points), f"{verb} all the same") if points else None
        busy = [(one, left) for one in places if (left := self._control.draining.left(one))]
        for (pool, node), left in busy[:_NAMED]:
            points.append(
                f'{node} of pool "{pool}" has {left} connection{"" if left == 1 else "s"} in use. They may end, and '
                "nothing new goes there."
            )
        if len(busy) > _NAMED:
            points.append(f"{len(busy) - _NAMED} more have connections in use.")
        undrained = [one for one in places if self._state(one) == "active"]
        if undrained:
            points.append(
                "Draining first lets clients with a session finish it on its node; then it can be removed when it is "
                "empty."
            )
        if not points:
            return None
        return Ask(
            f"Remove {word}?",
            tuple(points),
            "Remove now",
            ("drain", "Drain first") if undrained else ("", ""),
        )

    def _takes_last(self, pool: str, nodes: frozenset[str]) -> bool:
        """Whether a pool that is used would be left without an active node, and has one now."""
        found = self._control.snapshot.get("pools", pool, Pool)
        if found is None or not self._control.users_of(ObjectId("pools", pool)):
            return False
        return takes_last(found, nodes)

    def _state(self, one: Place) -> str:
        pool = self._control.snapshot.get("pools", one[0], Pool)
        rows = pool.basic.nodes_table if pool is not None else ()
        return next((row.state for row in rows if row.node == one[1]), "active")

    # Virtual servers

    async def servers(self, visit: Visit) -> Response:
        """POST with `do` (enable, disable) and `on` (names), or with `one` ("do name")."""
        do, names = _wanted_words(visit)
        if do not in ("enable", "disable"):
            raise Refused("The form says nothing that can be done. Open the page again.")
        if not names:
            return self._nothing(visit, "virtual server")
        if do == "disable" and not _sure(visit):
            running = [name for name in names if self._serves(name)]
            if running:
                points = tuple(
                    f"{text}: clients are turned away." for text in map(self._listens, running[:_NAMED])
                )
                if len(running) > _NAMED:
                    points += (f"{len(running) - _NAMED} more stop as well.",)
                ask = Ask(f"Disable {_list(names, 'virtual server')}?", points, "Disable")
                return await self._asked(visit, SERVERS, ask, do, names)
        changes = [
            switched(name, self._settings(ObjectId("virtual_servers", name)), enabled=do == "enable")
            for name in names
        ]
        what = _list(names, "virtual server")
        return await self._carry_out(
            visit,
            changes,
            title=f"{do.capitalize()} {what}",
            done=f"{what[:1].upper()}{what[1:]} {'was' if len(names) == 1 else 'were'} {do}d.",
        )

    def _serves(self, name: str) -> bool:
        server = self._control.snapshot.get("virtual_servers", name, VirtualServer)
        return server is not None and server.basic.enabled

    def _listens(self, name: str) -> str:
        server = self._control.snapshot.get("virtual_servers", name, VirtualServer)
        return f'"{name}" stops listening on port {server.basic.port}' if server is not None else f'"{name}"'

    # Traffic IP groups

    async def groups(self, visit: Visit) -> Response:
        """POST with `do` (enable, disable, fail-back) and `on` (names), or with `one`."""
        do, names = _wanted_words(visit)
        if do == "fail-back":
            held = await self._control.fail_back(visit.author)
            here = f"this machine now holds {', '.join(held)}" if held else "this machine now holds none"
            visit.tell(f"Traffic IPs went back where they belong; {here}.")
            return back_to(_next(visit))
        if do not in ("enable", "disable"):
            raise Refused("The form says nothing that can be done. Open the page again.")
        if not names:
            return self._nothing(visit, "traffic IP group")
        if do == "disable" and not _sure(visit):
            points = []
            for name in names[:_NAMED]:
                group = self._control.snapshot.get("traffic_ip_groups", name, TrafficIpGroup)
                if group is not None and group.basic.enabled and group.basic.ipaddresses:
                    points.append(
                        f"Nobody answers on {', '.join(group.basic.ipaddresses[:_NAMED])} any more."
                    )
            if points:
                ask = Ask(f"Disable {_list(names, 'traffic IP group')}?", tuple(points), "Disable")
                return await self._asked(visit, GROUPS, ask, do, names)
        changes = []
        for name in names:
            identity = ObjectId("traffic_ip_groups", name)
            settings = self._settings(identity)
            basic = {**settings.get("basic", {}), "enabled": do == "enable"}
            changes.append(Put(identity, {**settings, "basic": basic}))
        what = _list(names, "traffic IP group")
        return await self._carry_out(
            visit,
            changes,
            title=f"{do.capitalize()} {what}",
            done=f"{what[:1].upper()}{what[1:]} {'was' if len(names) == 1 else 'were'} {do}d.",
        )

    # Shared

    def _settings(self, identity: ObjectId) -> Mapping[str, Any]:
        found = self._control.settings(identity)
        if found is None:
            raise NotFound(identity)
        return found

    def _nothing(self, visit: Visit, what: str) -> Response:
        visit.tell(f"No {what} was ticked, so nothing was done.", "warn")
        return back_to(_next(visit))

    async def _asked(self, visit: Visit, action: str, ask: Ask, do: str, on: Sequence[str]) -> Response:
        return await self._desk.page(
            visit,
            "confirm.html",
            heading=ask.title,
            ask=ask,
            action=action,
            do=do,
            on=on,
            back=_next(visit),
        )

    async def _carry_out(self, visit: Visit, changes: Sequence[Change], *, title: str, done: str) -> Response:
        where = _next(visit)
        pending = Pending(
            owner=visit.session.csrf,
            changes=tuple(changes),
            base=None,
            title=title,
            done=done,
            back=where,
            onward=where,
            reason=visit.form.text("reason").strip(),
        )
        if visit.form.text("review"):
            return self._changing.prepare(visit, pending)
        return await self._changing.carry_out(visit, pending)


def _wanted(visit: Visit) -> tuple[str, list[Place]]:
    do, names = _wanted_words(visit)
    places = []
    for word in names:
        pool, slash, node = word.partition("/")
        if slash:
            places.append((unquote(pool), unquote(node)))
    return do, places


def _wanted_words(visit: Visit) -> tuple[str, list[str]]:
    """The act and what it is about: of the one button that names both, else of what is ticked."""
    if one := visit.form.text("one"):
        do, _, word = one.partition(" ")
        return do, [word] if word else []
    return visit.form.text("review") or visit.form.text("do"), list(dict.fromkeys(visit.form.all("on")))


def _sure(visit: Visit) -> bool:
    """Whether the question was answered; a change that is reviewed first needs no other."""
    return visit.form.text("confirm") == "yes" or bool(visit.form.text("review"))


def _by_pool(places: Iterable[Place]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pool, node in places:
        found.setdefault(pool, []).append(node)
    return found


def _list(names: Sequence[str], what: str) -> str:
    if len(names) == 1:
        return f'{what} "{names[0]}"' if what != "node" else f"node {names[0]}"
    shown = ", ".join(names[:_NAMED])
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} {what}s ({shown}{rest})"


def _next(visit: Visit) -> str:
    return local_path(visit.form.text("next")) if visit.form.text("next") else "/services"
