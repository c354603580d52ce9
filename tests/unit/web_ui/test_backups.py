"""The pages about backups: every act by plain forms, hostile text shown as text, nothing done by strangers."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from tests.unit.web_ui.test_licences import open_unlicensed, token
from tests.unit.web_ui.test_login import PASSWORD, Site
from tests.unit.web_ui.test_page import HOSTILE, Outline

from pointsman.backup.archive import Content, Manifest, read, write
from pointsman.schema.problem import ObjectId
from pointsman.store import Author, Delete, Put

ADMIN = Author("admin", "192.0.2.8", "ui")
HOME = "/system/backups"
POOL, SERVICE = ObjectId("pools", "web"), ObjectId("virtual_servers", "web")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_unlicensed(tmp_path, community=True) as found:
        control = found.running.control
        control.backups.open()
        await control.edit(
            ADMIN,
            [
                Put(POOL, {"basic": {"nodes_table": [{"node": "127.0.0.1:81"}]}}),
                Put(SERVICE, {"basic": {"pool": "web", "port": 18080}}),
            ],
        )
        yield found


async def post(site: Site, place: str, page: str = HOME, **fields: str) -> httpx.Response:
    csrf = token(await site.browser.get(page))
    return await site.browser.post(f"{HOME}/{place}", data={"csrf": csrf, **fields})


async def upload(site: Site, data: bytes, **fields: str) -> httpx.Response:
    csrf = token(await site.browser.get(HOME))
    file = {"file": ("C:\\fakepath\\brought.tar", io.BytesIO(data))}
    return await site.browser.post(f"{HOME}/upload", data={"csrf": csrf, **fields}, files=file)


def shown(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text[:3000]
    return " ".join(Outline(answer.text).text.split())


async def test_backups_are_made_shown_and_deleted(site: Site) -> None:
    """R52, R58: made, described, listed, deleted; the page says that they go with the instance."""
    text = shown(await site.browser.get(HOME))
    assert "There are no backups" in text
    assert "they are not copied to other members of its cluster, and go with the instance" in text
    made = await post(site, "create", name="before it", description="two\r\nlines", passphrase="")
    assert (made.status_code, made.headers["location"]) == (303, f"{HOME}/backup/before%20it")
    text = shown(await site.browser.get(HOME))
    assert "before it" in text and "two lines" in text
    one = f"{HOME}/backup/before%20it"
    text = shown(await site.browser.get(one))
    assert "Pools (1)" in text and "Restore" in text and "Compare" in text
    assert (await post(site, "backup/before%20it/describe", description="other")).status_code == 303
    assert "other" in shown(await site.browser.get(one))
    again = await post(site, "create", name="before it")
    assert again.status_code == 400 and "already" in again.text
    unsure = await post(site, "backup/before%20it/delete")
    assert unsure.status_code == 400 and "confirm" in unsure.text
    gone = await post(site, "backup/before%20it/delete", confirm="yes")
    assert (gone.status_code, gone.headers["location"]) == (303, HOME)
    missing = await site.browser.get(one)
    assert missing.status_code == 404 and "There is no backup" in missing.text
    assert (await post(site, "backup/before%20it/delete", confirm="yes")).status_code == 404


async def test_passwords_are_replaced_only_by_who_knows_the_present_one(site: Site) -> None:
    """A session that was left open and an archive of somebody's making do not give that one the instance."""
    await post(site, "create", name="one")
    before = site.users.accounts["admin"].password
    await site.users.set_password("admin", "another-password")
    assert site.users.accounts["admin"].password != before
    csrf = {"csrf": site.users.sessions.form_token(), "username": "admin", "password": "another-password"}
    assert (await site.browser.post("/login", data=csrf)).status_code == 303
    form = {"act": "restore", "confirm": "yes", "extent": "all", "map0": "pm1", "users": "yes"}
    for wrong in ("", "wrong"):
        refused = await post(site, "backup/one/restore", **form, own_password=wrong)
        assert refused.status_code == 403 and "own password" in refused.text
        assert site.users.accounts["admin"].password != before
    done = await post(site, "backup/one/restore", **form, own_password="another-password")
    assert "admin has the password of the backup" in shown(done)
    assert site.users.accounts["admin"].password == before
    assert "another-password" not in done.text


async def test_a_restore_shows_first_and_wants_a_word(site: Site) -> None:
    """R52: the section "Restore" is on the backup's own page."""
    control = site.running.control
    await post(site, "create", name="one")
    before = dict(control.objects)
    await control.edit(ADMIN, [Put(SERVICE, {"basic": {"pool": "web", "port": 18081}})])
    revision = control.revision
    restore = "backup/one/restore"
    text = shown(await post(site, restore, act="preview", extent="all", map0="pm1"))
    assert "What a restore would change" in text and "basic.port" in text and "18081" in text
    unsure = await post(site, restore, act="restore", extent="all")
    assert unsure.status_code == 400 and "confirm" in unsure.text
    none = await post(site, restore, act="restore", confirm="yes", extent="part", own_password=PASSWORD)
    assert none.status_code == 400
    assert control.revision == revision
    part = {"act": "restore", "confirm": "yes", "extent": "part", "own_password": PASSWORD}
    text = shown(await post(site, restore, **part, **{"type.pools": "yes"}))
    assert "There is no difference" in text and control.revision == revision
    text = shown(await post(site, restore, **part, only="virtual_servers/web\r\n", reason="because"))
    assert "Restored" in text
    assert dict(control.objects) == before
    (transaction,) = await control.transactions(limit=1)
    assert (transaction.author, transaction.reason) == (ADMIN, "because")
    await control.edit(ADMIN, [Delete(SERVICE), Delete(POOL)])
    needed = await post(site, restore, **part, only="virtual_servers/web")
    assert needed.status_code == 400 and "pools/web" in needed.text
    await post(site, restore, **part, only="virtual_servers/web", needed="yes")
    assert dict(control.objects) == before
    wrong = await post(site, restore, act="preview", map0="nobody")
    assert wrong.status_code == 400 and "no traffic manager" in wrong.text


