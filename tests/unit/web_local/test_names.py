"""The traffic manager's name over the control socket."""

from __future__ import annotations

from pathlib import Path

import httpx
from tests.running import running

from pointsman.identity.called import Called, Wish, read_called, write_called
from pointsman.identity.user import Users
from pointsman.web.local.app import make_app


async def test_it_is_shown_and_replaced(tmp_path: Path) -> None:
    """R49, R50: names of others are told to the configure script; the switch is here as on the page."""
    async with running(tmp_path) as manager:
        write_called(tmp_path, Called("pm1", "1"))
        users, _ = await Users.open(tmp_path, on_event=manager.events.append, given="first password")
        transport = httpx.ASGITransport(make_app(manager.control, users), client=("local:ann", 0))
        async with httpx.AsyncClient(transport=transport, base_url="http://local") as client:
            assert (await client.get("/name")).json() == {
                "name": "pm1",
                "is_address": False,
                "addresses": ["10.0.0.1", "10.0.0.2"],
                "others": [],
            }
            answer = await client.post("/name", json={"address": "10.0.0.1"})
            assert answer.json() == {"restarts": False}
            assert read_called(tmp_path) == Called("pm1", "1", Wish("10.0.0.1", "local:ann", "", "cli"))
            wrong = await client.post("/name", json={"address": ""})
            assert [problem["code"] for problem in wrong.json()["problems"]] == ["name.refused"]
            for body in ('{"address": 7}', "[]", "", "[" * 100_000):
                answer = await client.post("/name", content=body)
                assert [problem["code"] for problem in answer.json()["problems"]] == ["request.invalid"]
