"""Backups of a running instance: restored as one change, in whole or in part, here or in another cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.licences import STRANGER, licence_key
from tests.running import IDENTITY, Running, running

from pointsman.backup.archive import Content, Manifest, read, write
from pointsman.control.backups import BackupRefused, NoBackup
from pointsman.control.error import Frozen
from pointsman.control.restoring import Wish
from pointsman.identity.user import Outcome, Users
from pointsman.identity.user_file import UserFile
from pointsman.schema.level import LEVEL
from pointsman.schema.problem import ObjectId
from pointsman.schema.user_group import ADMINISTRATORS, USER_GROUP
from pointsman.schema.validate import Invalid
from pointsman.store import Author, Delete, Put

ADMIN = Author("admin", "127.0.0.1", "rest")
POOL, SERVICE, OTHER = (
    ObjectId("pools", "web"),
    ObjectId("virtual_servers", "web"),
    ObjectId("pools", "other"),
)
KEY, GLOBAL = ObjectId("ssl/server_keys", "www"), ObjectId("global_settings", "")
MEMBER = ObjectId("traffic_managers", IDENTITY.name)


@pytest.fixture
async def instance(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as found:
        found.control.backups.open()
        await configure(found)
        yield found


async def configure(found: Running) -> None:
    public, private = self_signed("www.example")
    await found.control.edit(
        ADMIN,
        [
            Put(POOL, {"basic": {"nodes_table": [{"node": "127.0.0.1:81"}, {"node": "127.0.0.1:82"}]}}),
            Put(SERVICE, {"basic": {"pool": "web", "port": 18080}}),
            Put(KEY, {"basic": {"public": public, "private": private}}),
            Put(ObjectId("rules", "r"), {"content": b"# first"}),
            Put(GLOBAL, {"basic": {}} | {"connection": {"idle_connections_max": 7}}),
        ],
    )


async def change(found: Running) -> None:
    await found.control.edit(
        ADMIN,
        [
            Put(POOL, {"basic": {"nodes_table": [{"node": "127.0.0.1:83"}]}}),
            Put(OTHER, {"basic": {"nodes_table": [{"node": "127.0.0.1:84"}]}}),
            Put(SERVICE, {"basic": {"pool": "other", "port": 18081}}),
            Put(ObjectId("rules", "r"), {"content": b"# second"}),
            Put(GLOBAL, {}),
        ],
    )


def settings(found: Running) -> dict[ObjectId, Any]:
    return dict(found.control.objects)


async def test_a_whole_restore_is_one_change(instance: Running) -> None:
    """R52, R54: everything is as it was, by one transaction that history shows and can undo."""
    backups, control = instance.control.backups, instance.control
    await backups.create(ADMIN, "one", "before")
    before = settings(instance)
    await change(instance)
    after, revision = settings(instance), control.revision
    shown = await backups.preview("one", Wish())
    assert settings(instance) == after
    assert {(str(c.subject), c.act) for c in shown.edit.shown} == {
        ("pools/web", "changed"),
        ("pools/other", "deleted"),
        ("virtual_servers/web", "changed"),
        ("rules/r", "changed"),
        ("global_settings", "changed"),
    }
    done = await backups.restore(ADMIN, "one", Wish())
    assert (done.revision, control.revision) == (revision + 1, revision + 1)
    assert settings(instance) == before
    assert done.restoring.remarks == ()
    (transaction,) = await control.transactions(limit=1)
    assert (transaction.author, transaction.reason) == (ADMIN, 'restore of the backup "one"')
    assert (await backups.restore(ADMIN, "one", Wish())).revision == revision + 1, "again changes nothing"
    await control.restore(ADMIN, revision)
    assert settings(instance) == after


async def test_a_partial_restore_deletes_nothing(instance: Running) -> None:
    backups = instance.control.backups
    await backups.create(ADMIN, "one")
    await change(instance)
    done = await backups.restore(ADMIN, "one", Wish(only=("rules", "pools/web")))
    assert {str(change.subject) for change in done.restoring.edit.shown} == {"rules/r", "pools/web"}
    assert OTHER in settings(instance)
    assert settings(instance)[SERVICE]["basic"]["port"] == 18081


async def test_a_partial_restore_leaves_no_reference_dangling(instance: Running) -> None:
    """What is missing is named, and comes along when asked for."""
    backups, control = instance.control.backups, instance.control
    await backups.create(ADMIN, "one")
    await control.edit(ADMIN, [Delete(SERVICE), Delete(POOL)])
    with pytest.raises(Invalid, match=r"virtual_servers/web: basic\.pool: needs pools/web"):
        await backups.restore(ADMIN, "one", Wish(only=("virtual_servers/web",)))
    assert SERVICE not in settings(instance)
    await backups.restore(ADMIN, "one", Wish(only=("virtual_servers/web",), needed=True))
    assert {SERVICE, POOL} <= settings(instance).keys()
    for name in ("virtual_servers/none", "nothing", "pools/"):
        with pytest.raises(Invalid, match="the backup"):
            await backups.preview("one", Wish(only=(name,)))


async def test_a_reference_that_led_nowhere_is_said(instance: Running) -> None:
    backups, control = instance.control.backups, instance.control
    await control.edit(ADMIN, [Delete(POOL)])
    await backups.create(ADMIN, "one")
    await control.edit(ADMIN, [Delete(SERVICE)])
    done = await backups.restore(ADMIN, "one", Wish())
    assert [str(remark) for remark in done.restoring.remarks] == [
        "virtual_servers/web: basic.pool: names pools/web, which is not there then"
    ]


async def test_secrets_that_are_missing_are_named(instance: Running, tmp_path: Path) -> None:
    """R60: without secrets everything else restores; what is stored here stays, what is not is listed."""
    backups, control = instance.control.backups, instance.control
    await control.put(ADMIN, MEMBER, {"snmp": {"auth_password": "deep secret", "username": "u"}})
    await backups.create(ADMIN, "bare", secrets=False)
    key = settings(instance)[KEY]
    done = await backups.restore(ADMIN, "bare", Wish())
    assert not done.restoring.edit.changes, "the secrets that are here count"
    await control.edit(ADMIN, [Delete(KEY)])
    await control.put(ADMIN, MEMBER, {}, replace=True)
    done = await backups.restore(ADMIN, "bare", Wish())
    assert {(str(r.subject), r.path) for r in done.restoring.remarks} == {
        ("ssl/server_keys/www", ("basic", "private")),
        ("traffic_managers/pm1", ("snmp", "auth_password")),
    }
    assert KEY not in settings(instance)
    assert settings(instance)[MEMBER]["snmp"] == {"username": "u"}
    assert all("deep secret" not in str(r) and "PRIVATE" not in str(r) for r in done.restoring.remarks)
    assert "private" in key["basic"]


async def test_a_sealed_one_needs_its_passphrase(instance: Running) -> None:
    backups, control = instance.control.backups, instance.control
    await backups.create(ADMIN, "sealed", passphrase="open sesame")
    before = settings(instance)
    await control.edit(ADMIN, [Delete(KEY)])
    with pytest.raises(BackupRefused, match="passphrase"):
        await backups.restore(ADMIN, "sealed", Wish(), "wrong one")
    await backups.restore(ADMIN, "sealed", Wish(), "open sesame")
    assert settings(instance) == before
    for bad in ("short", "x" * 2000):
        with pytest.raises(Invalid, match="characters"):
            await backups.create(ADMIN, "other", passphrase=bad)


async def test_a_download_can_be_sealed_or_bare(instance: Running) -> None:
    """R60."""
    backups = instance.control.backups
    await backups.create(ADMIN, "one")
    whole = read(await backups.download(ADMIN, "one"))
    sealed = await backups.download(ADMIN, "one", new_passphrase="open sesame")
    assert read(sealed, "open sesame").content == whole.content
    assert read(sealed).content.missing == ((KEY, ("basic", "private")),)
    bare = read(await backups.download(ADMIN, "one", secrets=False))
    assert bare.content.users == {} and len(bare.content.missing) == 1
    await backups.upload(ADMIN, "sealed", sealed)
    with pytest.raises(BackupRefused, match="is sealed"):
        await backups.download(ADMIN, "sealed", new_passphrase="another one")
    again = await backups.download(ADMIN, "sealed", passphrase="open sesame", new_passphrase="another one")
    assert read(again, "another one").content == whole.content


async def test_it_goes_to_another_instance_under_another_name(instance: Running, tmp_path: Path) -> None:
    """R58, R60: uploaded by hand; settings follow, but who the machine is stays."""
    public = {"snmp": {"enabled": True}, "rest_api": {"port": 19999}, "basic": {"nameip": "10.0.0.1"}}
    await instance.control.put(ADMIN, MEMBER, public)
    await instance.control.backups.create(ADMIN, "one")
    data = await instance.control.backups.download(ADMIN, "one")
    archive = read(data)
    objects = {ObjectId(i.type, "old") if i == MEMBER else i: s for i, s in archive.content.objects.items()}
    objects[ObjectId("traffic_managers", "old2")] = {"snmp": {"enabled": True}}
    elsewhere = replace(archive.manifest, uuid="another", members=("old", "old2"), traffic_manager="old")
    other = tmp_path / "other"
    other.mkdir()
    async with running(other) as second:
        second.control.backups.open()
        brought = write(elsewhere, replace(archive.content, objects=objects))
        assert await second.control.backups.upload(ADMIN, "brought", brought)
        done = await second.control.backups.restore(ADMIN, "brought", Wish())
        assert done.restoring.mapping == {"old": "pm1", "old2": None}
        found = settings(second)
        assert found[MEMBER] == {"snmp": {"enabled": True}}
        assert ObjectId("traffic_managers", "old2") not in found
        assert [str(r.subject) for r in done.restoring.remarks] == ["traffic_managers/old2"]
        assert {SERVICE, POOL, KEY} <= found.keys()
        await second.control.backups.restore(ADMIN, "brought", Wish(mapping={"old": "", "old2": "pm1"}))
        with pytest.raises(Invalid, match="no traffic manager"):
            await second.control.backups.restore(ADMIN, "brought", Wish(mapping={"old": "nobody"}))


async def test_licence_keys_are_never_lost(instance: Running) -> None:
    """R62: a restore takes no key away and says so; one that is not for this instance is left out."""
    backups, control = instance.control.backups, instance.control
    old, new = ObjectId("license_keys", "old"), ObjectId("license_keys", "new")
    await control.put_file(ADMIN, old, licence_key("A1"))
    await backups.create(ADMIN, "one")
    await control.put_file(ADMIN, old, licence_key("A1", bandwidth=7))
    await control.put_file(ADMIN, new, licence_key("A2"))
    before = settings(instance)
    done = await backups.restore(ADMIN, "one", Wish())
    assert settings(instance) == before
    assert {(str(r.subject), r.code) for r in done.restoring.remarks} == {
        ("license_keys/old", "backup.licence_stays"),
        ("license_keys/new", "backup.licence_stays"),
    }
    await control.edit(ADMIN, [Delete(old)])
    await backups.restore(ADMIN, "one", Wish())
    assert old in settings(instance)
    foreign = {ObjectId("license_keys", "x"): {"content": licence_key("A3", issuer=STRANGER)}}
    await backups.upload(ADMIN, "foreign", write(Manifest(), Content(foreign)))
    done = await backups.restore(ADMIN, "foreign", Wish(only=("license_keys",)))
    assert [r.code for r in done.restoring.remarks] == ["backup.licence_left_out"]
    assert ObjectId("license_keys", "x") not in settings(instance)


async def test_groups_of_users_outlive_a_backup_that_knows_none(instance: Running) -> None:
    """R54: one of a version without them takes none away; one of this version leaves the administrators'."""
    backups = instance.control.backups
    groups = {identity for identity in settings(instance) if identity.type == USER_GROUP.path}
    assert len(groups) > 1
    for name, level, stay in (("older", 2, groups), ("bare", LEVEL, {ADMINISTRATORS})):
        assert await backups.upload(ADMIN, name, write(Manifest(uuid="x", level=level), Content({})))
        done = await backups.restore(ADMIN, name, Wish())
        assert {i for i in settings(instance) if i.type == "user_groups"} == stay
        told = {
            r.subject for r in done.restoring.remarks if r.code in ("backup.type_stays", "backup.group_stays")
        }
        assert {one for one in told if one and one.type == "user_groups"} == stay


