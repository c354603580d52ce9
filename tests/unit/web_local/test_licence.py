"""Licences over the control socket."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
from tests.licences import FINGERPRINT, STRANGER, licence_key
from tests.running import AUTHOR, running

from pointsman.control.licensing import Edition
from pointsman.identity.user import Users
from pointsman.schema.problem import ObjectId
from pointsman.web.local.app import make_app


def wish(serial: str, text: bytes) -> dict[str, object]:
    """A request that installs a key."""
    content = base64.b64encode(text).decode()
    return {"objects": [{"type": "license_keys", "name": serial, "content": content}], "wait": 10}


async def test_keys_are_shown_and_removed(tmp_path: Path) -> None:
    async with running(tmp_path, Edition()) as manager:
        users, _ = await Users.open(tmp_path, on_event=manager.events.append, given="first password")
        transport = httpx.ASGITransport(make_app(manager.control, users), client=("local:ann", 0))
        async with httpx.AsyncClient(transport=transport, base_url="http://local") as client:
            shown = (await client.get("/licence")).json()
            assert (shown["source"], shown["choice_open"], shown["keys"]) == ("community", True, [])
            await manager.control.put_file(AUTHOR, ObjectId("license_keys", "A1"), licence_key())
            await manager.control.put_file(AUTHOR, ObjectId("license_keys", "twin"), licence_key())
            shown = (await client.get("/licence")).json()
            assert (shown["source"], shown["issuers"]) == ("A1", [FINGERPRINT])
            removed = await client.post("/licence/remove", json={"serial": "A1"})
            assert (removed.status_code, removed.json()["keys"]) == (200, [])
            for body in ('{"serial": "A1"}', '{"serial": 7}', "{}", "[]", "", "[" * 100_000):
                answer = await client.post("/licence/remove", content=body)
                assert [problem["code"] for problem in answer.json()["problems"]] == ["request.invalid"]
            (newest, *_) = await manager.control.transactions(limit=1)
            assert newest.author.name == "local:ann"
            assert {change.identity.name for change in newest.changes} == {"A1", "twin"}


async def test_foreign_keys_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path, Edition()) as manager:
        users, _ = await Users.open(tmp_path, on_event=manager.events.append, given="first password")
        transport = httpx.ASGITransport(make_app(manager.control, users), client=("local:ann", 0))
        async with httpx.AsyncClient(transport=transport, base_url="http://local") as client:
            assert (await client.post("/apply", json=wish("A1", licence_key()))).status_code == 200
            answer = await client.post("/apply", json=wish("F", licence_key("F", issuer=STRANGER)))
            assert [problem["code"] for problem in answer.json()["problems"]] == ["licence.unauthorized"]
