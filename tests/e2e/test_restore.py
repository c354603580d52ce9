"""Undo: the configuration of an earlier revision comes back as a new transaction, and the engine follows."""

from __future__ import annotations

import asyncio

from tests.e2e.test_traffic import Origins, in_force, request, service
from tools.instance import Instance, free_port, wait_for


async def test_an_earlier_revision_comes_back(instance: Instance, origins: Origins) -> None:
    port = free_port()
    await asyncio.to_thread(service, instance, port, [{"node": origin.node} for origin in origins])
    history = await asyncio.to_thread(instance.get, "status/local_tm/history")
    good = history["history"][0]["revision"]
    only = {"basic": {"nodes_table": [{"node": origins[0].node}], "note": "a mistake"}}
    assert (await asyncio.to_thread(instance.put, "pools", "app", only))[0] == 200
    await asyncio.to_thread(wait_for, "the mistake is in force", lambda: in_force(instance))
    assert set(await request(port, 30)) == {"a"}

    status, body = await asyncio.to_thread(
        instance.rest, "PUT", f"status/local_tm/history/{good}?restore", {}
    )
    assert (status, body) == (200, {"revision": good + 2})
    await asyncio.to_thread(wait_for, "it is in force", lambda: in_force(instance))
    assert set(await request(port, 30)) == {"a", "b", "c"}
    newest = (await asyncio.to_thread(instance.get, "status/local_tm/history"))["history"][0]
    assert newest["reason"] == f"restore of revision {good}"
    for wrong in ("0", "999", "x", "-1"):
        status, body = await asyncio.to_thread(
            instance.rest, "PUT", f"status/local_tm/history/{wrong}?restore", {}
        )
        assert (status, body["error_id"]) == (404, "resource.not_found")