async def test_passwords_come_only_when_asked_for(tmp_path: Path) -> None:
    users, _ = await Users.open(tmp_path, on_event=lambda event: None, given="the first one")
    async with running(tmp_path, users=users) as found:
        backups = found.control.backups
        backups.open()
        await backups.create(ADMIN, "one")
        await users.set_password("admin", "the second one")
        await backups.restore(ADMIN, "one", Wish())
        assert (await users.verify("admin", "the second one", "::1", "REST")).outcome is Outcome.RIGHT
        done = await backups.restore(ADMIN, "one", Wish(users=True))
        assert done.users == ("admin",)
        assert (await users.verify("admin", "the second one", "::1", "REST")).outcome is Outcome.WRONG
        assert (await users.verify("admin", "the first one", "::1", "REST")).outcome is Outcome.RIGHT
        assert (await backups.restore(ADMIN, "one", Wish(users=True))).users == ()
        dear = "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"
        await backups.upload(ADMIN, "dear", write(Manifest(uuid="x"), Content({}, {"admin": dear})))
        with pytest.raises(BackupRefused, match="not the passwords"):
            await backups.restore(ADMIN, "dear", Wish(only=(), users=True))
        stored = json.loads((tmp_path / "identity" / "users.json").read_text())
        assert dear not in str(stored)
        assert UserFile.read(tmp_path / "identity" / "users.json") is not None


