"""The licence of a running instance: limits in force, events told once, keys that come as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.licences import DAY, FINGERPRINT, STRANGER, licence_key
from tests.running import AUTHOR, Running, running

from pointsman.control.described import plan_edit
from pointsman.control.error import CannotStore
from pointsman.control.licensing import Edition
from pointsman.licence.incoming import INCOMING, drop
from pointsman.licence.key import Licence
from pointsman.licence.trust import ISSUERS, Trust
from pointsman.schema.problem import ObjectId
from pointsman.schema.validate import Invalid
from pointsman.store import Put

BEGIN = 1_700_000_000.0
UNLICENSED = Edition()


class Clock:
    """Time that a test sets."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


def key_id(serial: str = "A1") -> ObjectId:
    return ObjectId("license_keys", serial)


def tags(manager: Running) -> list[str]:
    """The tags of the events about licences, which are taken away."""
    found = [event.tag for event in manager.events if event.section == "licensekeys"]
    manager.events.clear()
    return found


def bandwidth(manager: Running) -> int:
    return manager.licensing.holding.limits.bandwidth


async def test_a_licence_takes_effect_and_its_end_does(tmp_path: Path) -> None:
    """R64: expired or none: Community Edition, never a stop. R65: the limit is chosen without a restart."""
    clock = Clock()
    async with running(tmp_path, UNLICENSED, clock) as manager:
        assert (bandwidth(manager), tags(manager)) == (10_000_000, ["unlicensed"])
        text = licence_key(issued=BEGIN, expires=int(BEGIN) + 100 * DAY, bandwidth=50_000_000)
        await manager.control.put_file(AUTHOR, key_id(), text)
        assert bandwidth(manager) == 50_000_000
        assert tags(manager) == ["issuertrusted", "usinglicense"]
        await manager.control.wait_in_force(manager.control.revision, 10)
        (applied, *_) = manager.control.applies()
        assert applied.reasons == (
            "the licence in force is another: licence A1, 50 Mb/s in each direction, clusters of any size, until "
            "2024-02-22T22:13:20Z, issued to Example Ltd",
            "license_keys/A1",
        )
        clock.now += 100 * DAY - 1
        await manager.licensing.look()
        assert (bandwidth(manager), tags(manager)) == (50_000_000, ["expiresoon"])
        clock.now += 1
        await manager.licensing.look()
        assert (bandwidth(manager), tags(manager)) == (10_000_000, ["expired", "unlicensed"])
        (condition,) = manager.control.conditions(key_id())
        assert (condition.standing.value, condition.code) == ("warning", "licence_expired")
        clock.now -= 10
        await manager.licensing.look()
        assert bandwidth(manager) == 50_000_000, "a clock that goes back is followed"


async def test_the_members_that_a_licence_allows_are_known(tmp_path: Path) -> None:
    """R66: clusters of at most 4 without a licence, of the key's size with one."""
    async with running(tmp_path, UNLICENSED) as manager:
        assert manager.licensing.view().cluster_size == 4
        await manager.control.put_file(AUTHOR, key_id(), licence_key(cluster_size=9))
        assert manager.licensing.view().cluster_size == 9


async def test_removing_the_key_in_use_leads_to_the_next_best(tmp_path: Path) -> None:
    async with running(tmp_path, UNLICENSED) as manager:
        await manager.control.put_file(AUTHOR, key_id("A"), licence_key("A", bandwidth=20_000_000))
        await manager.control.put_file(AUTHOR, key_id("B"), licence_key("B", bandwidth=30_000_000))
        assert bandwidth(manager) == 30_000_000
        assert [c.code for c in manager.control.conditions(key_id("A"))] == ["licence_spare"]
        await manager.control.delete(AUTHOR, key_id("B"))
        assert bandwidth(manager) == 20_000_000
        await manager.control.delete(AUTHOR, key_id("A"))
        assert bandwidth(manager) == 10_000_000
        assert tags(manager)[-3:] == ["usinglicense", "usinglicense", "unlicensed"]


