"""Members in one process, over real TLS connections: joining, replicating, leaving, being removed, being refused."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tools.machine import AUTHOR, Machine, until

from pointsman.cluster.link import SILENCE, Unanswered
from pointsman.cluster.refusal import Cause, JoinRefused, NotPossible
from pointsman.daemon.codes import CODE, Codes
from pointsman.identity.account import Account, Factor
from pointsman.identity.credential import Credential
from pointsman.identity.totp import STEP_SECONDS, code_at, digest_of, new_recovery_codes, new_secret
from pointsman.identity.user import Outcome
from pointsman.schema.problem import ObjectId
from pointsman.store import Put

Make = Callable[..., "asyncio.Future[Machine]"]


@contextlib.asynccontextmanager
async def machines(directory: Path, *names: str) -> AsyncIterator[list[Machine]]:
    made = [await Machine(directory / name, name).start() for name in names]
    try:
        yield made
    finally:
        for machine in made:
            await machine.stop()


async def joined(made: list[Machine]) -> None:
    for machine in made[1:]:
        await machine.join(made[0])
    await until("all links", lambda: all(alive(machine) == len(made) - 1 for machine in made))


def alive(machine: Machine) -> int:
    return [member.state for member in machine.cluster.view().members].count("alive")


async def test_edits_reach_every_member_both_ways(tmp_path: Path) -> None:
    """R2, R23: a joiner has the cluster's configuration, and later changes of any member are replicated."""
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await a.put("before")
        await joined([a, b, c])
        assert b.has("before") and c.has("before")
        for n, machine in enumerate((a, b, c)):
            await machine.put(f"by-{n}")
        await until("all pools", lambda: all(m.has(f"by-{n}") for m in (a, b, c) for n in range(3)))
        await until("one digest", lambda: a.store.digest == b.store.digest == c.store.digest)
        assert a.store.objects == b.store.objects == c.store.objects
        assert [m.name for m in c.cluster.roster.members] == ["a", "b", "c"]
        assert b.cluster.authority == a.cluster.authority
        assert "memberjoined" in a.tags()


async def test_member_catches_up_after_it_was_stopped(tmp_path: Path) -> None:
    async with machines(tmp_path, "a", "b") as (a, b):
        await joined([a, b])
        await b.stop()
        await until("b missed", lambda: alive(a) == 0)
        assert "machinetimeout" in a.tags()
        for n in range(50):
            await a.put(f"p{n}")
        await b.start()
        await until("caught up", lambda: b.has("p49"))
        await b.put("mine")
        await until("pushed", lambda: a.has("mine"))


@pytest.mark.parametrize("order", [(1, 0), (1, 0, 3, 2)])
async def test_addresses_that_were_dealt_anew_part_nobody(tmp_path: Path, order: tuple[int, ...]) -> None:
    """As containers get them that are started in another order than before: each is where another one was."""
    async with machines(tmp_path, *"abcd"[: len(order)]) as made:
        await joined(made)
        for machine in made:
            await machine.stop()
        places = [(machine.address, machine.control_port) for machine in made]
        for machine, place in zip(made, order, strict=True):
            machine.address, machine.control_port = places[place]
        for machine in made:
            await machine.start()
        await until("all links", lambda: all(alive(m) == len(made) - 1 for m in made), 60)
        ports = {machine.name: machine.control_port for machine in made}

        def known(machine: Machine) -> dict[str, int]:
            return {member.name: member.control_port for member in machine.cluster.roster.members}

        await until("all addresses", lambda: all(known(machine) == ports for machine in made), 30)


async def test_refusals_are_told_apart_and_change_nothing(tmp_path: Path) -> None:
    """R20, R22, R56, R61: unreachable, fingerprint, password, cluster full, version, name."""
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        before = b.store.objects

        async def cause(**wish: object) -> Cause:
            with pytest.raises(JoinRefused) as refused:
                await b.join(a, **wish)
            assert b.store.objects == before and not b.cluster.active
            return refused.value.cause

        assert await cause(fingerprint="00" * 20) is Cause.FINGERPRINT
        assert await cause(fingerprint="nonsense") is Cause.FINGERPRINT
        assert await cause(password="wrong") is Cause.PASSWORD
        assert await cause(port=1) is Cause.UNREACHABLE
        assert not a.cluster.active
        a.limit = 1
        assert await cause() is Cause.FULL
        a.limit = 0
        b.version = "0.9.0"
        assert await cause() is Cause.VERSION
        b.version, b.level = "1.0.0", 0
        assert await cause() is Cause.VERSION
        b.level, b.name = 1, "a"
        assert await cause() is Cause.NAME
        b.name = "b"
        await b.store.commit([Put(ObjectId("virtual_servers", "own"), {"basic": {"port": 80}})], AUTHOR)
        before = b.store.objects
        assert await cause() is Cause.SERVICES
        await b.join(a, replace_own=True)
        with pytest.raises(JoinRefused) as refused:
            await b.join(c)
        assert refused.value.cause is Cause.MEMBER