async def test_names_are_taken_once_and_events_tell(instance: Running) -> None:
    backups = instance.control.backups
    await backups.create(ADMIN, "one")
    with pytest.raises(BackupRefused, match="already"):
        await backups.create(ADMIN, "one")
    for bad in ("../x", "", "a/b"):
        with pytest.raises(Invalid, match="name of a backup"):
            await backups.create(ADMIN, bad)
        with pytest.raises(NoBackup):
            await backups.look(bad)
        with pytest.raises(NoBackup):
            await backups.delete(ADMIN, bad)
        with pytest.raises(NoBackup):
            await backups.read(bad)
    kept = await backups.describe(ADMIN, "one", "another text")
    assert kept.manifest.description == "another text"
    with pytest.raises(Invalid):
        await backups.describe(ADMIN, "one", "x\0y")
    await backups.delete(ADMIN, "one")
    with pytest.raises(NoBackup):
        await backups.delete(ADMIN, "one")
    told = [event.reason for event in instance.events if event.tag == "audit"]
    assert 'made the backup "one" at REST from 127.0.0.1' in told
    assert 'deleted the backup "one" at REST from 127.0.0.1' in told


async def test_what_cannot_be_read_is_not_taken(instance: Running) -> None:
    """R61: of a newer version nothing is changed, and both are named."""
    backups = instance.control.backups
    newer = write(Manifest(version="99.0.0", level=1), Content({}))
    with pytest.raises(BackupRefused, match=r"99\.0\.0.*this version"):
        await backups.upload(ADMIN, "newer", newer)
    with pytest.raises(BackupRefused):
        await backups.upload(ADMIN, "junk", b"junk")
    assert await backups.list() == ()
    (backups.home / "backups" / "newer.tar").write_bytes(newer)  # of a version that ran here before
    before = settings(instance)
    with pytest.raises(BackupRefused, match=r"99\.0\.0.*this version"):
        await backups.restore(ADMIN, "newer", Wish())
    assert settings(instance) == before
    (kept,) = await backups.list()
    assert kept.manifest.version == "99.0.0"


