"""What all pages share: the frame around them, the way a request becomes a `Visit`, and refusals as pages.

Invariant: a handler runs only for somebody who may read the page, and a POST only with the session's token and the
right to write; a use case that refuses becomes a page that says why, never a fault.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.console.template import Pages
from pointsman.control.access import Access
from pointsman.control.control import Control
from pointsman.control.diagnosis import Diagnosis
from pointsman.control.error import CannotStore, ControlError
from pointsman.identity.session import Notice, same_token
from pointsman.identity.user import Users
from pointsman.schema.validate import Invalid
from pointsman.web.ui.form_data import FormData, read_form_data
from pointsman.web.ui.look import Look
from pointsman.web.ui.saved import Saved, saved_filters
from pointsman.web.ui.site import TABS, place_of
from pointsman.web.ui.upload import TooLarge
from pointsman.web.ui.visit import THEMES, Refused, Visit

Handler = Callable[[Visit], Awaitable[Response]]
Crumb = tuple[str, str]
EVENT_LOG = "Event_Log"
ALL_WIZARDS = "/wizards"
TROUBLE = "/diagnose/event-log/tail?severity=SERIOUS&severity=FATAL"
STALE = "The form is not from this session. Please send it again."
_NOT_IN_FULL = "You may not change this: it takes the permission {} in full."
_log = logging.getLogger("pointsman.web")


@dataclass(frozen=True)
class Entry:
    """A link of the navigation; `group` is the heading that begins with it."""

    title: str
    path: str
    current: bool
    group: str = ""


@dataclass(frozen=True)
class Frame:
    """What surrounds a page's own content; `heading` is what the page is called on itself, `title` in the window."""

    instance: str
    version: str
    user: str
    csrf: str
    mark: str
    word: str
    theme: str
    next_theme: str
    title: str
    heading: str
    path: str
    here: str
    tab: str
    tabs: Sequence[Entry]
    side: Sequence[Entry]
    crumbs: Sequence[Crumb]
    notices: Sequence[Notice]
    id: str
    """What tells this traffic manager from others that had its address."""
    stream: str
    """Where new trouble is told as it happens; "" for who may not read it."""


