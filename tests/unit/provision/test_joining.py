"""An instance in which nothing runs joins a real member: tries, names, refusals, and what is cut short."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tools.machine import PASSWORD, Machine

from pointsman import __version__
from pointsman.cluster.joining import JoinWish
from pointsman.cluster.membership import Membership
from pointsman.cluster.refusal import Cause
from pointsman.identity.called import read_called
from pointsman.outbound.pinned import Fingerprints
from pointsman.provision.cluster import become_member
from pointsman.provision.configure.dialogue import Wrong
from pointsman.provision.configure.peer import admin_servers
from pointsman.provision.joining import CannotJoin, Telling, join
from pointsman.provision.log import ProvisionLog
from pointsman.provision.outcome import CannotProvision, Exit
from pointsman.provision.surroundings import outward_address
from pointsman.provision.variable import Variables
from pointsman.schema.problem import ObjectId
from pointsman.schema.registry import STORED
from pointsman.store import Store

UNKNOWN = "no-such-host.invalid"


class Told(Telling):
    """Everything that a join said."""

    def __init__(self) -> None:
        self.all: list[tuple[object, ...]] = []

    def trusted(self, seen: Fingerprints) -> None:
        self.all.append(("trusted", seen.sha256))

    def failed(self, text: str, pause: float) -> None:
        self.all.append(("failed", pause))

    def unresolved(self, text: str, address: str) -> None:
        self.all.append(("unresolved", address))


@contextlib.asynccontextmanager
async def member(directory: Path) -> AsyncIterator[Machine]:
    """The first member of a cluster, with a pool."""
    machine = Machine(directory / "peer", "peer")
    machine.version = __version__
    await machine.start()
    try:
        await machine.put("before")
        yield machine
    finally:
        await machine.stop()


def wish(peer: Machine, **more: Any) -> JoinWish:
    return replace(
        JoinWish("127.0.0.1", peer.ui_port, peer.certificate.sha1, "admin", PASSWORD, replace_own=True),
        **more,
    )


async def pools(home: Path) -> set[str]:
    """The pools that are stored in a home."""
    store = await Store.open(home / "store", STORED)
    try:
        return {identity.name for identity in store.objects if identity.type == "pools"}
    finally:
        await store.close()


async def test_the_configuration_is_there_before_anything_runs(tmp_path: Path) -> None:
    """R20, R23: the home holds the cluster's configuration, users and a name; joining again asks nobody."""
    home, told = tmp_path / "home", Told()
    async with member(tmp_path) as peer:
        await join(home, "localhost", wish(peer), told)
        assert "before" in await pools(home)
    joined = await join(home, "localhost", JoinWish("127.0.0.1", 1, "", "", ""), told)
    assert (joined.name, joined.again, told.all) == ("localhost", True, [])
    called = read_called(home)
    assert called is not None
    assert called.name == "localhost"
    assert (home / "identity" / "users.json").read_bytes() == (
        peer.home / "identity" / "users.json"
    ).read_bytes()


@pytest.mark.skipif(not outward_address(), reason="the machine has no address that could be a name")
async def test_a_name_that_the_peer_cannot_resolve_gives_way_to_the_address(tmp_path: Path) -> None:
    """R5: the address of the default route is name and nameip, and that is told; who insists keeps the name."""
    home, told, address = tmp_path / "home", Told(), outward_address()
    async with member(tmp_path) as peer:
        joined = await join(home, UNKNOWN, wish(peer, fingerprint=""), told)
        assert joined.name == address
        seen = ("trusted", peer.certificate.sha256)
        assert told.all == [seen, ("unresolved", address), seen]
        await join(tmp_path / "other", UNKNOWN, wish(peer), told, insist=True)
    store = await Store.open(home / "store", STORED)
    try:
        own = store.objects[ObjectId("traffic_managers", address)]
        assert own["basic"]["nameip"] == address
    finally:
        await store.close()
    assert [called.name for called in map(read_called, (home, tmp_path / "other")) if called] == [
        address,
        UNKNOWN,
    ]


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"password": "wrong"}, Cause.PASSWORD),
        ({"fingerprint": "AA" * 20}, Cause.FINGERPRINT),
        ({"fingerprint": "AA" * 32}, Cause.FINGERPRINT),
        ({"port": 1}, Cause.UNREACHABLE),
    ],
)
async def test_a_refusal_leaves_the_home_as_it_was(
    tmp_path: Path, changed: dict[str, Any], cause: Cause
) -> None:
    """R20, R22: each cause is told apart, and nothing is left that could be taken for an instance."""
    home = tmp_path / "home"
    (home / "identity").mkdir(parents=True)
    (home / "identity" / "kept").write_text("kept")
    async with member(tmp_path) as peer:
        with pytest.raises(CannotJoin) as refused:
            await join(home, "localhost", wish(peer, **changed), Told(), seconds=0.0)
        assert refused.value.cause is cause
        assert not peer.cluster.active or [one.name for one in peer.cluster.roster.members] == ["peer"]
    assert [str(path.relative_to(home)) for path in sorted(home.rglob("*"))] == ["identity", "identity/kept"]


