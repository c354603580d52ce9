"""What the control socket offers of passwords: setting one.

Invariant: no answer and no log line holds a password or a part of one; the user's sessions end with the old one.

POST /password with {"user": str, "password": str}.
"""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointsman.identity.user import PasswordRefused, Users
from pointsman.schema.problem import Problem
from pointsman.schema.validate import Invalid
from pointsman.web.local.request import read_body, refused


def password_routes(users: Users) -> list[Route]:
    """The routes, for the control socket's application."""

    async def set_password(request: Request) -> Response:
        try:
            match json.loads(await read_body(request)):
                case {"user": str(user), "password": str(password)}:
                    await users.set_password(user, password, as_given=True)
                    return JSONResponse({})
            raise ValueError("user or password is missing")
        except Invalid as error:
            return refused(error.problems)
        except PasswordRefused as error:
            return refused((Problem(None, (), "password.refused", str(error)),))
        except OSError as error:
            text = f"the password could not be stored ({error.strerror}); free space or repair the disk"
            return refused((Problem(None, (), "password.refused", text),))
        except (ValueError, RecursionError):  # their texts might hold the password
            text = "the request is not what /password takes; use the configure script"
            return refused((Problem(None, (), "request.invalid", text),))

    return [Route("/password", set_password, methods=["POST"])]
