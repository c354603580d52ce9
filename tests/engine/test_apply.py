"""Plans come into force by the least act, at run time where HAProxy can, and without a lost request."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import replace
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.engine.rig import Objects, Rig, request, service, until
from tools.instance import free_port
from tools.traffic import Load, Origin

from pointsman.compiler.plan import Line, Listener, Plan
from pointsman.compiler.plan import Origin as Source
from pointsman.schema.problem import ObjectId

Origins = tuple[Origin, Origin, Origin]


def with_line(plan: Plan, section: str, line: Line) -> Plan:
    """The plan with a line added to the sections whose header begins with `section`."""
    sections = tuple(
        replace(each, lines=(*each.lines, line)) if each.header.text.startswith(section) else each
        for each in plan.sections
    )
    return replace(plan, sections=sections)


async def test_an_empty_configuration_is_in_force(rig: Rig) -> None:
    await rig.apply({}, "start")
    await rig.apply({}, "nothing")
    assert "generation-1" in await rig.runtime("show info")


async def test_nodes_change_without_a_reload(rig: Rig, origins: Origins) -> None:
    a, b, c = origins
    port = free_port()
    await rig.apply(service(port, [a, b]), "start")
    assert set(await request(port, 40)) == {"a", "b"}
    _, worker = await rig.running()
    load = Load(port, clients=4)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(60))
        reasons = await rig.apply(service(port, [a, b, c]), "runtime")
        assert any(f"pool app: node {c.node}: added" in reason for reason in reasons), reasons
        await until("the new node serves", lambda: c.requests > 20)
        await rig.apply(service(port, [a, c]), "runtime")
        before, others = b.requests, a.requests
        await until("the others serve on", lambda: a.requests > others + 200)
        assert b.requests <= before + 8  # those on their way
        await rig.apply(service(port, [a, b, c]), "runtime")
        await until("the node that came back serves", lambda: b.requests > before + 50)
        weighted = [{"node": a.node, "weight": 3}, {"node": b.node}, {"node": c.node, "state": "draining"}]
        await rig.apply(service(port, weighted), "runtime")
        load.stop()
    assert not running.result().failed, running.result().failed
    assert set(await request(port, 40)) == {"a", "b"}
    disabled = [a, {"node": b.node, "state": "disabled"}, c]
    await rig.apply(service(port, disabled), "runtime")
    assert set(await request(port, 40)) == {"a", "c"}
    assert (await rig.running())[1] == worker


async def test_a_removed_node_is_deleted_when_its_connections_have_ended(rig: Rig, origins: Origins) -> None:
    a, b, c = origins
    port = free_port()
    tcp = {"web": {"basic": {"protocol": "stream"}}}
    await rig.apply(service(port, [a, b], **tcp), "start")
    await rig.apply(service(port, [a, b, c], **tcp), "runtime")
    await rig.apply(service(port, [c], **tcp), "runtime")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await rig.apply(service(port, [a], **tcp), "runtime")
    assert await reader.readexactly(1) == b"c"
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200" in await reader.readuntil(b"\r\n\r\n"), "an open connection goes on"
    assert str(c.port) in await rig.runtime("show servers state")
    writer.close()

    async def gone() -> bool:
        return str(c.port) not in await rig.runtime("show servers state")

    await until("the server is deleted", gone)


async def test_a_reload_under_load_loses_nothing(rig: Rig, origins: Origins) -> None:
    port, other = free_port(), free_port()
    objects = service(port, origins)
    await rig.apply(objects, "start")
    load = Load(port, clients=8)
    more = {**objects, ("virtual_servers", "more"): service(other, [])["virtual_servers", "web"]}
    async with asyncio.TaskGroup() as group:
        running = group.create_task(load.run(60))
        for _ in range(3):
            reasons = await rig.apply(more, "reload")
            assert reasons == ("virtual server more: new",)
            assert await request(other, 10)
            await rig.apply(objects, "reload")
        load.stop()
    assert not running.result().failed, running.result().failed
    assert load.report.requests > 100


async def presented(port: int, host: str) -> str:
    """The common name of the certificate that a new handshake gets."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    encoded = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    from cryptography import x509

    return str(x509.load_der_x509_certificate(encoded).subject.rfc4514_string())


