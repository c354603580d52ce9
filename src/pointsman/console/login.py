"""Login, its second step, logout, and the gate in front of every other page.

Invariant: a page is reached only with a live session; a login always makes a new session and ends the one it
came with, and for a user with a second factor only once the code was right; wrong user and wrong password get the same
answer; every form carries a token made here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pointsman.console.template import Pages
from pointsman.identity.session import Notice, Session, same_token
from pointsman.identity.user import Outcome, Users
from pointsman.schema.event import Event, Severity

FORM_LIMIT = 16_384
FORM_TYPE = "application/x-www-form-urlencoded"
CODE_PATH = "/login/code"
OPEN_PATHS = ("/login", CODE_PATH, "/healthz")
OPEN_FOLDER = "/static/"
UNASKED = "Pointsman-Unasked"
"""Header of what a page asks for by itself."""
WRONG = "User name or password is wrong."
NOT_ACCEPTED = "Nobody logs in here without accepting the text above: tick the box below the password."
WRONG_CODE = "That code is wrong, or was used already. Wait for the next one."
UNSENT = "The session had ended, so what you sent was not done. Log in and send it again."
EXPIRED = "This form was open for too long. Please try again."
WEAK = Notice(
    "warn",
    "Your password is one of those that are guessed first.",
    ("/account#password", "Choose another one"),
)


@dataclass(frozen=True)
class Banners:
    """Texts of the administrator's: `before` on the login form, which must be accepted where `accept` says so, and
    `after` once, right after a login. All are plain text.
    """

    before: str = ""
    accept: bool = False
    after: str = ""


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
        confine: Callable[[str], str] = lambda user: "",
        banners: Callable[[], Banners] = Banners,
    ) -> None:
        """`confine` gives the one page that a user may see until something is done there; "" for all pages."""
        self.cookie = f"__Host-pointsman-{instance}"
        self._users = users
        self._sessions = users.sessions
        self._pages = pages
        self._title = title
        self._surface = surface
        self._record = record
        self._confine = confine
        self._banners = banners

    def session(self, request: Request, *, touch: bool = True) -> Session | None:
        """The request's live session; `touch` false when nobody did anything (a page refreshing itself)."""
        token = self._token(request)
        return self._sessions.find(token, touch=touch) if token else None

    async def show(self, request: Request) -> Response:
        """GET /login: the form, or the way on for somebody who is logged in."""
        following = local_path(request.query_params.get("next", ""))
        if self.session(request) is not None:
            return RedirectResponse(following, 303)
        return self._form(following, complaint=UNSENT if "unsent" in request.query_params else "")

    async def log_in(self, request: Request) -> Response:
        """POST /login with username, password, csrf and next."""
        form = await read_form(request)
        if form is None:
            return _not_a_form()
        following = local_path(form.get("next", ""))
        user = form.get("username", "")
        if not self._sessions.accepts_form(form.get("csrf", "")):
            return self._form(following, user, EXPIRED, 403)
        banners = self._banners()
        if banners.before and banners.accept and form.get("accept", "") != "yes":
            return self._form(following, user, NOT_ACCEPTED, 400)
        source = request.client.host if request.client else ""
        login = await self._users.verify(user, form.get("password", ""), source, self._surface)
        match login.outcome:
            case Outcome.RIGHT if login.needs_code:
                return self._code_form(
                    following, self._sessions.begin_ticket(login.user, source, weak=login.weak)
                )
            case Outcome.RIGHT:
                return self._begin(request, login.user, following, weak=login.weak)
            case Outcome.WRONG:
                return self._form(following, user, WRONG, 401)
            case Outcome.WAIT:
                return self._wait(login.wait_seconds, lambda text: self._form(following, user, text, 429))

    async def give_code(self, request: Request) -> Response:
        """POST /login/code with ticket, code, csrf and next: the second step."""
        form = await read_form(request)
        if form is None:
            return _not_a_form()
        following, ticket = local_path(form.get("next", "")), form.get("ticket", "")
        source = request.client.host if request.client else ""
        if not self._sessions.accepts_form(form.get("csrf", "")):
            return self._form(following, complaint=EXPIRED, status=403)
        who = self._sessions.ticket(ticket, source)
        if who is None:
            return self._form(following, complaint=EXPIRED, status=401)
        try:
            login = await self._users.verify_code(who.user, form.get("code", ""), source, self._surface)
        except OSError:
            return self._code_form(
                following, ticket, "The code could not be noted. Free space on the disk.", 507
            )
        match login.outcome:
            case Outcome.RIGHT:
                self._sessions.end_ticket(ticket)
                return self._begin(request, who.user, following, weak=who.weak)
            case Outcome.WRONG:
                return self._code_form(following, ticket, WRONG_CODE, 401)
            case Outcome.WAIT:
                return self._wait(
                    login.wait_seconds, lambda text: self._code_form(following, ticket, text, 429)
                )

    async def show_code(self, request: Request) -> Response:
        """GET /login/code: there is nothing to see without a ticket; back to the first step."""
        return RedirectResponse("/login", 303)

    def renew(self, session: Session, response: Response) -> None:
        """Gives a session's browser a new token, the old one dead: after who it is was proved anew."""
        if token := self._sessions.renew(session):
            self._set_cookie(response, token)

    def _begin(self, request: Request, user: str, following: str, *, weak: bool) -> Response:
        source = request.client.host if request.client else ""
        if old := self._token(request):
            self._sessions.end(old)
        agent = request.headers.get("user-agent", "")
        token, session = self._sessions.begin(user, source, agent, weak=weak)
        if after := self._banners().after:
            session.notices.append(Notice("off", after))
        if weak:
            session.notices.append(WEAK)
        reason = f"login at {self._surface} from {source}"
        self._record(Event("general", "audit", Severity.INFO, None, reason, author=user))
        away = RedirectResponse(following, 303)
        self._set_cookie(away, token)
        return away

    def _may_go(self, session: Session, path: str) -> bool:
        """Whether a path is open to a session now: all are, unless something must be done on one page first."""
        only = self._confine(session.user)
        return not only or path in (only, "/logout") or path.startswith(f"{only}/")

    @staticmethod
    def _wait(wait_seconds: float, form: Callable[[str], Response]) -> Response:
        seconds = max(1, round(wait_seconds))
        response = form(f"Too many failed logins. Try again in {seconds} s.")
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
        """`app` behind the login; requests for `untouched` paths, and those that a page makes by itself, do not keep a
        session alive.
        """

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and not _is_open(scope["path"]):
                request = Request(scope)
                unasked = scope["path"] in untouched or UNASKED in request.headers
                session = self.session(request, touch=not unasked)
                if session is None and scope["path"] != "/logout":
                    away = RedirectResponse(_way_through(request), 303)
                    await away(scope, receive, send)
                    return
                if session is not None and not self._may_go(session, scope["path"]):
                    await RedirectResponse(self._confine(session.user), 303)(scope, receive, send)
                    return
                scope.setdefault("state", {}).update(session=session, login=self)
            await app(scope, receive, send)

        return gated

    def _form(self, following: str, user: str = "", complaint: str = "", status: int = 200) -> Response:
        banners = self._banners()
        values = {
            "title": self._title,
            "banner": banners.before,
            "accept": banners.accept,
            "next": following,
            "username": user[:255],
            "complaint": complaint,
            "csrf": self._sessions.form_token(),
        }
        return self._pages.render("login.html", values, status)

    def _code_form(self, following: str, ticket: str, complaint: str = "", status: int = 200) -> Response:
        values = {
            "title": self._title,
            "next": following,
            "ticket": ticket,
            "complaint": complaint,
            "csrf": self._sessions.form_token(),
        }
        return self._pages.render("login_code.html", values, status)

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


def _way_through(request: Request) -> str:
    """The login that leads on to what was asked for; what was sent is lost, so to the page that it was sent from."""
    if request.method in ("GET", "HEAD"):
        # As it was sent: a decoded path leads elsewhere where a name holds a space or a question mark.
        path = bytes(request.scope.get("raw_path") or quote(request.scope["path"]).encode()).decode("latin-1")
        wanted = path + (f"?{request.url.query}" if request.url.query else "")
        return f"/login?next={quote(wanted, safe='/')}"
    sent_from = urlsplit(request.headers.get("referer", ""))
    ours = sent_from.netloc == request.headers.get("host", "")
    wanted = urlunsplit(("", "", sent_from.path, sent_from.query, "")) if ours else "/"
    return f"/login?next={quote(wanted or '/', safe='/')}&unsent"


def local_path(path: str) -> str:
    """`path` where it leads to a page of ours, else "/": a login must not send anybody to another site."""
    if (
        not path.startswith("/")
        or path.startswith(("//", "/\\"))
        or any(ord(c) < 0x21 or c == "\\" for c in path)
    ):
        return "/"
    parts = urlsplit(path)
    if parts.scheme or parts.netloc or parts.path in ("/login", CODE_PATH, "/logout"):
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
