"""A disk that takes no writes: traffic goes on, whoever asks is told why, and it works again when there is space."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.test_deaths import settled
from tests.e2e.test_traffic import Origins, failed_nodes, in_force, request, service
from tools.instance import SOURCE, Instance, free_port, wait_for


def tags(instance: Instance) -> list[str]:
    """Tags of the newest events."""
    return [event["tag"] for event in instance.get("status/local_tm/events")["events"]]


async def test_files_of_the_engine_that_cannot_be_written_stop_nothing(
    instance: Instance, origins: Origins
) -> None:
    port = free_port()
    await asyncio.to_thread(service, instance, port, [{"node": origin.node} for origin in origins])
    before = await asyncio.to_thread(settled, instance)
    obstacle = instance.home / "engine" / "servers.state.new"
    await asyncio.to_thread(wait_for, "health is not being saved", lambda: not obstacle.exists())
    obstacle.mkdir()
    try:
        await origins[1].stop()  # a node that turns is a reason to write
        await request(port, 60)
        await asyncio.to_thread(wait_for, "the disk is named", lambda: "diskfailed" in tags(instance))
        assert await asyncio.to_thread(failed_nodes, instance)
    finally:
        obstacle.rmdir()
    assert instance.processes() == before
    nodes = [{"node": origins[0].node}]
    status, body = await asyncio.to_thread(instance.put, "pools", "app", {"basic": {"nodes_table": nodes}})
    assert status == 200, body
    await asyncio.to_thread(wait_for, "the change is in force", lambda: in_force(instance))
    assert set(await request(port, 20)) == {"a"}
    assert tags(instance).count("diskfailed") == 1


def test_a_change_that_does_not_reach_the_disk_says_so(instance: Instance) -> None:
    def put(note: str) -> tuple[int, Any]:
        return instance.put("pools", "app", {"basic": {"note": note}})

    assert put("one")[0] == 201
    refuse = "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    with contextlib.closing(sqlite3.connect(instance.home / "store" / "store.db")) as store:
        store.execute(f"CREATE TRIGGER full BEFORE INSERT ON log {refuse}")
        for status, body in (put("two"), instance.rest("DELETE", "config/active/pools/app")):
            assert status == 507, body
            assert body["error_id"] == "storage.failed"
            assert "free space" in body["error_text"]
        store.execute("DROP TRIGGER full")
    assert instance.get("config/active/pools/app")["properties"]["basic"]["note"] == "one"
    assert put("two")[0] == 200


def test_a_first_start_without_space_is_one_line(tmp_path: Path) -> None:
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = ["--rest-port", "0", "--ui-port", "0", "--control-port", "0"]
    ended = subprocess.run(
        [sys.executable, "-m", "pointsman", "run", "--home", str(tmp_path / "home"), *words],
        capture_output=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        preexec_fn=little,
    )
    assert ended.returncode == 1, ended
    said = ended.stderr.decode().strip().splitlines()
    assert len(said) == 1 and "free space" in said[0], said