async def test_objects_that_are_invalid_change_nothing(instance: Running) -> None:
    backups = instance.control.backups
    circle = {ObjectId("pools", n): {"basic": {"failure_pool": o}} for n, o in (("a", "b"), ("b", "a"))}
    wrong: dict[ObjectId, Any]
    for wrong in (circle, {POOL: {"basic": {"unknown": 1}}}, {ObjectId("pools", "x\n"): {}}):
        name = str(len(await backups.list()))
        await backups.upload(ADMIN, name, write(Manifest(), Content(wrong)))
        before = settings(instance)
        for act in (backups.preview(name, Wish()), backups.restore(ADMIN, name, Wish())):
            with pytest.raises(Invalid):
                await act
        assert settings(instance) == before


async def test_comparing(instance: Running) -> None:
    """R52: with the configuration of now, and with each other; no secret in clear."""
    backups, control = instance.control.backups, instance.control
    await backups.create(ADMIN, "one")
    assert await backups.compare("one") == ()
    await change(instance)
    public, private = self_signed("other.example")
    await control.put(ADMIN, KEY, {"basic": {"public": public, "private": private}})
    await backups.create(ADMIN, "two", secrets=False)
    found = await backups.compare("one")
    assert {str(c.subject): c.act for c in found} == {
        "pools/other": "created",
        "pools/web": "changed",
        "virtual_servers/web": "changed",
        "rules/r": "changed",
        "global_settings": "changed",
        "ssl/server_keys/www": "changed",
    }
    assert "PRIVATE" not in str(found)
    assert [c.subject for c in await backups.compare("one", "two")] == [c.subject for c in found]
    assert await backups.compare("two") == ()
    with pytest.raises(NoBackup):
        await backups.compare("one", "three")


