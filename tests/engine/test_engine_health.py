"""The engine tells balancers itself whether it serves (R7), also without a control plane."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from tests.engine.rig import Objects, Rig, lives, service, until
from tools.instance import free_port
from tools.traffic import Origin

Origins = tuple[Origin, Origin, Origin]


async def ask(port: int, request: str = "GET /healthz") -> tuple[int, str]:
    """Status and body of an answer; (0, "") where nobody answers."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return 0, ""
    try:
        writer.write(f"{request} HTTP/1.1\r\nHost: balancer\r\n\r\n".encode())
        head, _, body = (await asyncio.wait_for(reader.read(), 5)).decode().partition("\r\n\r\n")
        return int(head.split()[1]), body
    finally:
        writer.close()


def with_health(port: int, objects: Objects) -> dict[tuple[str, str], Any]:
    return {**objects, ("traffic_managers", "tm"): {"engine_health": {"port": port}}}


async def test_r7_the_engine_answers_while_it_serves(rig: Rig, origins: Origins) -> None:
    port, health = free_port(), free_port()
    await rig.apply(with_health(health, service(port, origins)), "start")
    assert await ask(health) == (200, "ok")
    assert await ask(health, "HEAD /healthz") == (200, "")
    for other in ("GET /", "GET /healthz/x", "POST /healthz", "GET /stats"):
        assert await ask(health, other) == (404, "")
    await rig.apply(with_health(health, service(port, origins, web={"basic": {"enabled": False}})), "reload")
    assert await ask(health) == (503, "idle")
    await rig.apply(service(port, origins), "reload")
    await until("nobody answers there", lambda: _is(health, 0))


async def _is(port: int, status: int) -> bool:
    return (await ask(port))[0] == status


async def test_r7_a_reload_is_no_trouble(rig: Rig, origins: Origins) -> None:
    port, health = free_port(), free_port()
    await rig.apply(with_health(health, service(port, origins)), "start")
    answers: list[tuple[int, str]] = []

    async def keep_asking() -> None:
        while True:
            answers.append(await ask(health))
            await asyncio.sleep(0.005)

    asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
    for seconds in (11, 12, 13):
        await rig.apply(
            with_health(health, service(port, origins, connection={"max_connect_time": seconds})), "reload"
        )
    seen = len(answers)
    await until("it was asked again", lambda: len(answers) > seen + 50)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert set(answers) == {(200, "ok")}


async def test_r7_an_engine_that_ends_refuses_at_once(rig: Rig, origins: Origins) -> None:
    """What is running is finished meanwhile, and whoever asks is sent elsewhere."""
    port, health = free_port(), free_port()
    await rig.apply(with_health(health, service(port, origins)), "start")
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 10\r\n\r\nfive.")
    await writer.drain()
    await until("the request is on its way", lambda: _sessions(rig))
    _, worker = await rig.running()
    assert rig.launcher is not None
    rig.launcher.send_signal(signal.SIGTERM)
    await until("nobody answers there", lambda: _is(health, 0), 5.0)
    assert lives(worker)
    writer.close()


async def _sessions(rig: Rig) -> bool:
    return " fe=vs-web" in await rig.runtime("show sess")


async def test_r7_a_silent_crowd_is_sent_away(rig: Rig, origins: Origins) -> None:
    port, health = free_port(), free_port()
    await rig.apply(with_health(health, service(port, origins)), "start")
    crowd = [await asyncio.open_connection("127.0.0.1", health) for _ in range(300)]
    assert await ask(health) == (200, "ok")
    for reader, _ in crowd:
        await asyncio.wait_for(reader.read(), 20)
    for _, writer in crowd:
        writer.close()