async def test_what_was_told_is_not_told_again_after_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    for expected in (["unlicensed"], []):
        async with running(tmp_path, UNLICENSED, clock) as manager:
            assert tags(manager) == expected
    async with running(tmp_path, UNLICENSED, clock) as manager:
        text = licence_key(issued=BEGIN, expires=int(BEGIN) + 29 * DAY)
        await manager.control.put_file(AUTHOR, key_id(), text)
        assert tags(manager) == ["issuertrusted", "expiresoon30", "usinglicense"]
    for days, expected in ((1, []), (14, ["expiresoon15"]), (21, []), (22, ["expiresoon"]), (22.5, []),
                           (23, ["expiresoon"]), (28.5, ["expiresoon"]), (30, ["expired", "unlicensed"])):  # fmt: skip
        clock.now = BEGIN + days * DAY
        async with running(tmp_path, UNLICENSED, clock) as manager:
            assert tags(manager) == expected, days
            assert manager.control.conditions(key_id())


async def test_warnings_come_while_it_runs(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, UNLICENSED, clock) as manager:
        text = licence_key(issued=BEGIN, expires=int(BEGIN) + 91 * DAY)
        await manager.control.put_file(AUTHOR, key_id(), text)
        manager.events.clear()
        found: list[str] = []
        for hour in range(24 * 92):
            clock.now = BEGIN + hour * 3600
            await manager.licensing.look()
            found += tags(manager)
    week = ["expiresoon"] * 7
    assert found == [
        "expiresoon90",
        "expiresoon60",
        "expiresoon30",
        "expiresoon15",
        *week,
        "expired",
        "unlicensed",
    ]


async def test_a_damaged_memory_of_what_was_told_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "licence").mkdir()
    for content in ("garbage", "7", "[[]]", "{}"):
        (tmp_path / "licence" / "told.json").write_text(content)
        async with running(tmp_path, UNLICENSED) as manager:
            assert tags(manager) == ["unlicensed"]
        assert json.loads((tmp_path / "licence" / "told.json").read_text()) == ["unlicensed"]


async def test_garbage_is_refused_with_the_field_and_the_remedy(tmp_path: Path) -> None:
    async with running(tmp_path, UNLICENSED) as manager:
        for text in (b"", b"garbage", b"Zeus ZXTM", licence_key()[:-20]):
            with pytest.raises(Invalid) as caught:
                await manager.control.put_file(AUTHOR, key_id(), text)
            assert [(p.subject, p.code) for p in caught.value.problems] == [(key_id(), "licence.invalid")]
            assert ";" in caught.value.problems[0].message
        assert manager.control.names("license_keys") == ()
        assert Trust(tmp_path).open


async def test_a_key_may_have_another_name_than_its_serial(tmp_path: Path) -> None:
    async with running(tmp_path, UNLICENSED) as manager:
        await manager.control.put_file(AUTHOR, key_id("main key"), licence_key())
        assert manager.licensing.view().source == "A1"


async def test_keys_of_other_issuers_are_refused(tmp_path: Path) -> None:
    """R16: a key that is not ours is refused: the issuer of the first key is trusted, and no other."""
    async with running(tmp_path, UNLICENSED) as manager:
        await manager.control.put_file(AUTHOR, key_id(), licence_key())
        assert manager.licensing.view().issuers == (FINGERPRINT,)
        foreign = licence_key("F", issuer=STRANGER)
        for attempt in (
            manager.control.put_file(AUTHOR, key_id("F"), foreign),
            manager.control.edit(AUTHOR, [Put(key_id("F"), {"content": foreign})]),
        ):
            with pytest.raises(Invalid, match="pointsman licence trust"):
                await attempt
        # What is stored in another way, by a restore for example, does not count.
        await manager.configuration.put(AUTHOR, key_id("F"), {"content": foreign})
        assert tags(manager)[-1] == "license-unauthorized"
        assert [c.code for c in manager.control.conditions(key_id("F"))] == ["licence_unauthorized"]
        await manager.control.edit(AUTHOR, [Put(key_id("F"), {"content": foreign})])
        (stranger,) = {key.issuer for key in manager.licensing.view().keys} - {FINGERPRINT}
        Trust(tmp_path).add_fingerprint(stranger)
        await manager.licensing.look()
        states = {key.name: key.state for key in manager.licensing.view().keys}
        assert sorted(states.values()) == ["in use", "valid, another is in use"]


