"""The REST API as an ASGI application: who is calling, may they, where does the path lead; and every answer's headers.

Invariant: an answer other than `/healthz` tells an unknown caller nothing but that a login is needed; no
answer may be stored by a cache or read by another site's page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from pointsman.control.access import Access
from pointsman.control.control import Control
from pointsman.identity.user import Users
from pointsman.schema.counter import STATISTIC_TYPES, StatisticType
from pointsman.schema.registry import RESOURCE_TYPES
from pointsman.schema.resource import ResourceType
from pointsman.telemetry.event_log import EventLog
from pointsman.telemetry.history import History
from pointsman.web.answer import Answer, App, Receive, Scope, Send, error_answer, send_answer
from pointsman.web.api.authentication import Authentication
from pointsman.web.api.authorisation import AUDIT, X_TAR, refuse
from pointsman.web.api.config import ConfigHandler
from pointsman.web.api.listing import METHODS, list_children, not_allowed, not_found, read_only
from pointsman.web.api.metrics import MetricsHandler
from pointsman.web.api.path import BadPath, split_path
from pointsman.web.api.request import SAFE, Request, header_map, media_type, read_query, refuse_foreign
from pointsman.web.api.status import StatusHandler
from pointsman.web.connection import Peer
from pointsman.web.health import health_answer

VERSION = "8.3"
"""The API version that is served."""

METRICS = ("metrics",)
_ROOT = ("api", "tm", VERSION)
_CONFIG = (*_ROOT, "config", "active")
_STATUS = (*_ROOT, "status")
_DIRECTORIES = {
    (): ("api",),
    ("api",): ("tm",),
    ("api", "tm"): (VERSION,),
    _ROOT: ("config", "status"),
    (*_ROOT, "config"): ("active",),
}

_HEADERS = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
)
_TLS_HEADERS = (("strict-transport-security", "max-age=31536000"),)

_log = logging.getLogger("pointsman.web")


def make_app(
    *,
    control: Control,
    users: Users,
    events: EventLog,
    history: History,
    health: Callable[[], str],
    types: Iterable[ResourceType] = RESOURCE_TYPES,
    statistics: Iterable[StatisticType] = STATISTIC_TYPES,
) -> App:
    """The application for the REST listeners and the local socket.

    `health` gives "ok" or one word for what is wrong; `types` and `statistics` are the registries the tree is
    made of.
    """
    kinds = tuple(types)
    authentication = Authentication(users, control.record)
    access = Access(users, lambda: control.snapshot)
    config = ConfigHandler(control, kinds)
    status = StatusHandler(control, events, history, kinds, statistics)
    metrics = MetricsHandler(control)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        peer: Peer = scope["extensions"]["pointsman.peer"]
        answer = health_answer(scope, health) or await identified(scope, receive, peer)
        headers = (*answer.headers, *_HEADERS, *(_TLS_HEADERS if peer.tls else ()))
        await send_answer(send, replace(answer, headers=headers))

    async def identified(scope: Scope, receive: Receive, peer: Peer) -> Answer:
        method, headers = scope["method"], header_map(scope)
        caller = await authentication.identify(peer, headers)
        if isinstance(caller, Answer):
            return caller
        if refusal := refuse_foreign(method, headers):
            return refusal
        try:
            segments, query = split_path(scope["raw_path"]), read_query(scope)
        except BadPath as error:
            return error_answer(400, "resource.invalid_path", str(error), {})
        except ValueError:
            return error_answer(400, "query.invalid", "the query has too many arguments; send fewer", {})
        if refusal := refuse(access, caller, method, segments, query, headers):
            return refusal
        if method not in METHODS and not (method == "POST" and media_type(headers) == X_TAR):
            return not_allowed(method)
        audit = caller.surface == "local" or access.may(caller.name, AUDIT)
        return await routed(Request(method, segments, query, headers, caller, receive, audit))

    async def routed(request: Request) -> Answer:
        path = request.segments
        if path == METRICS:
            return await metrics.answer() if request.method in SAFE else not_allowed(request.method, SAFE)
        if (children := _DIRECTORIES.get(path)) is not None:
            if request.method not in SAFE:
                return read_only(request.method, path)
            return list_children(path, ((name, True) for name in children))
        if path[: len(_CONFIG)] == _CONFIG:
            return await config.answer(request, _CONFIG)
        if path[: len(_STATUS)] == _STATUS:
            return await status.answer(request, _STATUS)
        return not_found(request.method, path)

    return app
