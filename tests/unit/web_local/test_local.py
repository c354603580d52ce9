"""The control socket's application, and edits that meet other edits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from tests.running import AUTHOR, running

from pointsman.control.error import Conflict
from pointsman.identity.user import Outcome, Users
from pointsman.schema.problem import ObjectId
from pointsman.store import Put
from pointsman.web.local.app import make_app

POOL = ObjectId("pools", "p")


def body(**basic: object) -> dict[str, object]:
    """A request that sets keys of one pool."""
    described = {"type": "pools", "name": "p", "settings": {"basic": basic}}
    return {"objects": [described], "wait": 10}


async def test_edits_from_an_old_state_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        control = manager.control
        base = control.revision
        await control.edit(AUTHOR, [Put(POOL, {"basic": {"note": "one"}})], base=base)
        with pytest.raises(Conflict):
            await control.edit(AUTHOR, [Put(POOL, {"basic": {"note": "two"}})], base=base)
        other = ObjectId("pools", "other")
        await control.edit(AUTHOR, [Put(other, {})], base=base)
        assert control.settings(POOL) == {"basic": {"note": "one"}}


async def test_applies_at_the_same_moment_lose_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        users, _ = await Users.open(tmp_path, on_event=manager.events.append, given="first password")
        transport = httpx.ASGITransport(make_app(manager.control, users), client=("local:ann", 0))
        async with httpx.AsyncClient(transport=transport, base_url="http://local") as client:
            keys = {"note": "n", "passive_monitoring": False, "max_connection_attempts": 3}
            answers = await asyncio.gather(
                *(client.post("/apply", json=body(**{name: value})) for name, value in keys.items())
            )
            assert [answer.status_code for answer in answers] == [200, 200, 200]
            assert manager.control.settings(POOL) == {"basic": keys}
            (newest, *_) = await manager.control.transactions(limit=1)
            assert (newest.author.name, newest.author.surface) == ("local:ann", "cli")
            again = (await client.post("/apply", json=body(**keys))).json()
            assert (again["changes"], again["in_force"]) == ([], True)


async def test_conditions_and_diff_change_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        users, _ = await Users.open(tmp_path, on_event=manager.events.append, given="first password")
        transport = httpx.ASGITransport(make_app(manager.control, users), client=("local:ann", 0))
        async with httpx.AsyncClient(transport=transport, base_url="http://local") as client:
            revision = manager.control.revision
            shown = (await client.post("/diff", json=body(monitors=["nowhere"]))).json()
            assert [condition["standing"] for condition in shown["conditions"]] == ["warning"]
            assert manager.control.revision == revision
            assert (await client.get("/conditions")).json()["conditions"] == []
            assert (await client.get("/status")).json()["level"] == "ok"
            assert (await client.get("/apply")).status_code == 405


@pytest.mark.parametrize(
    "extra",
    [
        b'"reason": "\\ud800"',
        b'"reason": "' + b"x" * 100_000 + b'"',
        b'"wait": "soon"',
        b'"wait": ' + b"9" * 5000,
    ],
)
async def test_strange_reasons_and_times_are_refused(tmp_path: Path, extra: bytes) -> None:
    async with running(tmp_path) as manager:
        users, _ = await Users.open(tmp_path, on_event=manager.events.append, given="first password")
        transport = httpx.ASGITransport(make_app(manager.control, users), client=("local:ann", 0))
        async with httpx.AsyncClient(transport=transport, base_url="http://local") as client:
            objects = b'{"objects": [{"type": "pools", "name": "p", "settings": {"basic": {"note": "x"}}}], '
            answer = await client.post("/apply", content=objects + extra + b"}")
            assert answer.status_code == 400
            assert [problem["code"] for problem in answer.json()["problems"]] == ["request.invalid"]
            assert manager.control.settings(POOL) is None
            answer = await client.post("/apply", content=objects + b'"wait": NaN}')
            assert answer.status_code == 200


async def test_a_password_is_set_as_it_is_given_and_ends_sessions(tmp_path: Path) -> None:
    """R43: the configure script sets the administrator's password of a running instance at once."""
    async with running(tmp_path) as manager:
        users, _ = await Users.open(tmp_path, on_event=manager.events.append, given="first password")
        transport = httpx.ASGITransport(make_app(manager.control, users), client=("local:ann", 0))
        async with httpx.AsyncClient(transport=transport, base_url="http://local") as client:
            users.sessions.begin("admin", "192.0.2.7")
            answer = await client.post("/password", json={"user": "admin", "password": "admin"})
            assert answer.status_code == 200
            assert len(users.sessions) == 0
            assert (await users.verify("admin", "first password", "a", "UI")).outcome is Outcome.WRONG
            assert (await users.verify("admin", "admin", "a", "UI")).outcome is Outcome.RIGHT
            wishes: tuple[object, ...] = (
                {"user": "ann", "password": "x"},
                {"user": "admin", "password": ""},
                {},
                [],
            )
            for wrong in wishes:
                refused = await client.post("/password", json=wrong)
                assert refused.status_code == 400
                assert refused.json()["problems"][0]["message"]
            assert "s3cret" not in (await client.post("/password", content=b'{"password": "s3cret",')).text