async def test_wrong_passwords_lead_to_waiting(tmp_path: Path) -> None:
    async with machines(tmp_path, "a", "b") as (a, b):
        causes = []
        for _ in range(7):
            with pytest.raises(JoinRefused) as refused:
                await b.join(a, password="wrong")
            causes.append(refused.value.cause)
        assert causes[0] is Cause.PASSWORD and causes[-1] is Cause.WAIT
        login = await a.users.verify("admin", "wrong", "127.0.0.1", "REST")
        assert login.outcome.value == "wait"


async def test_password_changed_at_one_member_counts_at_all(tmp_path: Path) -> None:
    async with machines(tmp_path, "a", "b") as (a, b):
        await a.users.set_password("admin", "of-the-cluster-1")
        await b.join(a, password="of-the-cluster-1")
        right = await b.users.verify("admin", "of-the-cluster-1", "127.0.0.1", "UI")
        assert right.outcome.value == "right"
        await b.users.set_password("admin", "of-the-cluster-2")

        async def counts() -> bool:
            login = await a.users.verify("admin", "of-the-cluster-2", "127.0.0.9", "UI")
            return login.outcome.value == "right"

        for _ in range(100):
            if await counts():
                break
            await asyncio.sleep(0.05)
        assert await counts()


async def test_users_are_made_changed_and_deleted_at_any_member(tmp_path: Path) -> None:
    """A user with groups and a second factor is the same at all members, and gone at all."""
    async with machines(tmp_path, "a", "b") as (a, b):
        await a.users.create("ann", "four unrelated words", ("Demo", "Guest"))
        await b.join(a)
        factor = Factor("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", ("ab", "cd"), api_without_code=True)

        async def agree() -> bool:
            await until("the users are the same", lambda: dict(a.users.accounts) == dict(b.users.accounts))
            return True

        assert await agree()
        assert b.users.accounts["ann"].groups == ("Demo", "Guest")
        token, session = b.users.sessions.begin("ann", "a")
        await b.users.change(
            "ann", lambda account: replace(account, factor=factor, preferences={"k": "v"}), keep=session
        )
        assert await agree()
        assert b.users.sessions.find(token) is session
        assert a.users.accounts["ann"].factor == factor
        stored = (tmp_path / "a" / "store" / "store.db").read_bytes()
        assert factor.secret.encode() not in stored
        await a.users.change("ann", lambda account: replace(account, suspended=True))
        assert await agree()
        assert b.users.sessions.find(token) is None
        await a.users.remove("ann")
        assert await agree()
        assert set(b.users.accounts) == {"admin"}


async def test_a_code_that_two_members_are_given_at_once_is_taken_at_one_at_most(tmp_path: Path) -> None:
    """The others are told before it counts, so neither the network nor a slow disk leaves time to use it twice."""
    secret = new_secret()
    async with machines(tmp_path, "a", "b", "c") as made:
        a, b, _ = made
        await joined(made)
        for machine in made:
            codes = Codes(machine.cluster, machine.users)
            machine.answers[CODE] = codes.answer
        await a.users.change("admin", lambda account: replace(account, factor=Factor(secret)))
        await until("all know it", lambda: all(m.users.accounts["admin"].factor.secret for m in made))

        async def share(user: str, account: Account | None) -> None:
            raise OSError(28, "No space left on device")

        step = int(time.time()) // STEP_SECONDS
        code = code_at(secret, step)
        logins = await asyncio.gather(
            *(m.users.verify_code("admin", code, f"10.0.0.{n}", "UI") for n, m in enumerate(made))
        )
        assert sum(login.outcome is Outcome.RIGHT for login in logins) <= 1
        # Where it cannot be stored, the others know of it all the same.
        b.users.share = share
        later = code_at(secret, step + 1)
        assert (await b.users.verify_code("admin", later, "10.0.0.9", "UI")).outcome is Outcome.RIGHT
        for machine in made:
            again = await machine.users.verify_code("admin", later, "10.0.0.9", "UI")
            assert again.outcome is Outcome.WRONG


