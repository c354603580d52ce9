"""Requests on kept connections to nodes: none is lost when a node closes one just as it is used again."""

from __future__ import annotations

import asyncio

from tests.engine.rig import Rig, service
from tools.instance import free_port
from tools.traffic import Load


class Fickle:
    """An origin that closes a kept connection, unanswered, when the next request arrives on it."""

    def __init__(self) -> None:
        self.answered: list[str] = []
        self.closed_on: list[str] = []
        self.node = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for number in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                method = head.split(b" ")[0].decode()
                if number == 1:
                    self.closed_on.append(method)
                    return
                if b"content-length: 3" in head.lower():
                    await reader.readexactly(3)
                self.answered.append(method)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def test_no_request_is_lost_on_a_reused_connection(rig: Rig) -> None:
    origin = Fickle()
    server = await asyncio.start_server(origin.handle, "127.0.0.1", 0)
    try:
        origin.node = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        port = free_port()
        # Errors of this origin are not a dead node.
        await rig.apply(service(port, [origin], basic={"passive_monitoring": False}), "start")
        report = await Load(port, clients=4, methods=("GET", "POST"), limit=360).run(30)
        assert not report.failed, report.failed
        assert report.answered == {"ok": 360}
        assert len(origin.answered) == 360
        assert set(origin.closed_on) == {"GET"}, "only what may be repeated goes out on kept connections"
        assert len(origin.closed_on) > 10
    finally:
        server.close()
        await server.wait_closed()