def tls_service(port: int, origins: Origins, default: str, hosts: dict[str, str]) -> Objects:
    """A TLS virtual server: key "default" for the name `default`, and `hosts` as host -> key name."""
    names = {"default": default, **{key: host for host, key in hosts.items()}}
    mapping = [{"host": host, "certificate": key} for host, key in hosts.items()]
    web: dict[str, Any] = {
        "basic": {"ssl_decrypt": True},
        "ssl": {"server_cert_default": "default", "server_cert_host_mapping": mapping},
    }
    objects = dict(service(port, origins, web=web))
    for key, name in names.items():
        public, private = self_signed(name)
        objects["ssl/server_keys", key] = {"basic": {"public": public, "private": private, "note": ""}}
    return objects


async def test_certificates_change_without_a_reload(rig: Rig, origins: Origins) -> None:
    port = free_port()
    await rig.apply(tls_service(port, origins, "one.test", {}), "start")
    _, worker = await rig.running()
    assert await presented(port, "any.test") == "CN=one.test"
    await rig.apply(tls_service(port, origins, "two.test", {}), "runtime")
    assert await presented(port, "any.test") == "CN=two.test"
    await rig.apply(tls_service(port, origins, "three.test", {"h.test": "h", "i.test": "i"}), "runtime")
    assert await presented(port, "h.test") == "CN=h.test"
    assert await presented(port, "i.test") == "CN=i.test"
    await rig.apply(tls_service(port, origins, "four.test", {"i.test": "i"}), "runtime")
    assert await presented(port, "h.test") == "CN=four.test"
    assert await presented(port, "i.test") == "CN=i.test"
    assert (await rig.running())[1] == worker
    listed = await rig.runtime("show ssl cert")
    assert "h-" not in listed, listed


async def test_a_refused_line_is_mapped_to_its_object(rig: Rig, origins: Origins) -> None:
    port = free_port()
    plan = rig.compile(service(port, origins))
    await rig.apply(plan, "start")
    source = Source(ObjectId("pools", "app"), ("load_balancing", "algorithm"))
    outcome = await rig.engine.apply(
        with_line(plan, "backend pool-app", Line("balance by-horoscope", source))
    )
    assert outcome.act == "refused"
    assert {(problem.subject, problem.path) for problem in outcome.refused} == {(source.subject, source.path)}
    assert "horoscope" in outcome.refused[0].message or "balance" in outcome.refused[0].message
    assert outcome.generation == 1
    assert await request(port, 10)
    await rig.apply(plan, "nothing")
    kept = sorted(path.name for path in (rig.home / "engine").glob("gen-*"))
    assert kept == ["gen-1"], "what was refused is not kept"


