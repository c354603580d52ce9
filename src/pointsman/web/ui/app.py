"""The Admin UI on 9090: puts the pages of every part together behind the login.

Invariant: every page but the login, the health check and static files is reached through the gate of the login and
through `Desk`, which knows who may see and change what. An instance whose licence is not chosen yet asks for that
before it shows its home page.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from pointsman.console.defence import Defence
from pointsman.console.language.choice import Spoken
from pointsman.console.language.shelf import Shelf
from pointsman.console.login import CODE_PATH, Login
from pointsman.console.old_browser import OldBrowser
from pointsman.console.template import Pages
from pointsman.control.access import Access
from pointsman.control.accounts import Accounts
from pointsman.control.control import Control
from pointsman.identity.user import Users
from pointsman.web.ui.activity.graphs import STREAM
from pointsman.web.ui.activity.pages import activity_routes
from pointsman.web.ui.address import by_segments
from pointsman.web.ui.appearance import Appearance
from pointsman.web.ui.backups import BackupPages
from pointsman.web.ui.banners import BannerTexts
from pointsman.web.ui.catalogs.routes import Catalogs
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.judgement import Judge
from pointsman.web.ui.changes.review import Review
from pointsman.web.ui.changes.undo import UndoPages
from pointsman.web.ui.clusters import TrafficManagers
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.diagnose.audit import AuditPages
from pointsman.web.ui.diagnose.explain import ExplainPages
from pointsman.web.ui.diagnose.pages import DiagnosePages
from pointsman.web.ui.diagnose.support import SupportPages
from pointsman.web.ui.events.log import TAIL, EventPages
from pointsman.web.ui.home import Home
from pointsman.web.ui.licences import Licences
from pointsman.web.ui.naming import Naming
from pointsman.web.ui.objects.extra import NOTHING, Extra, joined
from pointsman.web.ui.objects.kinds import KINDS, SETTINGS
from pointsman.web.ui.objects.names import Names
from pointsman.web.ui.objects.pages import TypePages
from pointsman.web.ui.people.account import ACCOUNT, AccountPage
from pointsman.web.ui.people.groups import GroupPages
from pointsman.web.ui.people.users import UserPages
from pointsman.web.ui.saving import SavedFilters
from pointsman.web.ui.search import Search
from pointsman.web.ui.services.wiring import Services
from pointsman.web.ui.summary.pages import SummaryPages
from pointsman.web.ui.system.upgrade import UpgradePages
from pointsman.web.ui.wizards.pages import WizardPages

COOKIE_DIGITS = 12
STREAMS = frozenset({TAIL, STREAM})
"""What pages follow: as little as their refreshing parts, which say so in a header, does it keep a session alive."""


def make_app(
    control: Control,
    users: Users,
    *,
    health: Callable[[], str],
    rest_port: Callable[[], int],
    languages: Path | None = None,
) -> ASGIApp:
    """The application for 9090, to be served over TLS only.

    `health` gives "ok", or the one word that /healthz answers with 503; `rest_port` the port of the REST API;
    `languages` is the directory of the catalogs of other languages than English.
    """
    banners = BannerTexts(control)
    shelf = Shelf(languages)
    pages = Pages([Path(__file__).parent / "templates"], banners.of_page, shelf.languages)
    access = Access(users, lambda: control.snapshot)
    users.sessions.idle_of = access.idle_seconds
    login = Login(
        users,
        pages,
        instance="".join(c for c in control.identity.uuid if c.isalnum())[:COOKIE_DIGITS],
        title=control.identity.name,
        surface="UI",
        record=control.record,
        confine=lambda user: ACCOUNT if _must_act(access, user) else "",
        banners=banners.of_login,
    )
    desk = Desk(control, users, access, pages, rest_port)

    async def healthz(request: Request) -> Response:
        word = health()
        return PlainTextResponse(f"{word}\n", 200 if word == "ok" else 503)

    routes = [
        Route("/login", login.show),
        Route("/login", login.log_in, methods=["POST"]),
        Route(CODE_PATH, login.show_code),
        Route(CODE_PATH, login.give_code, methods=["POST"]),
        Route("/logout", login.log_out, methods=["POST"]),
        Route("/healthz", healthz),
        Route("/static/{digest}/{name}", pages.static),
        *routes_of(desk),
    ]
    application = Starlette(routes=routes, exception_handlers=_strange(control, pages))
    gated = login.gate(by_segments(application), STREAMS)
    return Defence(Spoken(OldBrowser(gated, pages, control.identity.name), shelf.languages))


def _must_act(access: Access, user: str) -> bool:
    """Whether somebody must have another password, or set up a second factor, before anything else."""
    return access.password_expired(user, time.time()) or access.must_enrol(user)


def routes_of(desk: Desk) -> list[BaseRoute]:
    """The routes behind the login, those with fixed paths before those that take any name."""
    control = desk.control
    changing = Changing(desk)
    names = Names(control)
    accounts = Accounts(control, desk.users)
    judge = Judge(control)
    services = Services(desk, changing)
    catalogs = Catalogs(desk, changing, names)
    extras: dict[str, Extra] = dict(services.extras)
    for kind, extra in catalogs.extras.items():
        extras[kind] = joined(extras.get(kind, NOTHING), extra)
    cluster = () if control.clustering is None else TrafficManagers(desk, control.clustering).routes
    return [
        *Home(desk).routes,
        *DiagnosePages(desk).routes,
        *ExplainPages(desk).routes,
        *SupportPages(desk).routes,
        *EventPages(desk).routes,
        *AuditPages(desk).routes,
        *Appearance(desk).routes,
        *Search(desk, names).routes,
        *SavedFilters(desk, accounts).routes,
        *UndoPages(desk, changing, judge).routes,
        *Review(desk, changing, judge).routes,
        *WizardPages(desk, changing, names, judge).routes,
        *Licences(desk).routes,
        *BackupPages(desk).routes,
        *Naming(desk).routes,
        *SummaryPages(desk, changing, names).routes,
        *UpgradePages(desk).routes,
        *activity_routes(desk),
        *cluster,
        *UserPages(desk, accounts).routes,
        *GroupPages(desk, accounts, changing).routes,
        *AccountPage(desk, accounts).routes,
        *catalogs.routes,
        *services.routes,
        *(
            route
            for pages in (*SETTINGS, *KINDS)
            for route in TypePages(desk, changing, names, pages, extras.get(pages.type, NOTHING)).routes
        ),
    ]


def _strange(control: Control, pages: Pages) -> dict[int, Callable[[Request, Exception], Response]]:
    """What is answered where there is no page, or where one failed."""

    def missing(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        text = "There is no such page." if status == 404 else "The page does not take this kind of request."
        return pages.render("message.html", {"title": control.identity.name, "text": text}, status)

    def failed(request: Request, error: Exception) -> Response:
        # What it was is in the log, not on the page.
        text = "Something went wrong here. The log of the traffic manager says what."
        return pages.render("message.html", {"title": control.identity.name, "text": text}, 500)

    return {404: missing, 405: missing, 500: failed}