class Desk:
    """The shared parts of every page."""

    def __init__(
        self, control: Control, users: Users, access: Access, pages: Pages, rest_port: Callable[[], int]
    ) -> None:
        """`rest_port` gives the port at which the REST API answers in this run."""
        self.control = control
        self.users = users
        self.access = access
        self.pages = pages
        self.rest_port = rest_port
        self.diagnosis = Diagnosis(control)
        self.look = Look(control, self.diagnosis)

    def visit(self, request: Request) -> Visit:
        """The visit of a request whose handler reads its form itself."""
        return Visit(request, self.access, FormData({}))

    def get(self, path: str, handler: Handler, permission: str = "", *, write: bool = False) -> Route:
        """A page for who may read what `permission` names, or with `write` change it; "" for who is logged in."""

        async def handle(request: Request) -> Response:
            visit = self.visit(request)
            try:
                if permission and not visit.may(permission):
                    raise Refused(f"You may not see this page: it takes the permission {permission}.", 403)
                if write and not visit.may(permission, write=True):
                    raise Refused(_NOT_IN_FULL.format(permission), 403)
                return await handler(visit)
            except Refused as error:
                return await self.refused(visit, str(error), error.status)
            except (ControlError, Invalid) as error:
                return await self.refused(visit, sentence(str(error)), _status_of(error))

        return Route(path, handle)

    def post(self, path: str, handler: Handler, permission: str = "") -> Route:
        """What a form does, for who may write what `permission` names; "" for everybody who is logged in."""

        async def handle(request: Request) -> Response:
            visit = self.visit(request)
            try:
                form = await self._form(visit)
                visit = Visit(request, self.access, form, permission)
                if permission and not visit.may(permission, write=True):
                    raise Refused(_NOT_IN_FULL.format(permission), 403)
                return await handler(visit)
            except Refused as error:
                return await self.refused(visit, str(error), error.status)
            except (ControlError, Invalid) as error:
                return await self.refused(visit, sentence(str(error)), _status_of(error))

        return Route(path, handle, methods=["POST"])

    async def _form(self, visit: Visit) -> FormData:
        try:
            form = await read_form_data(visit.request)
        except TooLarge:
            raise Refused("What was sent is larger than this page takes.", 413) from None
        if form is None:
            raise Refused("This is not the form that the page sends. Open the page and use it.")
        if not same_token(visit.session.csrf, form.text("csrf")):
            raise Refused(STALE, 403)
        return form

    async def page(
        self,
        visit: Visit,
        template: str,
        *,
        heading: str = "",
        crumbs: Sequence[Crumb] = (),
        status: int = 200,
        **values: Any,
    ) -> Response:
        """A whole page in its frame. `heading` defaults to the title of the listed page that the address is of, and
        `crumbs` lead from that one to here.
        """
        frame = await self._frame(visit, heading, crumbs)
        known = {
            "frame": frame,
            "title": frame.instance,
            "csrf": frame.csrf,
            "theme": visit.theme,
            "visit": visit,
            "now": visit.now,
            "saved": self._saved(visit),
        }
        answer = self.pages.render(template, {**known, **values}, status)
        answer.background = BackgroundTask(self.look.renew)
        return answer

    def _saved(self, visit: Visit) -> Sequence[Saved]:
        """The filters that the user keeps of this page."""
        account = self.users.accounts.get(visit.user)
        return saved_filters(account.preferences, visit.path, visit.request.url.query) if account else ()

    def part(self, visit: Visit, template: str, **values: Any) -> Response:
        """A piece of a page, for its script; a header tells what the light in the frame shows now."""
        answer = self.pages.render(
            template, {"csrf": visit.session.csrf, "visit": visit, "now": visit.now, **values}
        )
        if (view := self.look.last) is not None:
            answer.headers["Pointsman-Light"] = f"{view.mark} {quote(say(view.word))}"
        answer.background = BackgroundTask(self.look.renew)
        return answer

    async def refused(self, visit: Visit, text: str, status: int) -> Response:
        """A page that says why something was not done, or why there is nothing to see, and leads on to the list."""
        found = place_of(visit.path)
        place = found[1] if found and visit.path != found[1].path else None
        posted = visit.request.method == "POST"
        word = say("Not done")
        if not posted and status == 404:
            word = say("Not found")
        elif not posted and status == 403:
            word = say("Not permitted")
        back = found[1].path if found and posted else place.path if place else "/"
        onward = say("Go back") if posted else say(place.title if place else "Home")
        if visit.path.startswith(f"{ALL_WIZARDS}/"):
            back, onward = ALL_WIZARDS, say("Wizards")
        return await self.page(
            visit, "refused.html", heading=word, status=status, text=text, back=back, onward=onward
        )

    async def _frame(self, visit: Visit, heading: str, crumbs: Sequence[Crumb]) -> Frame:
        identity = self.control.identity
        view = await self.look.light()
        found = place_of(visit.path)
        tab, place = found if found else (None, None)
        title = heading or (say(place.title) if place else identity.name)
        way: list[Crumb] = []
        if tab is not None and place is not None and place.path != "/":
            way = [(say(tab.title), tab.path)]
            if heading and (crumbs or visit.path != place.path) and place.path != tab.path:
                way.append((say(place.title), place.path))
        notices = tuple(visit.session.notices)
        visit.session.notices.clear()
        return Frame(
            instance=identity.name,
            version=identity.version,
            user=visit.user,
            csrf=visit.session.csrf,
            mark=view.mark,
            word=view.word,
            theme=visit.theme,
            next_theme=THEMES[(THEMES.index(visit.theme or "auto") + 1) % len(THEMES)],
            title=title,
            heading=title,
            path=visit.path,
            here=visit.here if visit.request.method == "GET" else (place.path if place else "/"),
            tab=tab.title if tab else "",
            tabs=[Entry(one.title, one.path, tab is one) for one in TABS],
            side=_side(visit, tab.title if tab else "", place.path if place else ""),
            crumbs=(*way, *crumbs),
            notices=notices,
            id=identity.uuid,
            stream=TROUBLE if visit.may(EVENT_LOG) else "",
        )


def _side(visit: Visit, title: str, current: str) -> list[Entry]:
    places = next((tab.places for tab in TABS if tab.title == title), ())
    shown = [place for place in places if visit.may(place.permission)]
    if len(shown) < 2:
        return []
    entries, group = [], ""
    for place in shown:
        entries.append(
            Entry(place.title, place.path, place.path == current, place.group if place.group != group else "")
        )
        group = place.group
    return entries


def back_to(path: str) -> Response:
    """Leads the browser on after a POST."""
    return RedirectResponse(path, 303)


def sentence(text: str) -> str:
    """A message of a use case as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _status_of(error: Exception) -> int:
    match error:
        case Invalid():
            return 400
        case CannotStore():
            return 507
        case _:
            return 409