async def test_a_worker_that_does_not_answer_in_time_is_found_later(
    rig: Rig, origins: Origins, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    await rig.apply(service(port, origins), "start")
    other = free_port()
    both = {
        **service(port, origins),
        ("virtual_servers", "more"): service(other, [])["virtual_servers", "web"],
    }
    with monkeypatch.context() as patch:
        patch.setattr("pointsman.engine.haproxy.engine._RETURN_SECONDS", 0.0)
        await rig.apply(both, "refused")
    await rig.apply(both, "nothing", "reload")
    one = service(port, origins[:1])["pools", "app"]
    await rig.apply({**both, ("pools", "app"): one}, "runtime")
    assert await request(port, 20) == {"a": 20}


async def test_what_cannot_be_done_at_run_time_is_done_by_a_reload(rig: Rig, origins: Origins) -> None:
    port = free_port()
    plan = rig.compile(service(port, origins))
    await rig.apply(plan, "start")
    await rig.runtime(f"add server {plan.sections[-1].backend}/surprise 127.0.0.1:1")
    changed = []
    for section in plan.sections:
        servers = tuple(replace(server, name="surprise") for server in section.servers[:1])
        changed.append(replace(section, servers=(*section.servers, *servers)))
    reasons = await rig.apply(replace(plan, sections=tuple(changed)), "reload")
    assert "not possible at run time" in reasons[0]
    assert await request(port, 10)


async def test_maps_change_without_a_reload(rig: Rig, origins: Origins) -> None:
    port = free_port()
    answer = "http-request return status 200 content-type text/plain lf-string %[path,map_str(m.map,none)]"
    plan = with_line(rig.compile(service(port, origins)), "frontend vs-web", Line(answer))
    await rig.apply(replace(plan, maps={"m.map": (("/a", "old"),)}), "start")

    async def found(path: str) -> set[str]:
        return set((await Load(port, clients=1, path=path, limit=1).run(5)).answered)

    assert await found("/a") == {"old"}
    many = tuple((f"/{number}", f"the value of entry {number}") for number in range(2000))
    await rig.apply(replace(plan, maps={"m.map": (*many, ("/a", "new"))}), "runtime")
    assert await found("/a") == {"new"}
    assert await found("/1999") == {"the value of entry 1999"}
    await rig.apply(replace(plan, maps={"m.map": ()}), "runtime")
    assert await found("/a") == {"none"}


async def test_generations_do_not_pile_up(rig: Rig, origins: Origins) -> None:
    port = free_port()
    plan = rig.compile(service(port, origins))
    await rig.apply(plan, "start")
    for number in range(5):
        outcome = await rig.engine.apply(with_line(plan, "backend pool-app", Line(f"nonsense {number}")))
        assert outcome.act == "refused"
    names = {path.name for path in (rig.home / "engine").iterdir()}
    assert {"current", "gen-1"} <= names
    assert len(names) <= 5, names
    for path in (rig.home / "engine" / "gen-1").rglob("*"):
        others = 0o077 if rig.account is None else 0o027  # its group is the engine's
        assert path.stat().st_mode & others == 0, path


async def test_a_port_in_use_disturbs_nothing(rig: Rig, origins: Origins) -> None:
    port = free_port()
    objects = service(port, origins)
    await rig.apply(objects, "start")
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        taken = foreign.getsockname()[1]
        both = {**objects, ("virtual_servers", "more"): service(taken, [])["virtual_servers", "web"]}
        plan = rig.compile(both)
        subject = ObjectId("virtual_servers", "more")
        reasons = await rig.engine.probe(plan.listeners)
        assert reasons == {
            Listener("127.0.0.1", taken, subject): f"port {taken} is in use by another program"
        }
        load = Load(port, clients=4)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(load.run(60))
            outcome = await rig.engine.apply(plan)
            load.stop()
        assert outcome.act == "refused"
        assert [problem.subject for problem in outcome.refused] == [subject]
        assert not running.result().failed, running.result().failed
        assert await request(port, 10)
    await rig.apply(both, "reload")
    assert await request(taken, 10)


async def test_an_address_lost_to_another_program_at_the_last_moment(rig: Rig, origins: Origins) -> None:
    """HAProxy itself finds that it cannot bind: the listener is one that the plan does not tell us of."""
    port = free_port()
    plan = rig.compile(service(port, origins))
    await rig.apply(plan, "start")
    _, worker = await rig.running()
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        taken = foreign.getsockname()[1]
        source = Source(ObjectId("virtual_servers", "web"), ("basic", "port"))
        bad = with_line(plan, "frontend vs-web", Line(f"bind 127.0.0.1:{taken}", source))
        outcome = await rig.engine.apply(bad)
    assert outcome.act == "refused"
    assert [(problem.subject, problem.path) for problem in outcome.refused] == [(source.subject, source.path)]
    await until("the old worker is the present one again", lambda: rig.processes()[1] == worker)
    assert await request(port, 20)
    assert "gen-1" in str((rig.home / "engine" / "current").readlink())
    await rig.apply(plan, "nothing")


async def test_a_first_configuration_that_cannot_start_leaves_nothing_behind(
    rig: Rig, origins: Origins
) -> None:
    port = free_port()
    plan = rig.compile(service(port, origins))
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        source = Source(ObjectId("virtual_servers", "web"), ("basic", "port"))
        line = Line(f"bind 127.0.0.1:{foreign.getsockname()[1]}", source)
        outcome = await rig.engine.apply(with_line(plan, "frontend vs-web", line))
        assert outcome.act == "refused"
        assert [problem.subject for problem in outcome.refused] == [source.subject]
    assert rig.processes() == (0, 0)
    await rig.apply(plan, "start")
    assert await request(port, 10)


async def test_an_option_that_needs_quotes_is_never_sent_to_the_socket(rig: Rig, origins: Origins) -> None:
    a, b, _ = origins
    port = free_port()
    name = "n;disable frontend internal"
    authority = {("ssl/cas", "ca"): {"content": self_signed("ca.example")[0].encode()}}
    tls = {"enable": True, "strict_verify": True, "common_name_match": [name]}
    await rig.apply({**service(port, [a], ssl=tls), **authority}, "start")
    # The socket would take the semicolon for the end of a command.
    reasons = await rig.apply({**service(port, [a, b], ssl=tls), **authority}, "reload")
    assert any("cannot be given at run time" in reason for reason in reasons), reasons
    assert "STOP" not in await rig.runtime("show stat internal 1 -1")
    plain = {**tls, "common_name_match": ["n.example"]}
    await rig.apply({**service(port, [a], ssl=plain), **authority}, "reload")
    await rig.apply({**service(port, [a, b], ssl=plain), **authority}, "runtime")
