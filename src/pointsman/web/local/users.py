"""What the control socket offers of users, to whom the instance belongs: list, make, delete, change, set passwords.

Invariant: no answer and no log line holds a password or a part of one; a user's sessions end with what is taken away.

GET /users; POST /users/{add,remove,groups,suspend,resume,remove-factor} with {"user": str, ...}; POST /password with
{"user": str, "password": str}.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pointsman.control.access import groups_of
from pointsman.control.accounts import Accounts
from pointsman.control.error import ControlError
from pointsman.identity.user import PasswordRefused, Users
from pointsman.schema.problem import Problem
from pointsman.schema.validate import Invalid
from pointsman.store import Author
from pointsman.web.local.request import actor_of, read_body, refused

_NOT_UNDERSTOOD = "the request is not what the control socket takes; use pointsman user"
Act = Callable[[Author, object], Awaitable[None]]


def user_routes(users: Users, accounts: Accounts) -> list[Route]:
    """The routes, for the control socket's application."""

    async def listed(request: Request) -> Response:
        return JSONResponse(
            {
                "users": [
                    {
                        "name": name,
                        "groups": list(groups_of(users, name)),
                        "suspended": account.suspended,
                        "second_factor": bool(account.factor.secret),
                        "password_set": account.changed,
                        "sessions": sum(session.user == name for session in users.sessions.all()),
                    }
                    for name, account in sorted(users.accounts.items())
                ]
            }
        )

    async def set_password(actor: Author, data: object) -> None:
        match data:
            case {"user": str(user), "password": str(password)}:
                await users.set_password(user, password, as_given=True)
            case _:
                raise ValueError

    async def add(actor: Author, data: object) -> None:
        match data:
            case {"user": str(user), "password": str(password), "groups": [*groups]}:
                await accounts.create(actor, user, password, [str(group) for group in groups])
            case _:
                raise ValueError

    async def set_groups(actor: Author, data: object) -> None:
        match data:
            case {"user": str(user), "groups": [*groups]}:
                await accounts.set_groups(actor, user, [str(group) for group in groups])
            case _:
                raise ValueError

    async def suspend(actor: Author, data: object) -> None:
        await accounts.suspend(actor, _user(data), suspended=True)

    async def resume(actor: Author, data: object) -> None:
        await accounts.suspend(actor, _user(data), suspended=False)

    async def remove(actor: Author, data: object) -> None:
        await accounts.remove(actor, _user(data))

    async def remove_factor(actor: Author, data: object) -> None:
        await accounts.remove_factor(actor, _user(data))

    acts: dict[str, Act] = {
        "/password": set_password,
        "/users/add": add,
        "/users/groups": set_groups,
        "/users/suspend": suspend,
        "/users/resume": resume,
        "/users/remove": remove,
        "/users/remove-factor": remove_factor,
    }
    return [
        Route("/users", listed),
        *(Route(path, _handler(act), methods=["POST"]) for path, act in acts.items()),
    ]


def _user(data: object) -> str:
    match data:
        case {"user": str(user)}:
            return user
    raise ValueError


def _handler(act: Act) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            await act(actor_of(request, "cli"), json.loads(await read_body(request)))
        except Invalid as error:
            return refused(error.problems)
        except (PasswordRefused, ControlError) as error:
            return refused((Problem(None, (), "user.refused", str(error)),))
        except OSError as error:
            text = f"the user could not be stored ({error.strerror}); free space or repair the disk"
            return refused((Problem(None, (), "user.refused", text),))
        except (ValueError, RecursionError):  # their texts might hold the password
            return refused((Problem(None, (), "request.invalid", _NOT_UNDERSTOOD),))
        return JSONResponse({})

    return handle