async def test_keys_left_as_files_are_taken(tmp_path: Path) -> None:
    """R16: a licence that provisioning downloaded is installed."""
    drop(tmp_path, licence_key("A"))
    async with running(tmp_path, UNLICENSED) as manager:
        assert tags(manager) == ["issuertrusted", "usinglicense"], "never unlicensed in between"
        assert manager.control.names("license_keys") == ("A",)
        drop(tmp_path, licence_key("B"))
        await manager.licensing.look()
        assert manager.control.names("license_keys") == ("A", "B")
        assert list((tmp_path / INCOMING).iterdir()) == []
        (newest, *_) = await manager.control.transactions(limit=1)
        assert newest.author.name == "licence/incoming"


async def test_files_that_are_no_keys_are_set_aside(tmp_path: Path) -> None:
    drop(tmp_path, licence_key("A"))
    directory = tmp_path / INCOMING
    (directory / "foreign.key").write_bytes(licence_key("F", issuer=STRANGER))
    (directory / "gar\nbage.key").write_text("garbage")
    (directory / "link.key").symlink_to("/etc/hostname")
    async with running(tmp_path, UNLICENSED) as manager:
        assert sorted(tags(manager)) == [
            "issuertrusted", "license-unauthorized", "licensecorrupt", "licensecorrupt", "usinglicense",
        ]  # fmt: skip
        await manager.licensing.look()
        assert tags(manager) == []
        assert manager.control.names("license_keys") == ("A",)
    assert sorted(path.name for path in directory.iterdir()) == [
        "foreign.refused", "gar_bage.refused", "link.refused",
    ]  # fmt: skip


async def test_a_deleted_key_stays_deleted(tmp_path: Path) -> None:
    drop(tmp_path, licence_key("A"))
    async with running(tmp_path, UNLICENSED) as manager:
        await manager.control.delete(AUTHOR, key_id("A"))
    async with running(tmp_path, UNLICENSED) as manager:
        assert manager.control.names("license_keys") == ()


async def test_the_choice_of_community_edition_is_kept(tmp_path: Path) -> None:
    """R17: until the choice is made, traffic is served at Community limits; then nobody is asked again."""
    kept: list[bool] = []
    edition = Edition(keep_choice=lambda: kept.append(True))
    async with running(tmp_path, edition) as manager:
        assert (manager.licensing.choice_open, bandwidth(manager)) == (True, 10_000_000)
        manager.licensing.choose_community(AUTHOR)
        manager.licensing.choose_community(AUTHOR)
        assert (manager.licensing.choice_open, kept) == (False, [True])
        audit = [event for event in manager.events if event.tag == "audit"]
        assert [(event.author, "Community Edition" in event.reason) for event in audit] == [("admin", True)]
    async with running(tmp_path, Edition(community=True)) as manager:
        assert not manager.licensing.choice_open


async def test_a_choice_that_cannot_be_stored_is_not_made(tmp_path: Path) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    async with running(tmp_path, Edition(keep_choice=full)) as manager:
        with pytest.raises(CannotStore, match="No space left on device"):
            manager.licensing.choose_community(AUTHOR)
        assert manager.licensing.choice_open


async def test_an_own_licence_is_not_asked_about(tmp_path: Path) -> None:
    """R62: a stand-alone run issues itself an unlimited key, and says so."""
    own = Edition(Licence("OWN", "this", 0), "issued an unlimited licence to itself")
    async with running(tmp_path, own) as manager:
        assert (bandwidth(manager), tags(manager), manager.licensing.choice_open) == (0, [], False)
        assert (await manager.control.status()).engine["licence"] == "issued an unlimited licence to itself"


async def test_an_issuer_that_cannot_be_recorded_does_not_stop_anything(tmp_path: Path) -> None:
    (tmp_path / "licence").mkdir()
    (tmp_path / ISSUERS).write_text("a file in the way")
    async with running(tmp_path, UNLICENSED) as manager:
        await manager.control.put_file(AUTHOR, key_id(), licence_key(bandwidth=20_000_000))
        assert bandwidth(manager) == 20_000_000


async def test_documents_that_are_everything_leave_keys_alone(tmp_path: Path) -> None:
    """A licence belongs to the instance, not to the documents."""
    stored = {key_id(): {"content": licence_key()}, ObjectId("pools", "p"): {}}
    deleted = [change.identity for change in plan_edit(stored, {}, replace=True).changes]
    assert ObjectId("pools", "p") in deleted
    assert key_id() not in deleted