async def test_recovery_codes_that_were_used_apart_are_used_up(tmp_path: Path) -> None:
    codes = new_recovery_codes()
    factor = Factor(new_secret(), tuple(map(digest_of, codes)))

    async def use(machine: Machine, number: int) -> Outcome:
        return (await machine.users.verify_code("admin", codes[number], "10.0.0.1", "UI")).outcome

    def left(machine: Machine) -> int:
        return len(machine.users.accounts["admin"].factor.recovery)

    async with machines(tmp_path, "a", "b") as (a, b):
        await b.join(a)
        await a.users.change("admin", lambda account: replace(account, factor=factor))
        await until("b knows them", lambda: left(b) == len(codes))
        await b.stop()
        assert await use(a, 0) is Outcome.RIGHT
        await a.stop()
        await b.start()
        assert await use(b, 1) is Outcome.RIGHT
        await a.start()
        await until("both are used up", lambda: left(a) == left(b) == len(codes) - 2)
        for machine in (a, b):
            assert [await use(machine, number) for number in (0, 1)] == [Outcome.WRONG] * 2


async def test_what_a_person_chose_at_two_members_apart_is_all_kept(tmp_path: Path) -> None:
    """Of one thing that was chosen twice the later choice stands; what was chosen at one side alone is not lost."""

    async def choose(machine: Machine, **chosen: str) -> None:
        await machine.users.change(
            "admin", lambda account: replace(account, preferences={**account.preferences, **chosen})
        )

    def chosen(machine: Machine) -> dict[str, str]:
        return dict(machine.users.accounts["admin"].preferences)

    async with machines(tmp_path, "a", "b") as (a, b):
        await b.join(a)
        await choose(a, theme="light", start="/")
        await until("b follows", lambda: chosen(b) == {"theme": "light", "start": "/"})
        await b.stop()
        await choose(a, theme="dark", filter="of-a")
        await a.stop()
        await b.start()
        await choose(b, theme="contrast", columns="of-b")
        await a.start()
        both = {"theme": "contrast", "start": "/", "filter": "of-a", "columns": "of-b"}
        await until("a has all", lambda: chosen(a) == both)
        await until("b has all", lambda: chosen(b) == both)


async def test_removed_member_is_refused_and_goes_on_alone(tmp_path: Path) -> None:
    """R59: one that was removed finds it out, says so, serves on and does not disturb."""
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await a.put("kept")
        await joined([a, b, c])
        await b.stop()
        await c.cluster.remove(AUTHOR, "b")
        await until("a knows", lambda: [m.name for m in a.cluster.roster.members] == ["a", "c"])
        assert ObjectId("traffic_managers", "b") not in a.store.objects
        await b.start()
        await until("b finds it out", lambda: b.cluster.removed is not None)
        await until("b is alone", lambda: not b.cluster.active)
        assert "memberremoved" in b.tags() and b.has("kept")
        assert ObjectId("traffic_managers", "b") in b.store.objects
        assert [c.code for c in b.cluster.conditions()] == ["cluster.removed"]
        await b.put("disturbs")
        await a.put("after")
        await until("c has it", lambda: c.has("after"))
        assert not a.has("disturbs") and not c.has("disturbs")
        await b.cluster.leave(AUTHOR)
        await b.join(a)
        await until("b is back", lambda: alive(a) == 2)
        assert b.has("after") and not b.has("disturbs")


async def test_connected_member_is_dropped_at_once_when_it_is_removed(tmp_path: Path) -> None:
    async with machines(tmp_path, "a", "b") as (a, b):
        own = Put(ObjectId("traffic_managers", "b"), {"rest_api": {"port": 9071}})
        await b.store.commit([own], AUTHOR)
        await joined([a, b])
        await a.cluster.remove(AUTHOR, "b")
        await until("b finds it out", lambda: b.cluster.removed is not None, 3)
        await until("b keeps its own settings", lambda: b.store.objects.get(own.identity) == own.settings)
        await a.put("secret-plans")
        assert not b.has("secret-plans")


