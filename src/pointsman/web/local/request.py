"""What the requests of the control socket have in common: who asks, and a body of bounded size.

Invariant: the author of a change is the peer of the socket, whatever the request says.
"""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from pointsman.document.wire import encode_problem
from pointsman.schema.problem import Problem
from pointsman.schema.validate import Invalid
from pointsman.store import Author
from pointsman.web.local.limit import BODY_LIMIT

LONGEST_WAIT = 300.0


async def read_body(request: Request) -> bytes:
    """The body of a request. Raises `Invalid` when it is too long or ends early."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                raise invalid(f"the request has more than {BODY_LIMIT} bytes; split the document")
    except ClientDisconnect:
        raise invalid("the request ended early; send it again") from None
    return bytes(body)


def invalid(message: str) -> Invalid:
    """A request that is not what is taken here."""
    return Invalid((Problem(None, (), "request.invalid", message),))


def actor_of(request: Request, surface: str) -> Author:
    """The peer of the socket ("local:<unix user>") as the author of a change made through `surface`."""
    name = request.client.host if request.client else "local:unknown"
    return Author(name=name, address="", surface=surface)


def refused(problems: tuple[Problem, ...]) -> Response:
    """The answer to a request that was not done."""
    return JSONResponse({"problems": [encode_problem(problem) for problem in problems]}, status_code=400)
