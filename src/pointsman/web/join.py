"""Where other instances ask on 9090: for the table of admin servers, and to join the cluster.

Invariant: nothing but names, addresses and fingerprints is told without the administrator's password; a request is
bounded before it is read.

`GET /cluster/members` answers `{"members": [{"name", "host", "port", "sha1", "sha256"}]}`; `POST /cluster/join` is
described in `cluster.admission`.
"""

from __future__ import annotations

from pointsman.cluster.admission import JOIN, REQUEST_LIMIT, TABLE, encode_table
from pointsman.cluster.cluster import Cluster
from pointsman.cluster.refusal import Cause, JoinRefused
from pointsman.web.answer import (
    JSON,
    OCTETS,
    Answer,
    App,
    Receive,
    Scope,
    Send,
    error_answer,
    json_answer,
    send_answer,
)
from pointsman.web.api.request import header_map, media_type
from pointsman.web.connection import Peer

_STATUS = {
    Cause.PASSWORD: 401,
    Cause.WAIT: 429,
    Cause.FULL: 409,
    Cause.VERSION: 409,
    Cause.NAME: 409,
    Cause.UNRESOLVED: 409,
    Cause.STORAGE: 507,
}
_HEADERS = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))


def with_joins(page: App, cluster: Cluster) -> App:
    """The application of 9090 with these two places before it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        match scope["raw_path"].decode("latin-1"), scope["method"]:
            case "/cluster/members", "GET" | "HEAD":
                await send_answer(send, json_answer(200, encode_table(cluster.host.table()), _HEADERS))
            case "/cluster/join", "POST":
                peer: Peer = scope["extensions"]["pointsman.peer"]
                await send_answer(send, await _join(cluster, scope, receive, peer))
            case "/cluster/members" | "/cluster/join", _:
                text = f"{TABLE} takes GET and {JOIN} takes POST"
                await send_answer(send, error_answer(405, "http.method_not_allowed", text))
            case _:
                await page(scope, receive, send)

    return app


async def _join(cluster: Cluster, scope: Scope, receive: Receive, peer: Peer) -> Answer:
    if media_type(header_map(scope)) != JSON:
        return error_answer(415, "http.unsupported_media_type", f"send the request as {JSON}")
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return error_answer(400, "http.incomplete", "the body ended early")
        body += message.get("body", b"")
        if len(body) > REQUEST_LIMIT:
            return error_answer(
                413, "http.body_too_large", f"the request has more than {REQUEST_LIMIT} bytes"
            )
        more = message.get("more_body", False)
    try:
        return Answer(200, await cluster.admit(bytes(body), peer.host), OCTETS, _HEADERS)
    except JoinRefused as error:
        return error_answer(_STATUS.get(error.cause, 400), f"join.{error.cause.value}", str(error))