async def test_engines_trust_those_who_are_members_alone(tmp_path: Path) -> None:
    """Each engine shows a certificate of its member's own making, which is trusted until that is removed."""
    async with machines(tmp_path, "a", "b") as (a, b):
        await joined([a, b])
        await until("both know both", lambda: a.cluster.authority == b.cluster.authority)
        shown = [machine.cluster.certificate.partition(b"-----BEGIN PRIVATE")[0] for machine in (a, b)]
        assert b"".join(sorted(shown)) == a.cluster.authority
        assert a.cluster._membership.authority().certificate not in a.cluster.authority
        credential = a.cluster._membership.credential
        assert credential is not None
        # Whoever breaks into the engine must not be the member by that.
        key = b"-----BEGIN PRIVATE" + a.cluster.certificate.partition(b"-----BEGIN PRIVATE")[2]
        assert (
            key.strip() not in credential.private and (a.home / "identity" / "engine.pem").read_bytes() == key
        )
        await b.stop()
        await b.start()
        assert b.cluster.certificate.startswith(shown[1])
        await a.cluster.remove(AUTHOR, "b")
        assert a.cluster.authority == shown[0]


async def test_thief_with_a_removed_disk_is_refused(tmp_path: Path) -> None:
    """The authority's key on that disk does not help either: a certificate for another member has the wrong key."""
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await joined([a, b, c])
        stolen = tmp_path / "stolen"
        await b.stop()
        shutil.copytree(b.home, stolen)
        await a.cluster.remove(AUTHOR, "b")
        await until("c knows", lambda: len(c.cluster.roster.members) == 2)
        credential = Credential.read(stolen / "identity" / "member.pem")
        assert credential is not None
        thief = Machine(stolen, "b")
        await thief.start()
        authority = thief.cluster._membership.authority()
        forged = authority.sign(_request(credential), a.cluster._membership.id)
        for shown in (credential, credential.renewed(forged)):
            assert await _answer(shown, c, stolen) in (b"", b"removed", b"unknown")
        assert "clusterrefused" in c.tags()
        await thief.stop()
        await b.start()


async def test_leaving_and_coming_back(tmp_path: Path) -> None:
    async with machines(tmp_path, "a", "b") as (a, b):
        await joined([a, b])
        await a.put("shared")
        await until("b has it", lambda: b.has("shared"))
        await b.cluster.leave(AUTHOR)
        assert not b.cluster.active and b.has("shared") and b.cluster.removed is None
        assert ObjectId("traffic_managers", "b") in b.store.objects
        assert ObjectId("traffic_managers", "a") not in b.store.objects
        assert not [i for i in b.store.objects if i.type.startswith("cluster/")]
        await until("a knows", lambda: len(a.cluster.roster.members) == 1)
        await a.put("later")
        await b.join(a)
        assert b.has("later")
        with pytest.raises(NotPossible):
            await a.cluster.remove(AUTHOR, "nobody")


async def test_questions_are_answered_by_the_member_that_is_asked(tmp_path: Path) -> None:
    async with machines(tmp_path, "a", "b") as (a, b):
        await joined([a, b])
        answer = await a.cluster.ask("b", {"about": "weather"})
        assert answer == {"asker": "a", "question": {"about": "weather"}, "by": "b"}
        with pytest.raises(Unanswered, match="nobody is not a member"):
            await a.cluster.ask("nobody", {})
        await b.stop()
        await until("b missed", lambda: alive(a) == 0)
        with pytest.raises(Unanswered, match="b: it cannot be reached"):
            await a.cluster.ask("b", {})
        await b.start()


async def test_clock_that_is_hours_ahead_is_named(tmp_path: Path) -> None:
    async with machines(tmp_path, "a", "b", "c") as made:
        await joined(made)
        a = made[0]
        id_of_c = next(m.id for m in a.cluster.view().members if m.name == "c")
        a.cluster._board.hear(id_of_c, {"beat": 1, "state": {}})
        for beat in range(6):
            ahead = round((asyncio.get_running_loop().time() + 2e9 + beat) * 1000)
            a.cluster._board.hear(id_of_c, {"beat": ahead, "state": {}})
        skewed = [member.name for member in a.cluster.view().members if member.skew]
        assert skewed == ["c"]
        assert "cluster.clock" in [condition.code for condition in a.cluster.conditions()]


async def test_mixed_versions_freeze_and_thaw(tmp_path: Path) -> None:
    """R57: while members run different versions people do not change the configuration; it ends by itself."""
    async with machines(tmp_path, "a", "b") as (a, b):
        b.version = "1.1.0"
        await joined([a, b])
        assert "1.0.0 on a" in a.cluster.frozen and "1.1.0 on b" in b.cluster.frozen
        await a.cluster.override(AUTHOR, on=True)
        assert not a.cluster.frozen
        await until("b follows", lambda: not b.cluster.frozen)
        await a.cluster.override(AUTHOR, on=False)
        await a.stop()
        a.version = "1.1.0"
        await a.start()
        await until("it ends", lambda: not a.cluster.frozen and not b.cluster.frozen)
        await until("it is told", lambda: {"versionmismatch", "versionsequal"} <= set(b.tags()))


