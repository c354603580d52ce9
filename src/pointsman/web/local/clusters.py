"""What the control socket offers of the cluster: its members, joining, leaving, removing.

Invariant: no answer and no log line holds a password.

GET /cluster; GET /cluster/superseded?limit=; POST /cluster/table {"host", "port", "fingerprint"?}; POST /cluster/join
{"host", "port", "fingerprint", "user", "password", "replace_own", "traffic_ips"}; POST /cluster/leave; POST
/cluster/remove {"name"}; POST /cluster/override {"on"}. A refusal's problem has the code `cluster.<cause>`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointsman.control.clustering import Clustering, Refused
from pointsman.control.error import ControlError
from pointsman.schema.problem import Problem
from pointsman.schema.validate import Invalid
from pointsman.web.local.cluster_wire import read_wish, superseded_body
from pointsman.web.local.plain import plain
from pointsman.web.local.request import actor_of, invalid, read_body, refused

MOST_SUPERSEDED = 1000


def cluster_routes(clustering: Clustering | None) -> list[Route]:
    """The routes, for the control socket's application."""
    if clustering is None:
        return []
    clusters = _Clusters(clustering)
    return [
        Route("/cluster", clusters.show),
        Route("/cluster/superseded", clusters.superseded),
        Route("/cluster/table", clusters.table, methods=["POST"]),
        Route("/cluster/join", clusters.join, methods=["POST"]),
        Route("/cluster/leave", clusters.leave, methods=["POST"]),
        Route("/cluster/remove", clusters.remove, methods=["POST"]),
        Route("/cluster/override", clusters.override, methods=["POST"]),
    ]


class _Clusters:
    def __init__(self, clustering: Clustering) -> None:
        self._clustering = clustering

    async def show(self, request: Request) -> Response:
        """The members."""
        return JSONResponse(plain(self._clustering.view()))

    async def superseded(self, request: Request) -> Response:
        """Edits that lost to others of the same time."""
        limit = request.query_params.get("limit", "")
        count = int(limit) if limit.isascii() and limit.isdecimal() and len(limit) < 5 else MOST_SUPERSEDED
        found = await self._clustering.superseded(min(count, MOST_SUPERSEDED))
        return JSONResponse({"superseded": [superseded_body(lost) for lost in found]})

    async def table(self, request: Request) -> Response:
        """The admin servers of another cluster."""
        try:
            data = await _read(request)
            found = await self._clustering.look_at(
                str(data["host"]), int(data["port"]), str(data.get("fingerprint", ""))
            )
        except (KeyError, ValueError, TypeError):
            return _not_understood()
        except (Invalid, ControlError) as error:
            return _refusal(error)
        return JSONResponse({"seen": asdict(found.seen), "members": [asdict(row) for row in found.rows]})

    async def join(self, request: Request) -> Response:
        """Joins; answers when the cluster's configuration is in force."""
        try:
            wish = read_wish(await _read(request))
            joined = await self._clustering.join(actor_of(request, "cli"), wish)
        except (KeyError, ValueError, TypeError):  # their texts might hold the password
            return _not_understood()
        except (Invalid, ControlError) as error:
            return _refusal(error)
        view = plain(self._clustering.view())
        return JSONResponse({"seen": asdict(joined.seen), "in_force": joined.in_force, "cluster": view})

    async def leave(self, request: Request) -> Response:
        """Leaves."""
        try:
            await self._clustering.leave(actor_of(request, "cli"))
        except ControlError as error:
            return _refusal(error)
        return await self.show(request)

    async def remove(self, request: Request) -> Response:
        """Removes another member."""
        try:
            name = (await _read(request))["name"]
            await self._clustering.remove(actor_of(request, "cli"), str(name))
        except (KeyError, ValueError, TypeError):
            return _not_understood()
        except (Invalid, ControlError) as error:
            return _refusal(error)
        return await self.show(request)

    async def override(self, request: Request) -> Response:
        """Permits changes while versions differ, or forbids them again."""
        try:
            on = (await _read(request))["on"] is True
            await self._clustering.override(actor_of(request, "cli"), on=on)
        except (KeyError, ValueError, TypeError):
            return _not_understood()
        except (Invalid, ControlError) as error:
            return _refusal(error)
        return await self.show(request)


async def _read(request: Request) -> Mapping[str, Any]:
    try:
        data = json.loads(await read_body(request))
    except (ValueError, RecursionError):
        raise invalid("the request is not what the cluster's commands send; use them") from None
    if not isinstance(data, dict):
        raise invalid("the request is not what the cluster's commands send; use them")
    return data


def _not_understood() -> Response:
    text = "the request is not what the cluster's commands send; use them"
    return refused((Problem(None, (), "request.invalid", text),))


def _refusal(error: Invalid | ControlError) -> Response:
    match error:
        case Invalid():
            return refused(error.problems)
        case Refused(cause=str(cause)) if cause:
            return refused((Problem(None, (), f"cluster.{cause}", str(error)),))
        case _:
            return refused((Problem(None, (), "cluster.refused", str(error)),))
