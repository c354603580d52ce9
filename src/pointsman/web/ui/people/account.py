"""The page Account: one's own password, second factor, sessions, and what one may do.

Invariant: a password is changed only with the present one, a second factor removed only with the password; the secret
of a second factor is shown until a code has confirmed it, recovery codes once.
"""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.console.login import Login
from pointsman.control.accounts import Accounts
from pointsman.control.error import ControlError
from pointsman.identity.totp import address_of, new_secret
from pointsman.web.ui.desk import Desk, back_to, sentence
from pointsman.web.ui.people.confirmation import confirm
from pointsman.web.ui.visit import Refused, Visit

ACCOUNT = "/account"


class AccountPage:
    """Handlers of the page."""

    def __init__(self, desk: Desk, accounts: Accounts) -> None:
        self._desk = desk
        self._users = desk.users
        self._accounts = accounts

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk = self._desk
        return [
            desk.get(ACCOUNT, self.show),
            desk.post(f"{ACCOUNT}/password", self.set_password),
            desk.post(f"{ACCOUNT}/factor/begin", self.begin_factor),
            desk.post(f"{ACCOUNT}/factor/confirm", self.confirm_factor),
            desk.post(f"{ACCOUNT}/factor/cancel", self.cancel_factor),
            desk.post(f"{ACCOUNT}/factor/remove", self.remove_factor),
            desk.post(f"{ACCOUNT}/sessions", self.end_others),
        ]

    async def show(self, visit: Visit) -> Response:
        """GET /account."""
        return await self._page(visit)

    async def set_password(self, visit: Visit) -> Response:
        """POST /account/password with own_password (the present one), password and again."""
        form = visit.form
        try:
            if form.text("password") != form.text("again"):
                raise Refused("The two new passwords differ. Type the same one twice.")
            await confirm(self._users, visit)
            if form.text("password") == form.text("own_password"):
                raise Refused("The new password is the present one. Choose another.")
            await self._accounts.set_password(
                visit.author, visit.user, form.text("password"), keep=visit.session
            )
        except Refused as error:
            return await self._page(visit, error.status, complaint=str(error))
        except ControlError as error:
            return await self._page(visit, 400, complaint=sentence(str(error)))
        visit.session.weak = False
        visit.tell("Your password was changed. Your other sessions have ended.")
        return self._renewed(visit, back_to(ACCOUNT))

    async def begin_factor(self, visit: Visit) -> Response:
        """POST /account/factor/begin with own_password: makes a secret, and shows it."""
        try:
            await confirm(self._users, visit)
        except Refused as error:
            return await self._page(visit, error.status, factor_complaint=str(error))
        visit.session.secret = new_secret()
        return back_to(f"{ACCOUNT}#factor")

    async def confirm_factor(self, visit: Visit) -> Response:
        """POST /account/factor/confirm with code and api: the app has the secret; shows the recovery codes."""
        try:
            enrolled = await self._accounts.enrol(
                visit.author,
                visit.session.secret,
                visit.form.text("code"),
                api_without_code=visit.form.text("api") == "yes",
                keep=visit.session,
            )
        except ControlError as error:
            return await self._page(visit, 400, factor_complaint=sentence(str(error)))
        visit.session.secret = ""
        return self._renewed(visit, await self._page(visit, recovery=enrolled.recovery))

    async def cancel_factor(self, visit: Visit) -> Response:
        """POST /account/factor/cancel: gives the set-up up."""
        visit.session.secret = ""
        return back_to(f"{ACCOUNT}#factor")

    async def remove_factor(self, visit: Visit) -> Response:
        """POST /account/factor/remove with own_password."""
        try:
            await confirm(self._users, visit)
        except Refused as error:
            return await self._page(visit, error.status, factor_complaint=str(error))
        await self._accounts.remove_factor(visit.author, visit.user, keep=visit.session)
        visit.tell("Your second factor was removed: your password alone lets you in.")
        return self._renewed(visit, back_to(ACCOUNT))

    async def end_others(self, visit: Visit) -> Response:
        """POST /account/sessions: ends the others of the user's sessions."""
        count = self._accounts.end_sessions(visit.author, visit.user, visit.session)
        visit.tell(f"{count} other session{'' if count == 1 else 's'} ended.")
        return back_to(ACCOUNT)

    def _renewed(self, visit: Visit, response: Response) -> Response:
        login: Login = visit.request.state.login
        login.renew(visit.session, response)
        return response

    async def _page(
        self,
        visit: Visit,
        status: int = 200,
        *,
        complaint: str = "",
        factor_complaint: str = "",
        recovery: tuple[str, ...] = (),
    ) -> Response:
        access, user, secret = self._desk.access, visit.user, visit.session.secret
        account = self._users.accounts[user]
        values: dict[str, Any] = {"address": "", "picture": None, "secret": ""}
        if secret:
            address = address_of(secret, user, self._desk.control.identity.name)
            values = {"address": address, "picture": _picture(address), "secret": _grouped(secret)}
        return await self._desk.page(
            visit,
            "account.html",
            heading=say("Account"),
            status=status,
            account=account,
            groups=access.groups(user),
            expires=access.password_expires(user),
            expired=access.password_expired(user, time.time()),
            must_enrol=access.must_enrol(user),
            required=access.requires_factor(user),
            rules=self._accounts.rules,
            complaint=complaint,
            factor_complaint=factor_complaint,
            recovery=recovery,
            weak=visit.session.weak,
            own=visit.session.id,
            sessions=[
                (session, self._users.sessions.idle(session))
                for session in self._users.sessions.all()
                if session.user == user
            ],
            **values,
        )


def _grouped(secret: str) -> str:
    """A secret in groups of four, to be typed."""
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def _picture(address: str) -> dict[str, Any]:
    """A QR code as the path of an SVG: its side in modules, margins included, and what to draw."""
    import segno  # only here is one ever needed

    code = segno.make(address, error="m", micro=False)
    margin = 4
    runs = []
    for y, row in enumerate(code.matrix):
        at = 0
        while at < len(row):
            length = 0
            while at + length < len(row) and row[at + length]:
                length += 1
            if length:
                runs.append(f"M{at + margin} {y + margin}h{length}v1h-{length}z")
            at += length + 1
    return {"side": len(code.matrix) + 2 * margin, "path": "".join(runs)}
