"""Asking somebody who is logged in for their password once more, before what gives a lasting way in or takes one away.

Invariant: a session that was left open is not enough for such an act; wrong answers count as failed logins do.
"""

from __future__ import annotations

from pointsman.identity.user import PAGE, Outcome, Users
from pointsman.web.ui.visit import Refused, Visit

FIELD = "own_password"
"""The field of the form; the macro `confirmation` of people.html writes it."""


class Unconfirmed(Refused):
    """Somebody did not show to be who began the session; nothing was changed."""


async def confirm(users: Users, visit: Visit) -> None:
    """Checks the password in a form. Raises `Unconfirmed`."""
    await confirm_with(users, visit, visit.form.text(FIELD))


async def confirm_with(users: Users, visit: Visit, password: str) -> None:
    """Checks a password of the visitor's. Raises `Unconfirmed`."""
    if not password:
        raise Unconfirmed("Give your own password to confirm it is you. Nothing was changed.", 403)
    login = await users.verify(visit.user, password, visit.author.address, PAGE)
    match login.outcome:
        case Outcome.RIGHT:
            return
        case Outcome.WRONG if login.wait_seconds:
            minutes = max(1, round(login.wait_seconds / 60))
            text = f"You are suspended for {minutes} min after too many failed logins. Nothing was changed."
            raise Unconfirmed(text, 429)
        case Outcome.WRONG:
            raise Unconfirmed("Your own password is wrong. Nothing was changed.", 403)
        case Outcome.WAIT:
            seconds = max(1, round(login.wait_seconds))
            text = f"Too many wrong passwords. Try again in {seconds} s. Nothing was changed."
            raise Unconfirmed(text, 429)
