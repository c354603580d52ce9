"""The cluster over REST, our addition: `status/<traffic manager>/cluster`, and questions that another member answers.

Invariant: no answer holds a password or key; what another member is asked was permitted here first.

GET cluster, superseded (edits that lost to others of the same time); PUT cluster/join, cluster/leave, cluster/remove,
cluster/override with the same JSON as the control socket takes (`web.local.clusters`); PUT cluster/table shows the
admin servers of another cluster.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pointsman.cluster.link import Unanswered
from pointsman.control.clustering import Clustering, Refused
from pointsman.control.error import ControlError
from pointsman.web.answer import JSON, Answer, error_answer, json_answer
from pointsman.web.api.insight import number
from pointsman.web.api.lenient_json import NotJson, read_json
from pointsman.web.api.request import BodyGone, Request
from pointsman.web.local.cluster_wire import read_wish, superseded_body
from pointsman.web.local.plain import plain

ABOUT = "rest"
"""What questions between members are about that this module asks and answers."""
REQUEST_LIMIT = 65_536
ASK_SECONDS = 8.0
_STATUS = {"unreachable": 502, "fingerprint": 502, "password": 403, "wait": 429, "storage": 507}


def show_cluster(clustering: Clustering) -> Answer:
    """The members."""
    return json_answer(200, {"cluster": plain(clustering.view())})


async def show_superseded(clustering: Clustering, request: Request) -> Answer:
    """The edits that lost to others of the same time, newest first. Raises `BadArgument`."""
    found = await clustering.superseded(number(request.query, "limit", 100))
    return json_answer(200, {"superseded": [superseded_body(lost) for lost in found]})


async def change_cluster(clustering: Clustering, request: Request, what: str) -> Answer | None:
    """Joins, leaves, removes; None for what there is not."""
    if what not in ("join", "leave", "remove", "override", "table"):
        return None
    try:
        data = await _body(request)
        match what, data:
            case "join", _:
                joined = await clustering.join(request.caller, read_wish(data))
                view = plain(clustering.view())
                return json_answer(
                    200, {"seen": asdict(joined.seen), "in_force": joined.in_force, "cluster": view}
                )
            case "table", {"host": str(host), "port": int(port)}:
                found = await clustering.look_at(host, port)
                rows = [asdict(row) for row in found.rows]
                return json_answer(200, {"seen": asdict(found.seen), "members": rows})
            case "leave", _:
                await clustering.leave(request.caller)
            case "remove", {"name": str(name)}:
                await clustering.remove(request.caller, name)
            case "override", {"on": bool(on)}:
                await clustering.override(request.caller, on=on)
            case _:
                raise ValueError("something is missing")
    except NotJson as error:
        return error_answer(400, "json.syntax_error", str(error), {})
    except BodyGone as error:
        return error_answer(400, "http.incomplete", str(error), {})
    except (KeyError, ValueError, TypeError):  # their texts might hold the password
        text = f"the body of cluster/{what} is not what it takes; see the REST page of the reference"
        return error_answer(400, "cluster.request", text, {})
    except Refused as error:
        cause = error.cause or "refused"
        return error_answer(_STATUS.get(cause, 409), f"cluster.{cause}", str(error), {})
    except ControlError as error:
        return error_answer(507, "storage.failed", str(error), {})
    return show_cluster(clustering)


def members_of(clustering: Clustering | None) -> tuple[str, ...]:
    """The names of all members; none on an instance that stands alone."""
    if clustering is None or not clustering.cluster.active:
        return ()
    return tuple(member.name for member in clustering.cluster.roster.members)


async def forward(clustering: Clustering, member: str, request: Request, below: Sequence[str]) -> Answer:
    """What another member answers to a reading of `below` its own part of the status tree."""
    question = {
        "about": ABOUT,
        "path": list(below),
        "query": {name: list(values) for name, values in request.query.items()},
        "user": request.caller.name,
        "address": request.caller.address,
        "audit": request.audit,
    }
    try:
        answer = await clustering.cluster.ask(member, question, ASK_SECONDS)
    except Unanswered as error:
        text = f"{error}; look at that machine"
        return error_answer(503, "cluster.unreachable", text)
    return unpacked(member, answer)


def packed(answer: Answer) -> dict[str, Any]:
    """A REST answer for the member that asked."""
    body = base64.b64encode(answer.body).decode("ascii")
    headers = [list(pair) for pair in answer.headers]
    return {"status": answer.status, "type": answer.content_type, "headers": headers, "body": body}


def unpacked(member: str, answer: Mapping[str, Any]) -> Answer:
    """The answer that `packed` gave."""
    match answer:
        case {"status": int(status), "type": str(kind), "body": str(body), "headers": list(headers)}:
            with contextlib.suppress(ValueError, TypeError):
                pairs = tuple((str(name), str(value)) for name, value in headers)
                return Answer(status, base64.b64decode(body), kind, pairs)
    text = f"{member}: {str(answer.get('error', 'it does not answer what was asked'))[:500]}"
    return error_answer(502, "cluster.not_understood", text)


async def _body(request: Request) -> Mapping[str, Any]:
    body = await request.body()
    if not body:
        return {}
    if request.content_type != JSON or len(body) > REQUEST_LIMIT:
        raise ValueError("not the JSON that is taken here")
    data = read_json(body)
    if not isinstance(data, dict):
        raise ValueError("not an object")
    return data
