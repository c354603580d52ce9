"""The instance's certificate over the control socket."""

from __future__ import annotations

from pathlib import Path

import httpx
from tests.certificates import self_signed
from tests.running import running

from pointsman.identity.user import Users
from pointsman.web.local.app import make_app


async def test_it_is_shown_and_replaced(tmp_path: Path) -> None:
    """R46: the fingerprints are at hand where the instance runs."""
    async with running(tmp_path) as manager:
        users, _ = await Users.open(tmp_path, on_event=manager.events.append, given="first password")
        transport = httpx.ASGITransport(make_app(manager.control, users), client=("local:ann", 0))
        async with httpx.AsyncClient(transport=transport, base_url="http://local") as client:
            before = (await client.get("/certificate")).json()["certificate"]
            assert before["subject"] == "CN=pm1"
            public, private = self_signed("pm1.example")
            pair = {"public": public, "private": private}
            answer = await client.post("/certificate", json=pair)
            assert answer.status_code == 200
            assert answer.json() == (await client.get("/certificate")).json()
            assert answer.json()["certificate"]["sha1"] != before["sha1"]
            assert "PRIVATE" not in answer.text
            (event,) = [event for event in manager.events if event.tag == "certreplaced"]
            assert event.author == "local:ann"
            wrong = await client.post("/certificate", json={**pair, "private": self_signed("x")[1]})
            assert [problem["code"] for problem in wrong.json()["problems"]] == ["certificate.refused"]
            for body in ('{"public": "x"}', '{"public": 7, "private": ""}', "[]", "", "[" * 100_000):
                answer = await client.post("/certificate", content=body)
                assert [problem["code"] for problem in answer.json()["problems"]] == ["request.invalid"]