async def test_comparing_is_a_page(site: Site) -> None:
    control = site.running.control
    await post(site, "create", name="one")
    compare = f"{HOME}/backup/one/compare"
    assert "There is no difference" in shown(await site.browser.get(compare))
    await control.edit(ADMIN, [Put(POOL, {"basic": {"note": "<b>new</b>"}})])
    await post(site, "create", name="two")
    for place in (compare, f"{compare}?with=two"):
        answer = await site.browser.get(place)
        assert "&lt;b&gt;new&lt;/b&gt;" in answer.text and "<b>new" not in answer.text
    assert (await site.browser.get(f"{compare}?with=none")).status_code == 400


async def test_a_backup_is_downloaded_and_uploaded(site: Site) -> None:
    """R52, R60."""
    await post(site, "create", name="one")
    got = await post(site, "backup/one/download", secrets="stored")
    assert got.headers["content-type"] == "application/x-tar"
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''one.tar"
    sealed = await post(site, "backup/one/download", secrets="seal", new_passphrase="open sesame")
    assert read(sealed.content, "open sesame").content.objects == read(got.content).content.objects
    weak = await post(site, "backup/one/download", secrets="seal", new_passphrase="short")
    assert weak.status_code == 400 and not re.search("[^-\\w]short[^ce]", re.sub("shorten", "", weak.text))
    taken = await upload(site, sealed.content)
    assert (taken.status_code, taken.headers["location"]) == (303, f"{HOME}/backup/brought")
    assert "Passphrase" in shown(await site.browser.get(f"{HOME}/backup/brought"))
    assert (await upload(site, sealed.content)).status_code == 400, "the name is taken"
    assert (await upload(site, got.content, name="other")).status_code == 303
    for junk in (b"", b"junk", write(Manifest(version="99.0.0"), Content({}))):
        refused = await upload(site, junk, name="junk")
        assert refused.status_code == 400 and 'role="alert"' in refused.text
    assert (await site.browser.post(f"{HOME}/upload", data={"csrf": "x"})).status_code == 403


async def test_the_schedule_is_set(site: Site) -> None:
    wish = {
        "every": "weekly",
        "day": "monday",
        "time": "03:30",
        "keep": "9",
        "days": "60",
        "secrets": "exclude",
    }
    assert (await post(site, "schedule", **wish)).status_code == 303
    found = site.running.control.backups.schedule.schedule
    assert (found.every, found.day, found.time, found.keep, found.days, found.secrets) == (
        "weekly",
        "monday",
        "03:30",
        9,
        60,
        False,
    )
    assert "at 03:30 UTC" in shown(await site.browser.get(HOME))
    for bad in ({"time": "25:00"}, {"keep": "many"}, {"keep": "\u0663"}, {"every": "x"}):
        assert (await post(site, "schedule", **{**wish, **bad})).status_code == 400


async def test_hostile_text_is_shown_as_text(site: Site) -> None:
    control = site.running.control
    hostile = HOSTILE.replace("/", "") if isinstance(HOSTILE, str) else "<img src=x onerror=alert(1)>"
    manifest = Manifest(
        description=hostile,
        traffic_manager=hostile,
        uuid=hostile,
        members=(hostile, "\u202eevil"),
        version="0.0.1",
    )
    objects = {ObjectId("pools", hostile): {"basic": {"note": hostile}}}
    data = write(replace(manifest), Content(objects))
    name = "<img src=x onerror=alert(1)>"
    assert (await upload(site, data, name=name)).status_code == 303
    one = f"{HOME}/backup/{quote(name, safe='')}"
    await control.edit(ADMIN, [Put(POOL, {"basic": {"note": hostile}})])
    pages = [await site.browser.get(place) for place in (HOME, one, f"{one}/compare")]
    pages.append(await post(site, f"backup/{quote(name, safe='')}/restore", act="preview"))
    pages.append(
        await post(site, f"backup/{quote(name, safe='')}/restore", act="preview", only=hostile, extent="part")
    )
    for page in pages:
        assert "<img src=x" not in page.text
        assert "\u202e" not in page.text
    assert (await post(site, "create", name="../../x")).status_code == 400


async def test_strangers_do_nothing(site: Site) -> None:
    """Forms need the session's own token, and the administrator."""
    await post(site, "create", name="one")
    for place in (
        "create",
        "schedule",
        *(f"backup/one/{act}" for act in ("describe", "delete", "download", "restore")),
    ):
        answer = await site.browser.post(
            f"{HOME}/{place}", data={"csrf": "wrong", "name": "x", "confirm": "yes"}
        )
        assert answer.status_code == 403, place
        assert answer.headers["content-type"].startswith("text/html")
        json = await site.browser.post(f"{HOME}/{place}", json={"csrf": "wrong"})
        assert json.status_code == 400
        assert (await site.browser.get(f"{HOME}/{place}")).status_code in (404, 405)
    file = {"file": ("x.tar", io.BytesIO(b"x"))}
    assert (await site.browser.post(f"{HOME}/upload", data={"csrf": "wrong"}, files=file)).status_code == 403
    await site.browser.post("/logout", data={"csrf": token(await site.browser.get(HOME))})
    for place in (HOME, f"{HOME}/backup/one", f"{HOME}/backup/one/compare"):
        assert (await site.browser.get(place)).status_code == 303
    assert [kept.name for kept in await site.running.control.backups.list()] == ["one"]
