"""Login, logout, and the gate in front of every other page.

Invariant: a page is reached only with a live session; a login always makes a new session and ends the one it
came with; wrong user and wrong password get the same answer; every form carries a token made here.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pointsman.console.template import Pages
from pointsman.identity.session import Session, same_token
from pointsman.identity.user import Outcome, Users
from pointsman.schema.event import Event, Severity

FORM_LIMIT = 16_384
FORM_TYPE = "application/x-www-form-urlencoded"
OPEN_PATHS = ("/login", "/healthz")
OPEN_FOLDER = "/static/"
WRONG = "User name or password is wrong."
EXPIRED = "This form was open for too long. Please try again."


class Login:
    """Login and logout handlers of one UI.

    `instance` is what makes the cookie's name this instance's own: cookies do not know ports, and two
    instances on one host must not log each other out. `surface` is named in the audit ("UI").
    """

    def __init__(
        self,
        users: Users,
        pages: Pages,
        *,
        instance: str,
        title: str,
        surface: str,
        record: Callable[[Event], None],
    ) -> None:
        self.cookie = f"__Host-pointsman-{instance}"
        self._users = users
        self._sessions = users.sessions
        self._pages = pages
        self._title = title
        self._surface = surface
        self._record = record

    def session(self, request: Request, *, touch: bool = True) -> Session | None:
        """The request's live session; `touch` false when nobody did anything (a page refreshing itself)."""
        token = self._token(request)
        return self._sessions.find(token, touch=touch) if token else None

    async def show(self, request: Request) -> Response:
        """GET /login: the form, or the way on for somebody who is logged in."""
        following = local_path(request.query_params.get("next", ""))
        if self.session(request) is not None:
            return RedirectResponse(following, 303)
        return self._form(following)

    async def log_in(self, request: Request) -> Response:
        """POST /login with username, password, csrf and next."""
        form = await read_form(request)
        if form is None:
            return _not_a_form()
        following = local_path(form.get("next", ""))
        user = form.get("username", "")
        if not self._sessions.accepts_form(form.get("csrf", "")):
            return self._form(following, user, EXPIRED, 403)
        source = request.client.host if request.client else ""
        login = await self._users.verify(user, form.get("password", ""), source, self._surface)
        match login.outcome:
            case Outcome.RIGHT:
                if old := self._token(request):
                    self._sessions.end(old)
                token, _ = self._sessions.begin(login.user, source)
                reason = f"login at {self._surface} from {source}"
                self._record(Event("general", "audit", Severity.INFO, None, reason, author=login.user))
                away = RedirectResponse(following, 303)
                self._set_cookie(away, token)
                return away
            case Outcome.WRONG:
                return self._form(following, user, WRONG, 401)
            case Outcome.WAIT:
                seconds = max(1, round(login.wait_seconds))
                response = self._form(
                    following,
                    user,
                    f"Too many failed logins from your address. Try again in {seconds} s.",
                    429,
                )
                response.headers["Retry-After"] = str(seconds)
                return response

    async def log_out(self, request: Request) -> Response:
        """POST /logout with csrf."""
        form = await read_form(request)
        if form is None:
            return _not_a_form()
        session = self.session(request)
        if session is not None:
            if not same_token(session.csrf, form.get("csrf", "")):
                return PlainTextResponse(
                    "The form is not from this session; go back and reload the page.\n", 403
                )
            self._sessions.end(self._token(request))
            reason = f"logout at {self._surface}"
            self._record(Event("general", "audit", Severity.INFO, None, reason, author=session.user))
        response = RedirectResponse("/login", 303)
        self._set_cookie(response, "")
        return response

    def gate(self, app: ASGIApp, untouched: frozenset[str] = frozenset()) -> ASGIApp:
        """`app` behind the login; requests for `untouched` paths do not keep a session alive."""

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and not _is_open(scope["path"]):
                request = Request(scope)
                session = self.session(request, touch=scope["path"] not in untouched)
                if session is None and scope["path"] != "/logout":
                    # As it was sent: a decoded path leads elsewhere where a name holds a space or a question mark.
                    path = bytes(scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
                    wanted = path + (f"?{request.url.query}" if request.url.query else "")
                    away = RedirectResponse(f"/login?next={quote(wanted, safe='/')}", 303)
                    await away(scope, receive, send)
                    return
                scope.setdefault("state", {})["session"] = session
            await app(scope, receive, send)

        return gated

    def _form(self, following: str, user: str = "", complaint: str = "", status: int = 200) -> Response:
        values = {
            "title": self._title,
            "next": following,
            "username": user[:255],
            "complaint": complaint,
            "csrf": self._sessions.form_token(),
        }
        return self._pages.render("login.html", values, status)

    def _token(self, request: Request) -> str:
        return request.cookies.get(self.cookie, "")

    def _set_cookie(self, response: Response, token: str) -> None:
        response.set_cookie(
            self.cookie,
            token,
            max_age=None if token else 0,
            path="/",
            secure=True,
            httponly=True,
            samesite="lax",
        )


def local_path(path: str) -> str:
    """`path` where it leads to a page of ours, else "/": a login must not send anybody to another site."""
    if (
        not path.startswith("/")
        or path.startswith(("//", "/\\"))
        or any(ord(c) < 0x21 or c == "\\" for c in path)
    ):
        return "/"
    parts = urlsplit(path)
    if parts.scheme or parts.netloc or parts.path in ("/login", "/logout"):
        return "/"
    return quote(path, safe="/?&=%:@!$'()*+,;~-._")


async def read_form(
    request: Request, *, limit: int = FORM_LIMIT, most_fields: int = 50
) -> dict[str, str] | None:
    """The fields of a posted form; None when the body is none, or too large. Fields are in UTF-8."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        return None
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                return None
        fields = parse_qsl(
            body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=most_fields
        )
    except (ClientDisconnect, ValueError):
        return None
    return dict(fields)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _not_a_form() -> Response:
    return PlainTextResponse("This is not the form that the page sends; open the page and use it.\n", 400)
