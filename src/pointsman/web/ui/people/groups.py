"""The pages System > Groups: what there is, and one group with what it permits.

Invariant: nobody gives a group what they do not have themselves; the administrators' group is shown and not changed.
New groups, copies and deletion are those of every other object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from pointsman.control.accounts import Accounts
from pointsman.schema.permission import ADMIN_GROUP
from pointsman.schema.problem import ObjectId
from pointsman.schema.user_group import USER_GROUP, UserGroup
from pointsman.store import Put
from pointsman.web.ui.address import segment
from pointsman.web.ui.changes.changing import Changing
from pointsman.web.ui.changes.pending import Pending
from pointsman.web.ui.desk import Desk
from pointsman.web.ui.people.confirmation import confirm
from pointsman.web.ui.people.permission_tree import areas, read_permissions
from pointsman.web.ui.people.users import GROUPS, USERS
from pointsman.web.ui.visit import Refused, Visit

READ = "Access_Management!Groups"
WRITE = "Access_Management!Groups!Edit"
_LIMITS = {"timeout": 999_999, "password_expire_time": 65_535}
_REQUIRED = {
    "nothing": "Nobody has to; each user chooses",
    "pages": "Required for these pages; programs may do without where the user lets them",
    "everything": "Required everywhere: REST refuses who would log in with the password alone",
}


@dataclass(frozen=True)
class GroupRow:
    """A group in the list."""

    name: str
    address: str
    description: str
    users: int
    timeout: int
    expires: int
    access: str
    second: str


class GroupPages:
    """Handlers of the pages."""

    def __init__(self, desk: Desk, accounts: Accounts, changing: Changing) -> None:
        self._desk = desk
        self._accounts = accounts
        self._changing = changing

    @property
    def routes(self) -> list[Route]:
        """Where they are; before those of every other object."""
        desk, one = self._desk, f"{GROUPS}/{{name:object}}"
        return [
            desk.get(GROUPS, self.list, READ),
            desk.get(one, self.show, READ),
            desk.post(one, self.save, WRITE),
            desk.post(f"{one}/permissions", self.set_permissions, WRITE),
        ]

    async def list(self, visit: Visit) -> Response:
        """GET /system/groups: every group."""
        found = self._desk.control.snapshot.all(USER_GROUP.path, UserGroup)
        return await self._desk.page(
            visit,
            "groups.html",
            rows=[
                GroupRow(
                    name,
                    self._place(name),
                    group.basic.description,
                    len(self._accounts.in_group(name)),
                    group.basic.timeout,
                    group.basic.password_expire_time,
                    _told(group),
                    group.second_factor.required_for,
                )
                for name, group in found
            ],
            may_write=visit.may(WRITE, write=True),
        )

    async def show(self, visit: Visit) -> Response:
        """GET /system/groups/<name>: one group."""
        name, group = self._found(visit)
        users = self._accounts.in_group(name)
        return await self._desk.page(
            visit,
            "group.html",
            heading=name,
            name=name,
            address=self._place(name),
            group=group.basic,
            required=group.second_factor.required_for,
            choices=_REQUIRED,
            areas=areas(_permitted(group)),
            users=[(user, f"{USERS}/{segment(user)}") for user in users[:200]],
            count=len(users),
            fixed=name == ADMIN_GROUP,
            base=self._desk.control.revision,
            limits=_LIMITS,
            may_write=visit.may(WRITE, write=True),
        )

    async def save(self, visit: Visit) -> Response:
        """POST /system/groups/<name> with description, timeout, password_expire_time, required_for, own_password and
        base.
        """
        name, _ = self._found(visit)
        settings: dict[str, Any] = {"description": visit.form.text("description").strip()}
        for key, most in _LIMITS.items():
            text = visit.form.text(key).strip()
            if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text) <= most):
                raise Refused(f"Give a whole number from 0 to {most} for {key.replace('_', ' ')}.")
            settings[key] = int(text)
        required = visit.form.text("required_for")
        if required not in _REQUIRED:
            raise Refused(f"Choose for what a second factor is required: {', '.join(_REQUIRED)}.")
        return await self._carry_out(visit, name, settings, {"required_for": required})

    async def set_permissions(self, visit: Visit) -> Response:
        """POST …/permissions with p.<name> ("none", "ro", "full" or "inherit"), own_password and base."""
        name, group = self._found(visit)
        permitted = read_permissions(visit.form, _permitted(group))
        if lacking := self._desk.access.lacks(visit.user, (permitted,)):
            raise Refused(
                f"You may not give what you do not have yourself: {lacking}. Nothing was changed.", 403
            )
        rows = [{"access_level": level, "name": permission} for permission, level in permitted.items()]
        return await self._carry_out(visit, name, {"permissions": rows})

    async def _carry_out(
        self, visit: Visit, name: str, basic: dict[str, Any], second_factor: dict[str, Any] | None = None
    ) -> Response:
        await confirm(self._desk.users, visit)
        identity = ObjectId(USER_GROUP.path, name)
        settings = {**(self._desk.control.settings(identity) or {})}
        settings["basic"] = {**settings.get("basic", {}), **basic}
        if second_factor is not None:
            settings["second_factor"] = second_factor
        base = visit.form.text("base")
        pending = Pending(
            owner=visit.session.csrf,
            changes=(Put(identity, settings),),
            base=int(base) if base.isascii() and base.isdecimal() and len(base) < 16 else None,
            title=f"Change the group {name}",
            done=f"Group {name} was changed.",
            back=self._place(name),
            onward=self._place(name),
        )
        if visit.form.text("act") == "review":
            return self._changing.prepare(visit, pending)
        return await self._changing.carry_out(visit, pending)

    def _found(self, visit: Visit) -> tuple[str, UserGroup]:
        name = visit.name()
        group = self._desk.control.snapshot.get(USER_GROUP.path, name, UserGroup)
        if group is None:
            raise Refused(f"There is no group called {name}.", 404)
        return name, group

    @staticmethod
    def _place(name: str) -> str:
        return f"{GROUPS}/{segment(name)}"


def _permitted(group: UserGroup) -> dict[str, Any]:
    return {row.name: row.access_level for row in group.basic.permissions}


def _told(group: UserGroup) -> str:
    """What a group permits, in a few words."""
    permitted = _permitted(group)
    if permitted == {"all": "full"}:
        return "everything"
    counts = {level: sum(held == level for held in permitted.values()) for level in ("full", "ro")}
    return f"{counts['full']} in full, {counts['ro']} to read"
