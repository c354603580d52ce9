"""The pages System > Users: who there is, one user with everything that can be done with one, who is logged in.

Invariant: whoever acts on a user gives their own password with it, and gives nobody what they do not have themselves;
passwords come in a form's body and go into no page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import Route

from pointsman.console.language.choice import say
from pointsman.control.accounts import Accounts
from pointsman.control.error import ControlError
from pointsman.identity.session import Session
from pointsman.identity.user import ADMIN
from pointsman.schema.user_group import USER_GROUP
from pointsman.web.ui.address import listed, segment
from pointsman.web.ui.desk import Desk, back_to, sentence
from pointsman.web.ui.people.confirmation import confirm
from pointsman.web.ui.visit import Refused, Visit

USERS = "/system/users"
GROUPS = "/system/groups"
SESSIONS = "/system/sessions"
READ = "Access_Management!LocalUsers"
WRITE = "Access_Management!LocalUsers!EditOtherUsers"
PAGE_SIZE = 200


@dataclass(frozen=True)
class UserRow:
    """A user in the list."""

    name: str
    address: str
    groups: tuple[str, ...]
    mark: str
    word: str
    second: bool
    sessions: int
    changed: float
    suspended: float


class UserPages:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, accounts: Accounts) -> None:
        self._desk = desk
        self._users = desk.users
        self._accounts = accounts

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        desk, one = self._desk, f"{USERS}/{{name:object}}"
        acts = {
            "groups": self.set_groups,
            "suspend": self.suspend,
            "resume": self.resume,
            "password": self.set_password,
            "factor": self.remove_factor,
            "sessions": self.end_sessions,
            "delete": self.delete,
        }
        return [
            desk.get(USERS, self.list, READ),
            desk.get(f"{USERS}/-/new", self.new, WRITE, write=True),
            desk.post(f"{USERS}/-/new", self.create, WRITE),
            desk.get(one, self.show, READ),
            *(desk.post(f"{one}/{word}", act, WRITE) for word, act in acts.items()),
            desk.get(SESSIONS, self.sessions, READ),
            desk.post(f"{SESSIONS}/end", self.end_session, WRITE),
        ]

    async def list(self, visit: Visit) -> Response:
        """GET /system/users: everybody; `q` filters by name and group, `page` turns over."""
        words = visit.query("q").strip().casefold()
        accounts = self._users.accounts
        found = [
            name
            for name in sorted(accounts, key=str.casefold)
            if words in name.casefold() or any(words in g.casefold() for g in self._desk.access.groups(name))
        ]
        page = visit.number("page", 1, 1, max(1, -(-len(found) // PAGE_SIZE)))
        return await self._desk.page(
            visit,
            "users.html",
            rows=[self._row(name) for name in found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]],
            words=visit.query("q"),
            count=len(found),
            page=page,
            more=page * PAGE_SIZE < len(found),
            turned=lambda number: USERS + listed({"q": visit.query("q"), "page": number}),
            may_write=visit.may(WRITE, write=True),
        )

    async def show(self, visit: Visit) -> Response:
        """GET /system/users/<name>: one user."""
        return await self._one(visit)

    async def new(self, visit: Visit) -> Response:
        """GET /system/users/-/new: the form."""
        return await self._new(visit)

    async def create(self, visit: Visit) -> Response:
        """POST /system/users/-/new with name, password, again, group (repeated) and own_password."""
        form = visit.form
        name, groups = form.text("name").strip(), form.all("group")
        try:
            self._same_twice(visit)
            self._see_that_groups_are_covered(visit, groups)
            await confirm(self._users, visit)
            await self._accounts.create(visit.author, name, form.text("password"), groups)
        except Refused as error:
            return await self._new(visit, str(error), error.status)
        except ControlError as error:
            return await self._new(visit, sentence(str(error)), 400)
        visit.tell(f"User {name} was made.")
        return back_to(self._place(name))

    async def set_groups(self, visit: Visit) -> Response:
        """POST …/groups with group (repeated) and own_password."""
        name, groups = self._named(visit), visit.form.all("group")
        self._see_that_groups_are_covered(visit, groups)
        await confirm(self._users, visit)
        await self._accounts.set_groups(visit.author, name, groups)
        visit.tell(f"The groups of {name} were changed; sessions of {name} have ended.")
        return back_to(self._place(name))

    async def suspend(self, visit: Visit) -> Response:
        """POST …/suspend with own_password."""
        name = self._named(visit)
        await confirm(self._users, visit)
        await self._accounts.suspend(visit.author, name, suspended=True)
        visit.tell(f"User {name} was suspended, and may not log in until you permit it again.")
        return back_to(self._place(name))

    async def resume(self, visit: Visit) -> Response:
        """POST …/resume with own_password."""
        name = self._named(visit)
        await confirm(self._users, visit)
        await self._accounts.suspend(visit.author, name, suspended=False)
        visit.tell(f"User {name} may log in again.")
        return back_to(self._place(name))

    async def set_password(self, visit: Visit) -> Response:
        """POST …/password with password, again and own_password."""
        name = self._named(visit)
        if name == visit.user:
            raise Refused("Change your own password on the page Account.")
        self._same_twice(visit)
        await confirm(self._users, visit)
        await self._accounts.set_password(visit.author, name, visit.form.text("password"))
        visit.tell(f"{name} has the new password, and must log in with it everywhere.")
        return back_to(self._place(name))

    async def remove_factor(self, visit: Visit) -> Response:
        """POST …/factor with own_password: for who lost the device and the recovery codes."""
        name = self._named(visit)
        await confirm(self._users, visit)
        await self._accounts.remove_factor(
            visit.author, name, keep=visit.session if name == visit.user else None
        )
        visit.tell(f"{name} logs in with the password alone now.")
        return back_to(self._place(name))

    async def end_sessions(self, visit: Visit) -> Response:
        """POST …/sessions: ends them, but the one that asks."""
        name = self._named(visit)
        count = self._accounts.end_sessions(visit.author, name, visit.session)
        visit.tell(f"{count} session{'' if count == 1 else 's'} of {name} ended.")
        return back_to(self._place(name))

    async def delete(self, visit: Visit) -> Response:
        """POST …/delete with typed and own_password."""
        name = self._named(visit)
        if visit.form.text("typed").strip() != name:
            raise Refused("To delete a user, type the name as it is shown.")
        await confirm(self._users, visit)
        await self._accounts.remove(visit.author, name)
        visit.tell(f"User {name} was deleted.")
        return back_to(USERS)

    async def sessions(self, visit: Visit) -> Response:
        """GET /system/sessions: who is logged in here."""
        return await self._desk.page(
            visit,
            "sessions.html",
            sessions=[self._shown(session) for session in self._users.sessions.all()],
            place=self._place,
            own=visit.session.id,
            may_write=visit.may(WRITE, write=True),
        )

    async def end_session(self, visit: Visit) -> Response:
        """POST /system/sessions/end with id: ends one of them."""
        number = visit.form.text("id")
        held = next((one for one in self._users.sessions.all() if one.id == number), None)
        if held is not None:
            self._see_that_user_is_covered(visit, held.user)
        ended = self._accounts.end_session(visit.author, number)
        visit.tell(f"The session of {ended.user} from {ended.source} ended.")
        return back_to(SESSIONS)

    def _row(self, name: str) -> UserRow:
        account = self._users.accounts[name]
        left = self._users.guessing.suspension(name)
        mark, word = ("off", "Suspended") if account.suspended else ("ok", "May log in")
        if left and not account.suspended:
            mark, word = "warn", f"Suspended for {max(1, round(left / 60))} min after failed logins"
        return UserRow(
            name,
            self._place(name),
            self._desk.access.groups(name),
            mark,
            word,
            bool(account.factor.secret),
            sum(session.user == name for session in self._users.sessions.all()),
            float(account.changed),
            left,
        )

    def _shown(self, session: Session) -> tuple[Session, float]:
        return session, self._users.sessions.idle(session)

    async def _one(self, visit: Visit) -> Response:
        name = visit.name()
        account = self._users.accounts.get(name)
        if account is None:
            raise Refused(f"There is no user called {name}.", 404)
        access = self._desk.access
        return await self._desk.page(
            visit,
            "user.html",
            heading=name,
            row=self._row(name),
            account=account,
            groups=self._choices(access.groups(name)),
            places=[(group, f"{GROUPS}/{segment(group)}") for group in access.groups(name)],
            expires=access.password_expires(name),
            sessions=[self._shown(session) for session in self._users.sessions.all() if session.user == name],
            fixed=name == ADMIN,
            own=name == visit.user,
            rules=self._accounts.rules,
            lacking=access.lacks(visit.user, access.permitted(name)),
            may_write=visit.may(WRITE, write=True),
        )

    async def _new(self, visit: Visit, complaint: str = "", status: int = 200) -> Response:
        return await self._desk.page(
            visit,
            "user_new.html",
            heading=say("New User"),
            status=status,
            complaint=complaint,
            name=visit.form.text("name"),
            groups=self._choices(visit.form.all("group")),
            rules=self._accounts.rules,
        )

    def _choices(self, chosen: Sequence[str]) -> Sequence[tuple[str, bool, str]]:
        """Every group, whether it is chosen, and what it is for."""
        held = set(chosen)
        objects = self._desk.control.snapshot.objects
        named = {identity.name: one for identity, one in objects.items() if identity.type == USER_GROUP.path}
        return [
            (name, name in held, getattr(getattr(named.get(name), "basic", None), "description", ""))
            for name in sorted({*named, *held}, key=str.casefold)
        ]

    def _named(self, visit: Visit) -> str:
        """The user that a form is about, whom the visitor may act on."""
        name = visit.name()
        if name not in self._users.accounts:
            raise Refused(f"There is no user called {name}.", 404)
        self._see_that_user_is_covered(visit, name)
        return name

    def _see_that_user_is_covered(self, visit: Visit, name: str) -> None:
        access = self._desk.access
        if lacking := access.lacks(visit.user, access.permitted(name)):
            raise Refused(f"{name} may do more than you ({lacking}), so only others may act on {name}.", 403)

    def _see_that_groups_are_covered(self, visit: Visit, groups: Sequence[str]) -> None:
        access = self._desk.access
        for group in groups:
            if lacking := access.lacks(visit.user, (access.permits(group),)):
                raise Refused(
                    f"The group {group} permits more than you may ({lacking}); choose another.", 403
                )

    @staticmethod
    def _same_twice(visit: Visit) -> None:
        if visit.form.text("password") != visit.form.text("again"):
            raise Refused("The two passwords differ. Type the same one twice.")

    @staticmethod
    def _place(name: str) -> str:
        return f"{USERS}/{segment(name)}"
