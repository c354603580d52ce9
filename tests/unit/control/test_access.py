"""What users may do, and what is done with users."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.running import AUTHOR, Running, running

from pointsman.control.access import Access
from pointsman.control.accounts import Accounts, Refused
from pointsman.control.error import Forbidden, InUse
from pointsman.control.group_guard import guard_groups
from pointsman.control.restoring import Wish
from pointsman.identity.user import Outcome, Users
from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Delete, Put, Rename

WORDS = "four unrelated words"


@dataclass
class Site:
    """Users of an instance, what they may, and what is done with them."""

    running: Running
    users: Users
    access: Access
    accounts: Accounts

    async def group(self, name: str, permissions: dict[str, str], **keys: int) -> None:
        rows = [{"name": one, "access_level": level} for one, level in permissions.items()]
        settings = {"basic": {"permissions": rows, **keys}}
        await self.running.control.put(AUTHOR, ObjectId("user_groups", name), settings, replace=True)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as manager:
        users, _ = await Users.open(tmp_path, on_event=manager.events.append, given="right password")
        control = manager.control
        access = Access(users, lambda: control.snapshot)
        control.backups.open()
        guard_groups(control, users)
        yield Site(manager, users, access, Accounts(control, users))


async def test_a_permission_comes_from_the_nearest_that_is_named(site: Site) -> None:
    await site.group("g", {"all": "ro", "Pools": "full", "Pools!Edit!SSL": "none", "Rules": "none"})
    await site.accounts.create(AUTHOR, "ann", WORDS, ["g"])
    levels = {
        "Pools": "full", "Pools!Edit": "full", "Pools!Edit!SSL": "none", "Pools!Edit!Monitors": "full", "Rules": "none",
        "Rules!Edit": "none", "Monitors!Edit": "ro", "Anything!Else": "ro",
    }  # fmt: skip
    assert {name: site.access.level("ann", name) for name in levels} == levels
    assert site.access.may("ann", "Monitors") and not site.access.may("ann", "Monitors", write=True)
    await site.group("g", {"Pools": "ro"})
    assert (site.access.level("ann", "Pools!Edit"), site.access.level("ann", "Rules")) == ("ro", "none")
    await site.group("h", {"Pools!Edit": "full", "Rules": "ro"})
    await site.accounts.set_groups(AUTHOR, "ann", ["g", "h", "g"])
    assert site.access.level("ann", "Pools!Edit") == "full"
    assert site.access.level("ann", "Pools") == "ro"
    assert site.access.level("ann", "Rules!Edit") == "ro"
    assert site.access.level("nobody", "Pools") == "none"
    assert site.access.level("admin", "Pools") == "full"


async def test_answers_are_quick(site: Site) -> None:
    await site.accounts.create(AUTHOR, "ann", WORDS, ["Guest", "Demo", "Monitoring"])
    site.access.level("ann", "Pools!Edit")
    begin = time.process_time()
    for _ in range(20_000):
        site.access.may("ann", "Pools!Edit", write=True)
    assert time.process_time() - begin < 1.0


async def test_timeouts_and_expiry_are_those_of_the_strictest_group(site: Site) -> None:
    await site.group("a", {}, timeout=10, password_expire_time=90)
    await site.group("b", {}, timeout=0, password_expire_time=30)
    await site.group("c", {}, timeout=0)
    await site.accounts.create(AUTHOR, "ann", WORDS, ["a", "b"])
    await site.accounts.create(AUTHOR, "bob", WORDS, ["c"])
    assert site.access.idle_seconds("ann") == 600
    assert site.access.idle_seconds("bob") == float("inf")
    assert site.access.idle_seconds("admin") == 1800
    set_at = site.users.accounts["ann"].changed
    assert site.access.password_expires("ann") == set_at + 30 * 86_400
    assert not site.access.password_expired("ann", set_at + 29 * 86_400)
    assert site.access.password_expired("ann", set_at + 30 * 86_400)
    assert site.access.password_expires("bob") is None


async def test_nothing_locks_the_administrator_out(site: Site) -> None:
    for act in (
        site.accounts.suspend(AUTHOR, "admin", suspended=True),
        site.accounts.suspend(Author("other", "", "ui"), "admin", suspended=True),
        site.accounts.remove(AUTHOR, "admin"),
        site.accounts.set_groups(AUTHOR, "admin", ["Guest"]),
    ):
        with pytest.raises(Refused):
            await act
    control, group = site.running.control, ObjectId("user_groups", "admin")
    none = {"basic": {"permissions": [{"name": "all", "access_level": "none"}]}}
    for change in (Put(group, none), Delete(group), Rename(group, "other")):
        with pytest.raises(Forbidden):
            await control.edit(AUTHOR, [change])
    with pytest.raises(Forbidden):
        await control.put(AUTHOR, group, none)
    await control.put(AUTHOR, group, {"basic": {"timeout": 5}})
    assert site.access.idle_seconds("admin") == 300
    restored = site.users.accounts["admin"].text
    await site.users.restore({"admin": restored.replace("{", '{"suspended": true, ', 1)})
    assert (await site.users.verify("admin", "right password", "a", "UI")).outcome is Outcome.RIGHT


async def test_a_group_with_users_stays_and_nobody_gives_more_than_they_have(site: Site) -> None:
    control, group = site.running.control, ObjectId("user_groups", "g")
    await site.group("g", {"Pools": "ro", "Access_Management": "full"})
    await site.accounts.create(AUTHOR, "ann", WORDS, ["g"])
    for act in (control.delete(AUTHOR, group), control.edit(AUTHOR, [Rename(group, "h")])):
        with pytest.raises(InUse, match="users/ann"):
            await act
    more = {"basic": {"permissions": [{"name": "Pools", "access_level": "full"}]}}
    with pytest.raises(Forbidden, match="Pools"):
        await control.put(Author("ann", "192.0.2.1", "rest"), group, more)
    await control.put(Author("local:root", "", "local"), group, more)
    await site.accounts.set_groups(AUTHOR, "ann", [])
    await control.delete(AUTHOR, group)


async def test_nobody_changes_a_group_that_permits_more_than_they_have(site: Site) -> None:
    """Neither how long its sessions last, nor whether it requires a second factor: pieces name no permission."""
    control, ann = site.running.control, Author("ann", "192.0.2.1", "rest")
    await site.group("people", {"Access_Management": "full"})
    await site.group("spare", {"Pools": "full"})
    await site.accounts.create(AUTHOR, "ann", WORDS, ["people"])
    less = {"second_factor": {"required_for": "nothing"}, "basic": {"timeout": 0}}
    for name in ("admin", "spare"):
        with pytest.raises(Forbidden, match=f"user_groups/{name} permits more"):
            await control.put(ann, ObjectId("user_groups", name), less)
    with pytest.raises(Forbidden, match="permits more"):
        await control.delete(ann, ObjectId("user_groups", "spare"))
    await control.put(ann, ObjectId("user_groups", "people"), less)
    await control.put(AUTHOR, ObjectId("user_groups", "spare"), less)


async def test_going_back_gives_nobody_what_they_do_not_have(site: Site) -> None:
    """By the history and by a backup, which anybody who may take one in may have written."""
    control, backups = site.running.control, site.running.control.backups
    ann, here = Author("ann", "192.0.2.1", "rest"), Author("local:root", "", "local")
    await site.group("people", {"all": "full"})
    await backups.create(AUTHOR, "more", "")
    revision = control.revision
    await site.group("people", {"Access_Management": "full", "Backup": "full"})
    await backups.create(AUTHOR, "less", "")
    await site.accounts.create(AUTHOR, "ann", WORDS, ["people"])
    for act in (
        control.restore(ann, revision),
        backups.restore(ann, "more", Wish()),
        backups.restore(ann, "more", Wish(only=("user_groups/people",))),
    ):
        with pytest.raises(Forbidden, match="may not give"):
            await act
    with pytest.raises(Forbidden, match="may not restore users"):
        await backups.restore(ann, "less", Wish(users=True))
    assert site.access.level("ann", "Pools") == "none"
    await backups.restore(ann, "less", Wish())
    await control.restore(AUTHOR, revision)
    assert site.access.level("ann", "Pools") == "full"
    await backups.restore(here, "less", Wish())
    await backups.restore(AUTHOR, "more", Wish())


async def test_users_are_named_so_that_nobody_is_taken_for_another(site: Site) -> None:
    await site.accounts.create(AUTHOR, "Ann", WORDS, [])
    for name in ("", " ", "ann", "a:b", "a\nb", "a\u202eb", "\uff21nn", "x" * 256):
        with pytest.raises(Refused):
            await site.accounts.create(AUTHOR, name, WORDS, [])
    with pytest.raises(Refused, match="no group"):
        await site.accounts.create(AUTHOR, "bob", WORDS, ["nothing"])
    await site.accounts.create(AUTHOR, " <i>O'Neil\\ ", WORDS, [])
    assert "<i>O'Neil\\" in site.users.accounts


async def test_what_is_preferred_is_kept_and_ends_no_session(site: Site) -> None:
    await site.accounts.create(AUTHOR, "ann", WORDS, [])
    token, _ = site.users.sessions.begin("ann", "a")
    await site.accounts.prefer("ann", "start", "/activity")
    assert site.users.accounts["ann"].preferences == {"start": "/activity"}
    assert site.users.sessions.find(token) is not None
    await site.accounts.prefer("ann", "start", "")
    assert site.users.accounts["ann"].preferences == {}
    await site.accounts.prefer("ann", "long", "x" * 8000)
    with pytest.raises(Refused, match="remove something"):
        await site.accounts.prefer("ann", "more", "x" * 400)
    assert site.users.accounts["ann"].preferences == {"long": "x" * 8000}
    await site.accounts.prefer("ann", "long", "")


async def test_who_acts_is_told_without_passwords(site: Site) -> None:
    await site.accounts.create(AUTHOR, "ann", WORDS, ["Guest"])
    await site.accounts.suspend(AUTHOR, "ann", suspended=True)
    assert (await site.users.verify("ann", WORDS, "a", "UI")).outcome is Outcome.WRONG
    await site.accounts.remove(AUTHOR, "ann")
    told = [(event.author, event.reason) for event in site.running.events if event.tag == "audit"]
    assert ("admin", "user ann made, in the group Guest from 192.0.2.7") in told
    assert not any(WORDS in reason for _, reason in told)