async def test_an_edit_at_the_same_time_is_not_lost(instance: Running) -> None:
    backups, control = instance.control.backups, instance.control
    await backups.create(ADMIN, "one")
    await change(instance)
    edits = [control.put(ADMIN, POOL, {"basic": {"note": str(number)}}) for number in range(5)]
    restores = [backups.restore(ADMIN, "one", Wish()) for _ in range(2)]
    await asyncio.gather(*edits, *restores)
    await backups.restore(ADMIN, "one", Wish())
    assert await backups.compare("one") == ()


async def test_the_maker_is_known(instance: Running) -> None:
    kept = await instance.control.backups.create(ADMIN, "one", "text")
    manifest = kept.manifest
    assert (manifest.traffic_manager, manifest.uuid) == (IDENTITY.name, IDENTITY.uuid)
    assert manifest.members == ("pm1",)
    assert manifest.counts["pools"] == 1 and manifest.secrets == "included"


async def test_a_frozen_configuration_is_not_restored(instance: Running) -> None:
    """R57: what binds edits binds a restore; looking is possible."""
    backups = instance.control.backups
    await backups.create(ADMIN, "one")
    await change(instance)
    before = settings(instance)
    instance.configuration.frozen = lambda: "the members run different versions"
    assert (await backups.preview("one", Wish())).edit.changes
    with pytest.raises(Frozen, match="different versions"):
        await backups.restore(ADMIN, "one", Wish())
    assert settings(instance) == before


GROUP = ObjectId("traffic_ip_groups", "shop")


async def test_traffic_ip_groups_follow_and_addresses_that_answer_stay_down(tmp_path: Path) -> None:
    """R60: members follow the mapping; an address that answers on the network is reported, not raised."""
    asked: list[str] = []

    async def answers(address: str) -> bool:
        asked.append(address)
        return address == "192.0.2.10"

    async with running(tmp_path, answers=answers) as found:
        backups, control = found.control.backups, found.control
        backups.open()
        basic = {
            "ipaddresses": ["192.0.2.10", "192.0.2.11"],
            "machines": ["a", "b", "c"],
            "slaves": ["c"],
            "ip_mapping": [
                {"ip": "192.0.2.10", "traffic_manager": "b"},
                {"ip": "192.0.2.11", "traffic_manager": "a"},
            ],
        }
        free = {"ipaddresses": ["192.0.2.12"], "machines": ["a"]}
        objects: dict[ObjectId, Any] = {
            GROUP: {"basic": basic},
            ObjectId("traffic_ip_groups", "free"): {"basic": free},
            **{ObjectId("traffic_managers", name): {} for name in ("a", "b", "c")},
        }
        await backups.upload(
            ADMIN, "old", write(Manifest(uuid="old", members=("a", "b", "c")), Content(objects))
        )
        done = await backups.restore(ADMIN, "old", Wish(mapping={"b": IDENTITY.name}))
        restored = control.objects[GROUP]["basic"]
        assert restored["machines"] == [IDENTITY.name]
        assert restored.get("slaves", []) == []
        assert restored["ip_mapping"] == [{"ip": "192.0.2.10", "traffic_manager": IDENTITY.name}]
        assert restored["enabled"] is False
        assert control.objects[ObjectId("traffic_ip_groups", "free")]["basic"].get("enabled", True)
        told = {(str(r.subject), r.code, r.path) for r in done.restoring.remarks}
        assert ("traffic_ip_groups/shop", "backup.address_answers", ("basic", "enabled")) in told
        assert ("traffic_ip_groups/shop", "backup.member_left_out", ("basic", "machines")) in told
        assert {"192.0.2.10", "192.0.2.11", "192.0.2.12"} == {*asked}
        asked.clear()
        await control.put(ADMIN, GROUP, {"basic": {"enabled": True}})
        done = await backups.restore(ADMIN, "old", Wish(mapping={"b": IDENTITY.name}))
        assert asked == [], "what this cluster holds itself is not asked"
        assert not done.restoring.edit.changes