async def test_lesser_licence_joins_and_is_marked_until_it_is_equal(tmp_path: Path) -> None:
    """R63: members have the same level of functionality; a lesser one joins with an event and a mark."""
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        c.licence = "lesser"
        await joined([a, b, c])
        await until("it is told", lambda: "licensediffers" in a.tags())
        marked = [(str(m.subject), m.code) for m in a.cluster.conditions()]
        assert ("traffic_managers/c", "cluster.licence") in marked
        await c.stop()
        c.licence = "equal"
        await c.start()
        await until("it is equal", lambda: not a.cluster.conditions())


async def test_cluster_larger_than_its_licence_serves_on_and_says_so(tmp_path: Path) -> None:
    """R66: a larger cluster whose licence ends goes on serving, with an event, and takes no new member."""
    async with machines(tmp_path, "a", "b", "c") as (a, b, c):
        await joined([a, b])
        a.limit = 1
        await until("it is told", lambda: "licenseclustertoobig" in a.tags())
        with pytest.raises(JoinRefused, match="permits 1") as refused:
            await c.join(a)
        assert refused.value.cause is Cause.FULL
        await a.put("goes-on")
        await until("b has it", lambda: b.has("goes-on"))


async def test_many_members_pass_on_what_they_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the number up to which everybody is connected to everybody, entries and who is alive are relayed."""
    monkeypatch.setattr("pointsman.cluster.neighbour.FULL_MESH", 3)
    monkeypatch.setattr("pointsman.cluster.mesh.FULL_MESH", 3)
    monkeypatch.setattr("pointsman.cluster.mesh._OTHERS_EACH", 1)
    monkeypatch.setattr("pointsman.cluster.presence.FORGOTTEN_AFAR", 6.0)
    names = [f"m{n}" for n in range(9)]
    async with machines(tmp_path, *names) as made:
        for machine in made[1:]:
            await machine.join(made[0])
        await until("all know all", lambda: all(len(m.cluster.roster.members) == 9 for m in made), 20)
        await made[4].put("relayed")
        await until("everywhere", lambda: all(m.has("relayed") for m in made), 20)
        await until("all know that all live", lambda: all(alive(m) == 8 for m in made), 20)
        begun = time.time()
        await until(
            "all were heard again, after longer than a silent link is kept",
            lambda: all(
                member.heard > begun + SILENCE + 1
                for m in made
                for member in m.cluster.view().members
                if member.state != "here"
            ),
            30,
        )
        for asker in made[:3]:
            for asked in made[3:]:
                answer = await asker.cluster.ask(asked.name, {"about": "relay"})
                assert answer["by"] == asked.name, "also of those that there is no link to"
        assert not [tag for m in made for tag in m.tags() if tag == "machinetimeout"]
        dies = made[5]
        await dies.stop()
        rest = [m for m in made if m is not dies]
        await until("all know", lambda: all(alive(m) == 7 for m in rest), 30)
        await rest[0].put("without-one")
        await until("everywhere", lambda: all(m.has("without-one") for m in rest), 5)
        told = [m.tags().count("machinetimeout") for m in rest]
        assert told == [1] * len(rest)
        await dies.start()


async def test_join_cut_short_is_whole_or_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with machines(tmp_path, "a", "b") as (a, b):

        async def crash(joining: object) -> None:
            raise OSError(28, "the power went")

        monkeypatch.setattr(b.cluster._membership, "complete_join", crash)
        with pytest.raises(JoinRefused):
            await b.join(a)
        await b.stop()
        await b.start()
        assert b.cluster.active
        await until("a knows b", lambda: alive(a) == 1)
        assert ObjectId("traffic_managers", "b") in a.store.objects


def _request(credential: Credential) -> bytes:
    from pointsman.identity.authority import make_request

    return make_request(credential.key)


async def _answer(credential: Credential, machine: Machine, directory: Path) -> bytes:
    """The reason with which a member ends a connection made with some credential; "" for none."""
    context = credential.client_context(directory)
    try:
        reader, writer = await asyncio.open_connection(machine.address, machine.control_port, ssl=context)
        data = await asyncio.wait_for(reader.read(65536), 5)
        writer.close()
    except (ssl.SSLError, OSError):
        return b""
    return data.partition(b'"reason":"')[2].partition(b'"')[0] if b"reason" in data else data
