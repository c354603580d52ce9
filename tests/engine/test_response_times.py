"""What a real HAProxy tells of response times: to whom, how much, and what it costs when nobody listens."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from tests.engine.rig import Rig, engine_account, request, service, started, until
from tests.origin import delaying
from tools.instance import free_port
from tools.traffic import Origin

from pointsman.compiler.haproxy.response_times import SHARE, SHARE_VARIABLE
from pointsman.engine.haproxy.account import NOBODY, Account, open_home
from pointsman.engine.haproxy.response_times import ResponseTimes
from pointsman.schema.sample import Answered

EVERY = 10**8
"""A share at which each request is told."""

Origins = tuple[Origin, Origin, Origin]


@pytest.fixture
def heard(rig: Rig) -> Iterator[ResponseTimes]:
    found = ResponseTimes(rig.home, rig.account)
    found.open()
    yield found
    found.close()


async def told(heard: ResponseTimes, count: int) -> Sequence[Answered]:
    """What is told from now on until it is so many answers."""
    found: list[Answered] = []

    def enough() -> bool:
        found.extend(heard.take())
        return len(found) >= count

    await until(f"{count} answers are told", enough)
    return found


async def set_share(rig: Rig, share: int) -> None:
    """How many hundredths of a line a second each frontend may send from now on."""
    await rig.runtime(f"experimental-mode on; set var {SHARE_VARIABLE} int({share})")
    assert f"<{share}>" in await rig.runtime(f"get var {SHARE_VARIABLE}")


async def test_a_worker_to_which_the_home_is_closed_tells_in_a_directory_of_roots(
    home: Path, origins: Origins
) -> None:
    """The engine starts as root, and its worker becomes a user who cannot enter the home."""
    if engine_account() is None:
        pytest.skip("only root may let the worker become another user")
    nobody = Account(NOBODY, NOBODY)
    rig = Rig(home)
    rig.account = None
    rig.engine = rig.control_plane()
    open_home(home, None)
    heard = ResponseTimes(home, None, nobody)
    rig.times_socket, rig.known = heard.path, {"worker_user": NOBODY, "worker_group": NOBODY}
    heard.open()
    try:
        async with started(rig):
            port = free_port()
            await rig.apply(service(port, origins), "start")
            assert Path(f"/proc/{(await rig.running())[1]}").stat().st_uid == NOBODY
            await request(port, 1)
            await told(heard, 1)
            assert stat.S_IMODE(heard.path.parent.stat().st_mode) == 0o750
            assert heard.path.parent.stat().st_uid == 0
    finally:
        heard.close()
    assert not heard.path.parent.exists()


async def test_each_request_of_a_light_load_is_told(rig: Rig, heard: ResponseTimes) -> None:
    port = free_port()
    with delaying() as origin:
        await rig.apply(service(port, [origin]), "start")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            for number, (method, path) in enumerate([("GET", "/0"), ("GET", "/150"), ("POST", "/")] * 3):
                if method == "GET":
                    assert (await client.request(method, path)).status_code == 200
                else:
                    await client.request(method, path)  # this origin knows none: an answer of 501
                (answer,) = await told(heard, 1)
                assert answer.weight == 100
                assert rig.plan is not None
                assert rig.plan.proxies[answer.listener].subject.name == "web"  # type: ignore[union-attr]
                assert rig.plan.proxies[answer.pool].subject.name == "app"  # type: ignore[union-attr]
                assert answer.waited >= answer.responded >= (149 if path == "/150" else 0), number


async def test_a_node_that_does_not_answer_counts_with_the_time_its_clients_waited(
    rig: Rig, heard: ResponseTimes
) -> None:
    port = free_port()
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        nodes = [{"node": f"127.0.0.1:{silent.getsockname()[1]}"}]
        await rig.apply(service(port, nodes, connection={"max_reply_time": 1}), "start")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            assert (await client.post("/")).status_code == 504
        (answer,) = await told(heard, 1)
        assert answer.waited == answer.responded
        assert answer.waited >= 1000
    finally:
        silent.close()


async def test_a_heavy_load_is_told_in_part(rig: Rig, origins: Origins, heard: ResponseTimes) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    await set_share(rig, 300)  # three lines a second
    await request(port, 800)
    found = await told(heard, 2)
    assert len(found) < 200
    assert sum(answer.weight for answer in found) > len(found) * 100


async def test_a_worker_that_does_not_know_is_told_the_share(
    rig: Rig, origins: Origins, heard: ResponseTimes
) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    await set_share(rig, 5000)
    await request(port, 1)
    await told(heard, 1)
    await heard.adjust()
    assert f"<{SHARE}>" in await rig.runtime(f"get var {SHARE_VARIABLE}")
    await set_share(rig, 5000)
    await heard.adjust()
    assert "<5000>" in await rig.runtime(f"get var {SHARE_VARIABLE}"), "nothing new was heard"


async def test_it_goes_on_after_a_reload_and_a_return(
    rig: Rig, origins: Origins, heard: ResponseTimes
) -> None:
    port, other = free_port(), free_port()
    objects = service(port, origins)
    await rig.apply(objects, "start")
    await request(port, 1)
    await told(heard, 1)
    more = {**objects, ("virtual_servers", "more"): service(other, [])["virtual_servers", "web"]}
    await rig.apply(more, "reload")
    await request(other, 1)
    (answer,) = await told(heard, 1)
    assert rig.plan is not None
    assert rig.plan.proxies[answer.listener].subject.name == "more"  # type: ignore[union-attr]
    heard.close()
    await set_share(rig, EVERY)
    await request(port, 20)
    again = ResponseTimes(rig.home, rig.account)
    again.open()
    try:
        await request(port, 1)
        await told(again, 1)
    finally:
        again.close()


async def test_no_request_waits_for_who_does_not_listen(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    await set_share(rig, EVERY)
    await request(port, 300)  # nobody was ever there
    place = rig.times_socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mute:
        mute.bind(str(place))
        if rig.account is not None:
            rig.account.let_write(place)
        await request(port, 2000)  # its queue is full after a few
        mute.setblocking(False)
        lines = [mute.recv(512)]
        with pytest.raises(BlockingIOError):
            while True:
                lines.append(mute.recv(512))
        assert len(lines) < 2000
    await request(port, 300)  # its file is there, and nobody behind it


async def test_a_line_holds_ids_and_times_alone(rig: Rig) -> None:
    port = free_port()
    place = rig.times_socket
    with delaying() as origin, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        await rig.apply(service(port, [origin]), "start")
        listener.bind(str(place))
        if rig.account is not None:
            rig.account.let_write(place)
        listener.settimeout(10)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            client.headers["Cookie"] = client.headers["Authorization"] = "secret"
            assert (await client.get("/1?secret=secret")).status_code == 200
        line = listener.recv(512)
        _, worker = await rig.running()
        assert re.fullmatch(rb"%d vs-web-\w+ pool-app-\w+:http 200( \d+){7}\n" % worker, line), line
        # What is no request reaches no frontend, and nobody is told of it.
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client_socket:
            client_socket.sendall(b"secret\r\n\r\n")
            assert client_socket.recv(100).startswith(b"HTTP/1.1 400")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            assert (await client.get("/1")).status_code == 200
        assert b" 200 " in listener.recv(512)


async def test_strange_datagrams_do_no_harm(rig: Rig, origins: Origins, heard: ResponseTimes) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    place = str(rig.times_socket)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.setblocking(False)
        for number in range(3000):
            try:
                stranger.sendto((b"", b"\xff" * 400, b"x" * 60_000, b"1 2 3\n")[number % 4], place)
            except BlockingIOError:
                continue
    answers: list[Answered] = []

    async def is_told() -> bool:
        await request(port, 1)
        answers.extend(heard.take())
        return bool(answers)

    await until("requests are told", is_told)
    assert rig.plan is not None
    assert {answer.listener for answer in answers} <= set(rig.plan.proxies)


def test_only_the_engine_may_write_to_the_socket(rig: Rig, heard: ResponseTimes) -> None:
    place = rig.times_socket
    found = place.stat()
    assert found.st_uid == os.geteuid()
    if rig.account is None:
        assert stat.S_IMODE(found.st_mode) == 0o600
        pytest.skip("only root may run the engine as another user")
    assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (rig.account.group, 0o660)
    stranger = os.fork()
    if stranger == 0:
        try:
            os.setgroups(())
            os.setgid(12_345)
            os.setuid(12_345)
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", str(place))
        except PermissionError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(stranger, 0)[1]) == 7