async def test_a_peer_that_comes_late_is_joined(tmp_path: Path) -> None:
    """R20: what cannot be reached is tried again."""
    home, told = tmp_path / "home", Told()
    late = Machine(tmp_path / "peer", "peer")
    late.version = __version__
    await late.start()
    await late.stop()
    task = asyncio.create_task(join(home, "localhost", wish(late), told))
    while not told.all:
        await asyncio.sleep(0.01)
    await late.start()
    try:
        assert (await task).name == "localhost"
        assert {one[0] for one in told.all} == {"failed"}
    finally:
        await late.stop()


@pytest.mark.parametrize("cut", ["complete_join", "adopt"])
async def test_what_is_cut_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str) -> None:
    """R25: after the configuration was taken over, the next start needs no peer; before, it asks anew."""
    home = tmp_path / "home"

    class Killed(BaseException):
        pass

    async def killed(*_: object, **__: object) -> None:
        raise Killed

    async with member(tmp_path) as peer:
        with monkeypatch.context() as patch:
            patch.setattr(Membership if cut == "complete_join" else Store, cut, killed)
            with pytest.raises(Killed):
                await join(home, "localhost", wish(peer), Told())
        peer.cluster.host.places._held.clear()  # two minutes later
        again = wish(peer) if cut == "adopt" else wish(peer, port=1)
        joined = await join(home, "localhost", again, Told(), seconds=0.0)
        assert joined.again is (cut == "complete_join")
    assert "before" in await pools(home)


def in_a_thread(act: Callable[[], Any]) -> Coroutine[Any, Any, Any]:
    """What has a loop of its own, beside the member's."""
    return asyncio.to_thread(act)


@pytest.mark.parametrize(
    ("setting", "changed", "said"),
    [
        ({"limit": 1}, {}, "cluster full: the cluster has 1 members, and its licence permits 1"),
        ({"version": "99.0"}, {}, f"version: the instance runs version {__version__}"),
        ({"name": "localhost"}, {}, "name: "),
        ({}, {"password": "wrong"}, "password: user name or password"),
        ({}, {"cluster_fingerprint": "AA" * 20}, "fingerprint: "),
        ({}, {"cluster_port": 1}, "unreachable: 127.0.0.1:1 cannot be reached"),
    ],
)
async def test_the_log_has_a_word_for_each_cause(
    tmp_path: Path, setting: dict[str, Any], changed: dict[str, Any], said: str
) -> None:
    """R20, R56, R61, R66: unreachable, fingerprint, password, cluster full, version, name; each ends the start with
    15."""
    screen = io.StringIO()
    log = ProvisionLog(tmp_path / "log", screen=screen)
    async with member(tmp_path) as peer:
        for name, value in setting.items():
            setattr(peer, name, value)
        variables = Variables(password=PASSWORD, cluster_name="127.0.0.1", cluster_port=peer.ui_port)

        def start() -> None:
            become_member(
                tmp_path / "home",
                replace(variables, **changed),
                log,
                lambda address: None,
                name="localhost",
                insist=False,
                seconds=0.0,
            )

        with pytest.raises(CannotProvision) as refused:
            await in_a_thread(start)
    assert refused.value.status is Exit.CLUSTER
    assert f": {said}" in str(refused.value)
    assert PASSWORD not in screen.getvalue() + str(refused.value)


async def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    """R20: ZEUS_PASS_FILE holds the cluster administrator's password as ZEUS_PASS would."""
    file = tmp_path / "secret"
    file.write_text(f"{PASSWORD}\n")
    screen = io.StringIO()
    log = ProvisionLog(tmp_path / "log", screen=screen)
    async with member(tmp_path) as peer:
        variables = Variables(password_file=str(file), cluster_name="127.0.0.1", cluster_port=peer.ui_port)

        def start() -> None:
            become_member(
                tmp_path / "home", variables, log, lambda address: None, name="localhost", insist=False
            )

        await in_a_thread(start)
    assert "before" in await pools(tmp_path / "home")
    assert f"SHA-1 {peer.certificate.sha1}, SHA-256 {peer.certificate.sha256}" in screen.getvalue()
    assert PASSWORD not in screen.getvalue()


async def test_the_table_has_every_member_and_what_the_asked_one_shows(tmp_path: Path) -> None:
    """R43, R44: the admin servers of all members, the one that was asked first, with what it really shows."""
    async with member(tmp_path) as peer:
        other = Machine(tmp_path / "other", "other", "127.0.0.2")
        other.version = __version__
        await other.start()
        try:
            await other.join(peer)
            found = await in_a_thread(lambda: admin_servers("localhost", peer.ui_port))
        finally:
            await other.stop()
    seen = Fingerprints(peer.certificate.sha1, peer.certificate.sha256)
    assert found[0].place == f"localhost:{peer.ui_port}"
    # The tests' members share one certificate, so that the second is the first's own row.
    assert all(server.seen == seen for server in found)


def test_a_peer_that_is_not_there_is_named() -> None:
    """R43: a machine that cannot be contacted is named, with the cause."""
    with pytest.raises(Wrong, match=r"Cannot connect to remote host 127\.0\.0\.1:1 "):
        admin_servers("127.0.0.1", 1)
    for name in (UNKNOWN, "a\udcff", "x" * 300, ".."):
        with pytest.raises(Wrong, match="Cannot connect"):
            admin_servers(name, 9090)
