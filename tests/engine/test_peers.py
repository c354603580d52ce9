"""Engines of a cluster's members share tables over connections that only members can make (R2)."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import tempfile

from cryptography import x509
from tests.engine.members import Cluster, certificate
from tests.engine.rig import Rig, until
from tests.engine.test_apply import with_line

from pointsman.compiler.haproxy.peers import PORT
from pointsman.compiler.plan import Line


async def put(rig: Rig, key: str) -> None:
    assert not (await rig.runtime(f"set table shared key {key} data.gpc0 1")).strip()


async def knows(rig: Rig, *keys: str) -> bool:
    table = await rig.runtime("show table shared")
    return all(f"key={key} " in table for key in keys)


async def test_r2_members_have_one_table(cluster: Cluster) -> None:
    await cluster.start()
    await put(cluster.a, "first")
    await put(cluster.b, "second")
    await until("a knows both", lambda: knows(cluster.a, "first", "second"))
    await until("b knows both", lambda: knows(cluster.b, "first", "second"))


async def test_r2_a_member_that_comes_back_learns_from_the_other(cluster: Cluster) -> None:
    await cluster.start()
    await put(cluster.a, "before")
    await until("b knows it", lambda: knows(cluster.b, "before"))
    _, worker = await cluster.a.running()
    os.kill(worker, signal.SIGKILL)
    await until("a serves again", lambda: cluster.a.engine.serving)
    await until("a knows it again", lambda: _knows_again(cluster.a, "before"), 15)


async def _knows_again(rig: Rig, key: str) -> bool:
    try:
        return await knows(rig, key)
    except OSError:
        return False  # its socket comes with it


async def test_r2_a_reload_keeps_the_table_also_alone(cluster: Cluster) -> None:
    await cluster.a.apply(cluster.plan(cluster.a), "start")
    # It has to know itself complete, for which it waits in vain for others.
    await until("it has given up waiting", lambda: _is_complete(cluster.a), 30)
    await put(cluster.a, "kept")
    for seconds in (31, 32):
        await cluster.a.apply(
            with_line(cluster.plan(cluster.a), "backend shared", Line(f"timeout server {seconds}s")), "reload"
        )
        await until("the new worker knows it", lambda: knows(cluster.a, "kept"))
    await until("former workers have ended", lambda: _old_workers_gone(cluster.a))


async def _is_complete(rig: Rig) -> bool:
    flags = (await rig.runtime("show peers")).partition("flags=")[2].split()[0]
    return int(flags, 16) & 3 == 3


async def _old_workers_gone(rig: Rig) -> bool:
    return not rig.engine._finishing


async def test_a_certificate_is_renewed_at_run_time(cluster: Cluster) -> None:
    """Once all members trust it, it is shown in the place of the former one, without a reload."""
    renewed = certificate("a")
    cluster.trusted.append(renewed)
    await cluster.start()
    cluster.certificates["a"] = renewed
    await cluster.a.apply(cluster.plan(cluster.a), "runtime")
    assert await _shown(cluster) == x509.load_pem_x509_certificate(renewed)
    await put(cluster.a, "renewed")
    await until("b knows it", lambda: knows(cluster.b, "renewed"))


def _context(shown: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if shown is not None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(shown)
            file.flush()
            context.load_cert_chain(file.name)
    return context


async def _shown(cluster: Cluster) -> x509.Certificate:
    """The certificate that a shows b."""
    context = _context(cluster.certificates["b"])
    _, writer = await asyncio.open_connection(cluster.members[0].address, PORT, ssl=context)
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der)
    finally:
        writer.close()


async def _hello(cluster: Cluster, shown: bytes | None) -> str:
    """The first line that a says to someone who claims to be b; "" when it ends the connection."""
    context = _context(shown)
    own, other = (section.partition(" ")[2].split()[0] for section in _servers(cluster))
    try:
        reader, writer = await asyncio.open_connection(cluster.members[0].address, PORT, ssl=context)
        try:
            writer.write(f"HAProxyS 2.1\n{own}\n{other} 1 1\n".encode())
            return (await asyncio.wait_for(reader.readline(), 10)).decode().strip()
        finally:
            writer.close()
    except (ssl.SSLError, ConnectionError):
        return ""


def _servers(cluster: Cluster) -> list[str]:
    (section,) = [each for each in cluster.plan(cluster.a).sections if each.header.text.startswith("peers ")]
    return [line.text for line in section.lines if line.text.startswith("server ")]


async def test_r2_strangers_and_former_members_are_refused(cluster: Cluster) -> None:
    """A removed member still has its certificate and knows all names."""
    former = certificate("c")
    cluster.trusted.append(former)
    await cluster.a.apply(cluster.plan(cluster.a), "start")
    assert await _hello(cluster, cluster.certificates["b"]) == "200"
    assert await _hello(cluster, former) == "200"
    assert await _hello(cluster, None) == ""
    assert await _hello(cluster, certificate("b")) == ""
    cluster.trusted.remove(former)
    await cluster.a.apply(cluster.plan(cluster.a), "reload")
    assert await _hello(cluster, former) == ""
    assert await _hello(cluster, cluster.certificates["b"]) == "200"


async def test_members_have_the_same_text_but_for_themselves(cluster: Cluster) -> None:
    plans = [cluster.plan(rig) for rig in (cluster.a, cluster.b)]
    own = ["bind ", "log ", "server ", "localpeer ", "stats socket", "server-state-file", "bind unix"]
    common = [
        [line.text for line in plan.lines() if not line.text.strip().startswith(tuple(own))] for plan in plans
    ]
    assert common[0] == common[1]
