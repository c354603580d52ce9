"""What the pages of virtual servers, traffic IP groups and monitors show above their settings: how they fare now.

Invariant: a panel shows what is in force, not what is configured; it reads and changes nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.control.status import PoolView
from pointsman.schema.health import NodeState
from pointsman.schema.monitor import Monitor
from pointsman.schema.pool import Pool
from pointsman.schema.problem import ObjectId
from pointsman.schema.traffic_ip_group import TrafficIpGroup
from pointsman.schema.virtual_server import VirtualServer
from pointsman.web.ui.address import segment
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.marks import BAD, Mark
from pointsman.web.ui.objects.extra import Panel
from pointsman.web.ui.services.acts import GROUPS, SERVERS
from pointsman.web.ui.services.addresses import group_states, rows_of
from pointsman.web.ui.services.certificates import certificate_lines
from pointsman.web.ui.services.maps import Maps
from pointsman.web.ui.services.tree import place, row_id, why_path
from pointsman.web.ui.visit import Refused, Visit

SHOWN_RESULTS = 200
_RATE_SECONDS = 15.0


@dataclass(frozen=True)
class ResultLine:
    """What a monitor said of a node last."""

    pool: str
    node: str
    mark: Mark
    word: str
    words: str
    since: float
    path: str


class ServicePanels:
    """The panels, and the pieces that renew themselves."""

    def __init__(self, desk: Desk, maps: Maps) -> None:
        self._desk = desk
        self._control = desk.control
        self._maps = maps

    @property
    def routes(self) -> list[Route]:
        """Where the pieces are."""
        get = self._desk.get
        return [
            get("/services/virtual-servers/{name:object}/live", self.server_live, "Virtual_Servers"),
            get("/services/traffic-ip-groups/{name:object}/live", self.group_live, "Traffic_IP_Groups"),
        ]

    # Virtual servers

    async def server(self, visit: Visit, name: str) -> Sequence[Panel]:
        """The panel of a virtual server."""
        return (Panel("panel_server.html", await self._server(visit, name)),)

    async def server_live(self, visit: Visit) -> Response:
        """GET …/live: its live part."""
        return self._desk.part(
            visit, "panel_server_live.html", values=await self._server(visit, visit.name())
        )

    async def _server(self, visit: Visit, name: str) -> dict[str, Any]:
        snapshot = self._control.snapshot
        server = snapshot.get("virtual_servers", name, VirtualServer)
        found = await self._maps.fresh()
        service = next((one for one in found.services if one.view.name == name), None)
        if server is None or service is None:
            raise Refused(f"There is no virtual server called {name}.", 404)
        plan = self._control.plan
        subject = ObjectId("virtual_servers", name)
        listeners = [at for at in plan.listeners if at.subject == subject] if plan is not None else []
        return {
            **self._shared(f"/services/virtual-servers/{segment(name)}"),
            "tree": found.tree(service, snapshot),
            "name": name,
            "listeners": [_place(at.address, at.port) for at in listeners],
            "groups": server.basic.listen_on_traffic_ips if not server.basic.listen_on_any else (),
            "addresses": {
                group: rows_of(group, found.status)
                for group in (server.basic.listen_on_traffic_ips if not server.basic.listen_on_any else ())
            },
            "certificates": certificate_lines(server, snapshot) if server.basic.ssl_decrypt else (),
            "decrypts": server.basic.ssl_decrypt,
            "rate": self._rate(subject),
            "times": self._control.live.response_times(subject),
            "changed": await self._control.last_change(subject),
            "action": SERVERS,
            "may_write": visit.may("Virtual_Servers!Edit", write=True),
        }

    def _rate(self, identity: ObjectId) -> Mapping[str, float] | None:
        """Traffic per second of late; None where nothing is known."""
        history = self._control.live.history
        points = history.recent(identity, _RATE_SECONDS) if history is not None else ()
        if not points:
            return None
        last = points[-1]
        return {"requests": last.requests, "in": last.bytes_in, "out": last.bytes_out, "errors": last.errors}

    def _shared(self, path: str) -> dict[str, Any]:
        return {
            "path": path,
            "row_id": row_id,
            "place": place,
            "why_path": why_path,
        }

    # Traffic IP groups

    async def group(self, visit: Visit, name: str) -> Sequence[Panel]:
        """The panel of a traffic IP group."""
        return (Panel("panel_group.html", await self._group(visit, name)),)

    async def group_live(self, visit: Visit) -> Response:
        """GET …/live: its live part."""
        return self._desk.part(visit, "panel_group_live.html", values=await self._group(visit, visit.name()))

    async def _group(self, visit: Visit, name: str) -> dict[str, Any]:
        snapshot = self._control.snapshot
        group = snapshot.get("traffic_ip_groups", name, TrafficIpGroup)
        if group is None:
            raise Refused(f"There is no traffic IP group called {name}.", 404)
        status = (await self._maps.fresh()).status
        rows = rows_of(name, status)
        shown = {row.address for row in rows}
        users = self._control.users_of(ObjectId("traffic_ip_groups", name))
        return {
            **self._shared(f"/services/traffic-ip-groups/{segment(name)}"),
            "name": name,
            "rows": rows,
            "others": [address for address in group.basic.ipaddresses if address not in shown],
            "state": group_states(snapshot, status)[name],
            "errors": status.traffic_ip_errors,
            "here": status.traffic_manager,
            "enabled": group.basic.enabled,
            "mode": group.basic.mode,
            "machines": [(machine, machine in group.basic.slaves) for machine in group.basic.machines],
            "listeners": [user.name for user in users if user.type == "virtual_servers"],
            "away": any(row.mark != "ok" for row in rows),
            "action": GROUPS,
            "may_write": visit.may("Traffic_IP_Groups!Edit", write=True),
        }

    # Monitors

    async def monitor(self, visit: Visit, name: str) -> Sequence[Panel]:
        """The panel of a monitor."""
        snapshot = self._control.snapshot
        if snapshot.get("monitors", name, Monitor) is None or not visit.may("Pools"):
            return ()
        pools = [pool for pool, one in snapshot.all("pools", Pool) if name in one.basic.monitors]
        found = await self._maps.fresh()
        lines = [
            line for pool in pools if pool in found.pools for line in self._results(name, found.pools[pool])
        ]
        lines.sort(key=lambda line: BAD[line.mark])
        values = {
            **self._shared(f"/catalogs/monitors/{segment(name)}"),
            "name": name,
            "pools": pools,
            "lines": lines[:SHOWN_RESULTS],
            "more": max(0, len(lines) - SHOWN_RESULTS),
        }
        return (Panel("panel_monitor.html", values),)

    def _results(self, monitor: str, pool: PoolView) -> list[ResultLine]:
        return [self.result(monitor, pool, number) for number in range(len(pool.nodes))]

    def result(self, monitor: str, pool: PoolView, number: int) -> ResultLine:
        """What a monitor said last of a pool's n-th node."""
        node = pool.nodes[number]
        path = why_path(pool.name, node.node)
        if node.state is NodeState.DISABLED:
            return ResultLine(pool.name, node.node, "off", "not watched", "the node is disabled", 0.0, path)
        plan = self._control.plan
        if plan is not None and plan.native_monitors.get(pool.name) == monitor:
            dead = node.state is NodeState.DEAD and "requests of clients" not in node.reason
            mark: Mark = "error" if dead else "warn" if node.state is NodeState.UNKNOWN else "ok"
            word = {"error": "failed", "warn": "not known yet", "ok": "succeeds"}[mark]
            return ResultLine(pool.name, node.node, mark, word, node.reason if dead else "", node.since, path)
        verdicts = self._control.live.verdicts
        verdict = verdicts.get((pool.name, node.node, monitor)) or verdicts.get((pool.name, "", monitor))
        if verdict is None:
            return ResultLine(pool.name, node.node, "warn", "not run yet", "", 0.0, path)
        mark = "ok" if verdict.up else "error"
        return ResultLine(
            pool.name,
            node.node,
            mark,
            "succeeds" if verdict.up else "failed",
            verdict.reason,
            verdict.since,
            path,
        )


def _place(address: str, port: int) -> str:
    if ipaddress.ip_address(address).is_unspecified:
        return f"every {'IPv6' if ':' in address else 'IPv4'} address, port {port}"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
